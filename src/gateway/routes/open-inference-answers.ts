import type { Registry } from '#assets/registry'
import type { RedoubtError } from '#foundation/core'
import type { InferTensor, TensorSpec } from '#gateway/serving'

/** What the protocol calls the runtime. */
export const PLATFORM = 'onnxruntime_onnx'

/** Versions of a model that there are. */
export const versionsOf = (registry: Pick<Registry, 'list'>, name: string): readonly number[] =>
  registry
    .list()
    .filter((known) => known.name === name)
    .map((known) => known.version)

/** What an inference answered. */
export interface InferResponse {
  readonly modelName: string
  readonly modelVersion: number
  readonly id: string | null
  readonly outputs: readonly InferTensor[]
  /** Names of the outputs that were asked for, in that order; null means all. */
  readonly requested: readonly string[] | null
}

export function renderServerMetadata(server: { readonly name: string; readonly version: string }): string {
  return JSON.stringify({ name: server.name, version: server.version, extensions: [] })
}

export const renderLive = (live: boolean): string => JSON.stringify({ live })

/** The specification's text gives `live` here and its reference server `ready`; clients read either. */
export const renderReady = (ready: boolean): string => JSON.stringify({ live: ready, ready })

export const renderModelReady = (name: string, ready: boolean): string => JSON.stringify({ name, ready })

export function renderModelMetadata(model: {
  readonly name: string
  readonly versions: readonly number[]
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}): string {
  const tensor = ({ name, datatype, shape }: TensorSpec): object => ({ name, datatype, shape })
  return JSON.stringify({
    name: model.name,
    versions: model.versions.map(String),
    platform: PLATFORM,
    inputs: model.inputs.map(tensor),
    outputs: model.outputs.map(tensor),
  })
}

/** One text, as the protocol has it; the code comes first so that programs need not read the sentence. */
export function renderInferenceError(error: Pick<RedoubtError, 'code' | 'message'>): string {
  return JSON.stringify({ error: `${error.code}: ${error.message}` })
}

export function renderInferResponse(response: InferResponse): string {
  const { requested } = response
  const chosen =
    requested === null ? response.outputs : requested.flatMap((name) => response.outputs.filter((output) => output.name === name))
  const head = `"model_name":${JSON.stringify(response.modelName)},"model_version":"${response.modelVersion}"`
  const id = response.id === null ? '' : `,"id":${JSON.stringify(response.id)}`
  return `{${head}${id},"outputs":[${chosen.map(renderTensor).join(',')}]}`
}

function renderTensor(tensor: InferTensor): string {
  const { name, datatype, shape } = tensor
  return `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join(',')}],"data":[${renderValues(tensor)}]}`
}

function renderValues({ datatype, data }: InferTensor): string {
  if (datatype === 'BYTES') return Array.from(data as ArrayLike<unknown>, (value) => JSON.stringify(value)).join(',')
  // 64-bit integers as JSON numbers with all their digits; floats that are not numbers have no JSON form and become null.
  return Array.from(data as ArrayLike<number | bigint | boolean | null>, (value) => {
    if (datatype === 'BOOL') return value ? 'true' : 'false'
    return typeof value === 'number' && !Number.isFinite(value) ? 'null' : String(value)
  }).join(',')
}
