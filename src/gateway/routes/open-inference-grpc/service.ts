import type { TLSSocket } from 'node:tls'
import { Metadata, type sendUnaryData, type Server, type ServerOptions, type ServerUnaryCall } from '@grpc/grpc-js'
import type { Registry } from '#assets/registry'
import { asRedoubtError, newId, RedoubtError } from '#foundation/core'
import { type House, infer } from '#gateway/pipeline'
import type { ModelServer, ServedModel } from '#gateway/serving'
import type { SourceAddresses } from '#trust/conditions'
import { type Asking, type Caller, callerOf, recordRefusal } from '../metadata-routes.ts'
import { PLATFORM, versionsOf } from '../open-inference-answers.ts'
import { MAX_BODY_BYTES, servedModel } from '../open-inference-surface.ts'
import { Admission } from './admission.ts'
import { atMostOne, credentialsOf, single, whence } from './caller.ts'
import { grpcReply } from './reply.ts'
import { GRPC_SURFACE, inferSurface, statusOf } from './surface.ts'
import { loadMethods, type Method, METHODS, type ModelInferRequest, SERVICE } from './wire.ts'

export interface InferenceServiceOptions {
  readonly house: House
  readonly models: ModelServer
  readonly registry: Registry
  readonly version: string
  readonly ready: () => boolean
  /** True when nothing new may begin. */
  readonly draining: () => boolean
  readonly sources: Pick<SourceAddresses, 'behind' | 'isProxy'>
  /** The connection of a peer, `ADDRESS:PORT`; null when it is gone. */
  readonly connectionOf: (peer: string) => TLSSocket | null
}

type Call = ServerUnaryCall<Buffer, object>
type Decode = (method: Method, bytes: Buffer) => object
/** What the requests about a model name; those about the server name nothing. */
interface Asked {
  readonly name: string
  readonly version: string
}
type Answer = (caller: Caller, asked: Asked) => object

/** What the listener puts on a gRPC server. */
export interface InferenceService {
  /** Options of the server: what a caller may send, and who is let to send at all. */
  readonly serverOptions: ServerOptions
  addTo(server: Server): void
}

/** The Open Inference Protocol over gRPC, method by method the twin of the REST routes. */
export function inferenceService(options: InferenceServiceOptions): InferenceService {
  const admission = new Admission(options)
  return {
    serverOptions: {
      'grpc.max_receive_message_length': MAX_BODY_BYTES,
      'grpc.max_concurrent_streams': 100,
      'grpc.keepalive_timeout_ms': 20_000,
      'grpc.max_connection_idle_ms': 60_000,
      interceptors: [admission.interceptor],
    },
    addTo: (server) => addInferenceService(server, options, admission),
  }
}

function addInferenceService(server: Server, options: InferenceServiceOptions, admission: Admission): void {
  const methods = loadMethods()
  const definition = Object.fromEntries(
    METHODS.map((name) => {
      const method = methods[name]
      // Messages are read inside of the pipeline, after it is known who asks.
      return [name, { ...method, requestDeserialize: (bytes: Buffer) => bytes }]
    }),
  )
  const decode: Decode = (name, bytes) => methods[name].requestDeserialize(bytes)
  const handlers: Readonly<Record<Method, (call: Call, callback: sendUnaryData<object>) => void>> = {
    ServerLive: (_call, callback) => callback(null, { live: true }),
    ServerReady: (_call, callback) => callback(null, { ready: options.ready() }),
    ServerMetadata: metadata(options, admission, decode, 'ServerMetadata', () => ({
      name: 'redoubt',
      version: options.version,
      extensions: [],
    })),
    ModelReady: metadata(options, admission, decode, 'ModelReady', (caller, asked) => ({
      ready: invocable(options, caller, asked) !== null,
    })),
    ModelMetadata: metadata(options, admission, decode, 'ModelMetadata', (caller, asked) =>
      modelMetadata(options, invocable(options, caller, asked)),
    ),
    ModelInfer: (call, callback) =>
      void modelInfer(options, admission, (bytes) => decode('ModelInfer', bytes) as ModelInferRequest, call, callback),
  }
  server.addService(definition, handlers)
}

async function modelInfer(
  options: InferenceServiceOptions,
  admission: Admission,
  decode: (bytes: Buffer) => ModelInferRequest,
  call: Call,
  callback: sendUnaryData<object>,
): Promise<void> {
  const { house } = options
  const requestId = newId('req')
  try {
    refuseDraining(options)
    const infers = inferSurface(options, decode)
    const reply = grpcReply(call, callback, () => infers.message())
    reply.setHeaders({ 'x-request-id': requestId })
    await infer(admission.houseOf(house, call), {
      requestId,
      receivedAt: house.clock.now(),
      startedAt: house.clock.monotonic(),
      surface: infers.surface,
      parameters: [],
      credentials: credentialsOf(call, 'ModelInfer', options),
      contentType: 'application/grpc',
      ...whence(call, options),
      purposeHeader: atMostOne(call.metadata, 'redoubt-purpose'),
      subjectHeader: atMostOne(call.metadata, 'redoubt-subject'),
      header: (name) => single(call.metadata, name),
      body: async () => call.request,
      reply,
    })
  } catch (thrown) {
    fail(callback, asRedoubtError(thrown), requestId)
  }
}

function metadata(
  options: InferenceServiceOptions,
  admission: Admission,
  decode: Decode,
  method: Method,
  answer: Answer,
): (call: Call, callback: sendUnaryData<object>) => void {
  return (call, callback) => {
    const requestId = newId('req')
    let caller: Asking | null = null
    try {
      refuseDraining(options)
      caller = callerOf(admission.houseOf(options.house, call), credentialsOf(call, method, options), whence(call, options))
      const sent = new Metadata()
      sent.set('x-request-id', requestId)
      const message = answer(caller, decode(method, call.request) as Asked)
      call.sendMetadata(sent)
      callback(null, message)
    } catch (thrown) {
      const error = asRedoubtError(thrown)
      // Refusals by identity are recorded by the identity room.
      if (caller === null) fail(callback, error, requestId)
      else void refuse(options.house, `/${SERVICE}/${method}`, caller, error, requestId, callback)
    }
  }
}

/** Says no once it is on record: why, or that it could not be recorded. */
async function refuse(
  house: House,
  path: string,
  caller: Asking,
  error: RedoubtError,
  requestId: string,
  callback: sendUnaryData<object>,
): Promise<void> {
  let told = error
  try {
    await recordRefusal(house, { surface: GRPC_SURFACE, path }, caller, error, requestId)
  } catch (thrown) {
    told = asRedoubtError(thrown, 'ERR_AUDIT_UNAVAILABLE')
  }
  fail(callback, told, requestId)
}

/** The model that is asked about. @throws {RedoubtError} when there is none such, or the caller may not invoke it. */
function invocable({ models, registry }: InferenceServiceOptions, caller: Caller, { name, version }: Asked): ServedModel {
  const model = servedModel(models, registry, name, version === '' ? undefined : version)
  caller.demandInvoke(registry.facts(model.version))
  return model
}

function modelMetadata({ registry }: InferenceServiceOptions, { version, inputs, outputs }: ServedModel): object {
  const versions = versionsOf(registry, version.name).map(String)
  return { name: version.name, versions, platform: PLATFORM, inputs, outputs, properties: {} }
}

function refuseDraining({ draining }: InferenceServiceOptions): void {
  if (draining()) throw new RedoubtError('ERR_DRAINING')
}

function fail(callback: sendUnaryData<object>, error: RedoubtError, requestId: string): void {
  callback(statusOf(error, requestId))
}
