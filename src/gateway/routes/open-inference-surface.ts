import type { Registry } from '#assets/registry'
import { asRedoubtError, type JsonObject, RedoubtError } from '#foundation/core'
import { type Call, type Rendered, type ServeIo, type Served, challengeOf, type Surface, type TextFilter } from '#gateway/pipeline'
import type { InferTensor, ModelServer, ServedModel } from '#gateway/serving'
import { recordedRows } from './recorded-rows.ts'
import { parseInferRequest } from './open-inference.ts'
import { type InferResponse, renderInferenceError, renderInferResponse } from './open-inference-answers.ts'
import type { InferRequest } from './open-inference.ts'

/** A thousand rows of a wide table, with room. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024
/** What the wire format allows at all; policies set the bound that counts. */
export const MAX_ROWS = 100_000
/** Predictions of a named subject kept in the record, sealed; more rows are kept by digest alone. */
const MAX_RECORDED_ROWS = 100

export interface OpenInferenceOptions {
  readonly models: ModelServer
  readonly registry: Registry
}

/** `POST /v2/models/{m}[/versions/{v}]/infer` in the Open Inference Protocol's shape. */
export function openInferenceSurface({ models, registry }: OpenInferenceOptions): Surface {
  return {
    name: 'open-inference',
    maxBodyBytes: MAX_BODY_BYTES,
    resolve({ body, parameters: [name, version] }) {
      const model = servedModel(models, registry, name, version)
      const read = (): InferRequest => parseInferRequest(body, model, { maxBodyBytes: MAX_BODY_BYTES, maxRows: MAX_ROWS })
      return inferCall({ models, registry, model, read }, renderJson)
    },
    renderError: inferenceErrorAnswer,
    // No operation of this protocol streams.
    renderStreamError: (error) => renderInferenceError(error),
  }
}

/** @throws {RedoubtError} `ERR_MODEL_UNKNOWN`, `ERR_MODEL_UNDEPLOYED`. */
export function servedModel(models: ModelServer, registry: Registry, name: string | undefined, version: string | undefined): ServedModel {
  const model = models.get(name ?? '')
  if (!model) {
    const known = registry.get(name ?? '')
    throw known ? new RedoubtError('ERR_MODEL_UNDEPLOYED') : new RedoubtError('ERR_MODEL_UNKNOWN', 'there is no such model')
  }
  if (version !== undefined && version !== String(model.version.version))
    throw new RedoubtError('ERR_MODEL_UNDEPLOYED', 'another version is deployed')
  return model
}

export function inferenceErrorAnswer(error: RedoubtError, requestId: string): Rendered {
  const headers = {
    'content-type': 'application/json',
    'x-request-id': requestId,
    'redoubt-code': error.code,
    ...(error.status === 401 ? { 'www-authenticate': challengeOf(error) } : {}),
  }
  return { status: error.status, headers, body: renderInferenceError(error) }
}

const renderJson = (response: InferResponse): Rendered => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: renderInferResponse(response),
})

interface InferExchange extends OpenInferenceOptions {
  readonly model: ServedModel
  /** Understands the body; what it throws becomes the call's fault. */
  readonly read: () => InferRequest
}

/** One inference, whatever wire it came on. @param render the answer in that wire's words. */
export function inferCall({ models, registry, model, read }: InferExchange, render: (response: InferResponse) => Rendered): Call {
  const { version } = model
  let request: InferRequest
  try {
    request = read()
  } catch (thrown) {
    return faultyCall(registry, model, asRedoubtError(thrown))
  }
  let inputs = request.inputs
  return {
    resource: registry.facts(version),
    presentResource: () => registry.facts(version),
    endpoint: `Model/${version.name}`,
    subject: request.subject,
    cost: { rows: request.rows },
    details: { model: version.name, version: version.version, digest: version.digest, rows: request.rows },
    rewriteTexts(filter) {
      inputs = inputs.map((tensor) => filteredTensor(tensor, filter, 'inputs'))
    },
    stillServable() {
      if (registry.get(version.name, version.version)?.quarantined === true) return new RedoubtError('ERR_MODEL_QUARANTINED')
      return models.get(version.name) === model ? null : new RedoubtError('ERR_MODEL_UNDEPLOYED')
    },
    serve: (io) => serve({ model, request, inputs, render }, io),
  }
}

