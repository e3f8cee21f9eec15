import type { TLSSocket } from 'node:tls'
import { Metadata, type sendUnaryData, type Server, type ServerUnaryCall } from '@grpc/grpc-js'
import type { Registry } from '#assets/registry'
import { asRedoubtError, newId, RedoubtError } from '#foundation/core'
import { type House, infer } from '#gateway/pipeline'
import type { ModelServer, ServedModel } from '#gateway/serving'
import type { SourceAddresses } from '#trust/conditions'
import { certificateOfConnection, type Credentials } from '#trust/identity'
import { type Caller, callerOf } from '../metadata-routes.ts'
import { PLATFORM, versionsOf } from '../open-inference-answers.ts'
import { MAX_BODY_BYTES, servedModel } from '../open-inference-surface.ts'
import { grpcReply } from './reply.ts'
import { grpcStatus, statusDetails } from './status.ts'
import { errorHeaders, inferSurface } from './surface.ts'
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

/** Options of the gRPC server: what a caller may send before anyone looks at it. */
export const GRPC_SERVER_OPTIONS = {
  'grpc.max_receive_message_length': MAX_BODY_BYTES,
  'grpc.max_concurrent_streams': 100,
  'grpc.keepalive_timeout_ms': 20_000,
  'grpc.max_connection_idle_ms': 300_000,
} as const

/** Adds the Open Inference Protocol to a gRPC server, method by method the twin of the REST routes. */
export function addInferenceService(server: Server, options: InferenceServiceOptions): void {
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
    ServerMetadata: metadata(options, decode, 'ServerMetadata', () => ({ name: 'redoubt', version: options.version, extensions: [] })),
    ModelReady: metadata(options, decode, 'ModelReady', (caller, asked) => ({ ready: invocable(options, caller, asked) !== null })),
    ModelMetadata: metadata(options, decode, 'ModelMetadata', (caller, asked) => modelMetadata(options, invocable(options, caller, asked))),
    ModelInfer: (call, callback) => void modelInfer(options, (bytes) => decode('ModelInfer', bytes) as ModelInferRequest, call, callback),
  }
  server.addService(definition, handlers)
}

async function modelInfer(
  options: InferenceServiceOptions,
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
    await infer(house, {
      requestId,
      receivedAt: house.clock.now(),
      startedAt: house.clock.monotonic(),
      surface: infers.surface,
      parameters: [],
      credentials: credentialsOf(options, call, 'ModelInfer'),
      contentType: 'application/grpc',
      ...whence(options, call),
      purposeHeader: single(call, 'redoubt-purpose'),
      subjectHeader: single(call, 'redoubt-subject'),
      body: async () => call.request,
      reply,
    })
  } catch (thrown) {
    fail(callback, asRedoubtError(thrown), requestId)
  }
}

function metadata(
  options: InferenceServiceOptions,
  decode: Decode,
  method: Method,
  answer: Answer,
): (call: Call, callback: sendUnaryData<object>) => void {
  return (call, callback) => {
    const requestId = newId('req')
    try {
      refuseDraining(options)
      const caller = callerOf(options.house, credentialsOf(options, call, method), whence(options, call))
      const sent = new Metadata()
      sent.set('x-request-id', requestId)
      const message = answer(caller, decode(method, call.request) as Asked)
      call.sendMetadata(sent)
      callback(null, message)
    } catch (thrown) {
      fail(callback, asRedoubtError(thrown), requestId)
    }
  }
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
  const trailers = new Metadata()
  for (const [name, value] of Object.entries(errorHeaders(error, requestId))) trailers.set(name, value)
  callback({ code: grpcStatus(error.status), details: statusDetails(error), metadata: trailers })
}

function credentialsOf({ connectionOf, sources }: InferenceServiceOptions, call: Call, method: Method): Credentials {
  const all = call.metadata.get('authorization')
  const proofs = call.metadata.get('dpop')
  return {
    authorization: all[0]?.toString(),
    authorizationCount: all.length,
    url: `/${SERVICE}/${method}`,
    possession: {
      method: 'POST',
      proof: proofs[0]?.toString(),
      proofCount: proofs.length,
      certificate() {
        const socket = connectionOf(call.getPeer())
        // A proxy's certificate is not the caller's, and here none is forwarded.
        return socket === null || sources.isProxy(socket.remoteAddress ?? '') ? null : certificateOfConnection(socket)
      },
      setHeader: () => undefined,
    },
  }
}

function whence(
  { sources, connectionOf }: InferenceServiceOptions,
  call: Call,
): { readonly sourceAddress: string; readonly userAgent: string | undefined } {
  const socket = connectionOf(call.getPeer())
  const forwarded = single(call, 'forwarded')
  const xForwardedFor = single(call, 'x-forwarded-for')
  const headers = {
    ...(forwarded === undefined ? {} : { forwarded }),
    ...(xForwardedFor === undefined ? {} : { 'x-forwarded-for': xForwardedFor }),
  }
  return { sourceAddress: sources.behind(socket?.remoteAddress ?? '', headers), userAgent: single(call, 'user-agent') }
}

const single = ({ metadata }: Call, name: string): string | undefined => {
  const all = metadata.get(name)
  return all.length === 0 ? undefined : all.map(String).join(',')
}
