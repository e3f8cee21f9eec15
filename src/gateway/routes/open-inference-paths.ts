import { MODEL_NAME } from '#assets/registry'

export type InferenceOperation = 'server-metadata' | 'server-live' | 'server-ready' | 'model-metadata' | 'model-ready' | 'model-infer'

export interface InferenceRoute {
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

export interface InferenceTarget {
  readonly route: InferenceRoute
  readonly model: string | null
  readonly version: number | null
}

const VERSION = /^[1-9][0-9]{0,8}$/

/**
 * Finds the route of a path without query. Names need no percent-encoding, so a path that has one names no model.
 * @returns null when there is no such path. The method is not judged: the caller answers 405 with `route.method`.
 */
export function matchOpenInferencePath(path: string): InferenceTarget | null {
  const parts = path.split('/')
  for (const route of OPEN_INFERENCE_ROUTES) {
    const pattern = route.path.split('/')
    if (pattern.length !== parts.length) continue
    let model: string | null = null
    let version: number | null = null
    const fits = pattern.every((segment, i) => {
      const part = parts[i] ?? ''
      if (segment === '{m}') {
        model = part
        return MODEL_NAME.test(part)
      }
      if (segment !== '{v}') return segment === part
      version = Number(part)
      return VERSION.test(part)
    })
    if (fits) return { route, model, version }
  }
  return null
}