/** A call that names a model and says nothing that can be asked of it. */
function faultyCall(registry: Registry, { version }: ServedModel, fault: RedoubtError): Call {
  return {
    resource: registry.facts(version),
    endpoint: `Model/${version.name}`,
    subject: null,
    cost: {},
    details: { model: version.name, version: version.version, digest: version.digest },
    fault,
    rewriteTexts: () => undefined,
    stillServable: () => fault,
    serve: () => Promise.reject(fault),
  }
}

interface Serving {
  readonly model: ServedModel
  readonly request: InferRequest
  readonly inputs: readonly InferTensor[]
  readonly render: (response: InferResponse) => Rendered
}

async function serve({ model, request, inputs, render }: Serving, io: ServeIo): Promise<Served> {
  const outputs = await model.infer(inputs, request.rows)
  const reason = io.cancellation.reason
  if (reason) throw reason
  const { name, version } = model.version
  return {
    kind: 'whole',
    usage: { rows: request.rows },
    bytes: textUnits(outputs),
    visitTexts: (look) => outputs.forEach((tensor) => filteredTensor(tensor, look, 'outputs')),
    render: (filter) =>
      render({
        modelName: name,
        modelVersion: version,
        id: request.id,
        outputs: outputs.map((tensor) => filteredTensor(tensor, filter, 'outputs')),
        requested: request.outputs,
      }),
    hasValue: (output, value) => hasValue(outputs, output, value),
    shown: () => ({ inputs: inputs.map(firstRows) }),
    ...(io.subject === null || request.rows > MAX_RECORDED_ROWS ? {} : { personal: personalOf(model, inputs, outputs) }),
  }
}

/** What was answered, and of a model trained here what it was answered from, so that it can be explained later (D2). */
function personalOf({ version }: ServedModel, inputs: readonly InferTensor[], outputs: readonly InferTensor[]): JsonObject {
  const prediction = outputs.map(recorded)
  const rows = version.foreign ? null : recordedRows(inputs)
  return rows === null ? { prediction } : { prediction, inputs: rows }
}

function hasValue(outputs: readonly InferTensor[], name: string, value: string): boolean | null {
  const tensor = outputs.find((output) => output.name === name)
  return tensor === undefined ? null : Array.from(tensor.data as ArrayLike<unknown>, String).includes(value)
}

/** What a prediction was made from, of as many rows as a person looks at. */
const firstRows = ({ name, shape, data }: InferTensor): JsonObject => {
  const [rows = 0] = shape
  const most = rows === 0 ? 0 : (data.length / rows) * Math.min(rows, MAX_RECORDED_ROWS)
  return {
    name,
    rows,
    data: Array.from(data as ArrayLike<unknown>, String)
      .slice(0, most)
      .map((value) => value.toWellFormed()),
  }
}

function textUnits(tensors: readonly InferTensor[]): number {
  let units = 0
  for (const { datatype, data } of tensors) {
    if (datatype !== 'BYTES') continue
    for (const value of Array.from(data as ArrayLike<unknown>)) units += typeof value === 'string' ? value.length : 0
  }
  return units
}

function filteredTensor(tensor: InferTensor, filter: TextFilter, member: string): InferTensor {
  if (tensor.datatype !== 'BYTES') return tensor
  const place = `${member}.${tensor.name}`
  const data = Array.from(tensor.data as ArrayLike<unknown>, (value) =>
    typeof value === 'string' && value !== '' ? filter(value, place) : (value as null),
  )
  return { ...tensor, data }
}

const recorded = ({ name, data }: InferTensor): { readonly name: string; readonly data: readonly string[] } => ({
  name,
  data: Array.from(data as ArrayLike<unknown>, String),
})
