export type InferenceOperation = 'server-metadata' | 'server-live' | 'server-ready' | 'model-metadata' | 'model-ready' | 'model-infer'

interface InferenceRoute {
  readonly method: 'GET' | 'POST'
  /** `{m}` is the model's name and `{v}` the version's number. */
  readonly path: string
  readonly operation: InferenceOperation
}

/** Every route of the Open Inference Protocol that is served. */
export const OPEN_INFERENCE_ROUTES: readonly InferenceRoute[] = [
  { method: 'GET', path: '/v2', operation: 'server-metadata' },
  { method: 'GET', path: '/v2/health/live', operation: 'server-live' },
  { method: 'GET', path: '/v2/health/ready', operation: 'server-ready' },
  { method: 'GET', path: '/v2/models/{m}', operation: 'model-metadata' },
  { method: 'GET', path: '/v2/models/{m}/ready', operation: 'model-ready' },
  { method: 'POST', path: '/v2/models/{m}/infer', operation: 'model-infer' },
  { method: 'GET', path: '/v2/models/{m}/versions/{v}', operation: 'model-metadata' },
  { method: 'GET', path: '/v2/models/{m}/versions/{v}/ready', operation: 'model-ready' },
  { method: 'POST', path: '/v2/models/{m}/versions/{v}/infer', operation: 'model-infer' },
]
