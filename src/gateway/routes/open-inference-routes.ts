import { RedoubtError } from '#foundation/core'
import type { House, Rendered } from '#gateway/pipeline'
import type { Registry } from '#assets/registry'
import type { ModelServer } from '#gateway/serving'
import { inferenceRoute } from './inference-routes.ts'
import { type Caller, metadataRoute } from './metadata-routes.ts'
import { inferenceErrorAnswer, openInferenceSurface, servedModel } from './open-inference-surface.ts'
import {
  renderLive,
  renderModelMetadata,
  renderModelReady,
  renderReady,
  renderServerMetadata,
  versionsOf,
} from './open-inference-answers.ts'
import { type InferenceOperation, OPEN_INFERENCE_ROUTES } from './open-inference-paths.ts'
import type { Route } from './router.ts'

export interface OpenInferenceRoutesOptions {
  readonly house: House
  readonly models: ModelServer
  readonly registry: Registry
  readonly version: string
  readonly ready: () => boolean
}

type Operation = Exclude<InferenceOperation, 'server-live' | 'server-ready' | 'model-infer'>

/** The Open Inference Protocol over REST: metadata, readiness, inference. An endpoint is named after its model. */
export function openInferenceRoutes(options: OpenInferenceRoutesOptions): readonly Route[] {
  const { house, models, registry } = options
  const surface = openInferenceSurface({ models, registry })
  return OPEN_INFERENCE_ROUTES.map(({ path: pattern, operation }): Route => {
    const path = pattern.replace('{m}', ':m').replace('{v}', ':v')
    switch (operation) {
      case 'model-infer':
        return inferenceRoute(house, path, surface)
      case 'server-live':
      case 'server-ready':
        return healthRoute(path, operation, options)
      default:
        return metadataRoute(
          house,
          { surface: surface.name, path },
          (caller, parameters) => json(200, describe(options, operation, caller, parameters)),
          inferenceErrorAnswer,
        )
    }
  })
}

function describe(
  { models, registry, version }: OpenInferenceRoutesOptions,
  operation: Operation,
  caller: Caller,
  [name, wanted]: readonly string[],
): string {
  if (operation === 'server-metadata') return renderServerMetadata({ name: 'redoubt', version })
  const model = servedModel(models, registry, name, wanted)
  caller.demandInvoke(registry.facts(model.version))
  if (operation === 'model-ready') return renderModelReady(model.version.name, true)
  const { name: known } = model.version
  return renderModelMetadata({ name: known, versions: versionsOf(registry, known), inputs: model.inputs, outputs: model.outputs })
}

function healthRoute(path: string, operation: 'server-live' | 'server-ready', { ready }: OpenInferenceRoutesOptions): Route {
  return {
    method: 'GET',
    path,
    access: { open: 'one word on the state of the server, for clients of the protocol that ask before they have a token' },
    handle({ response }) {
      const isReady = ready()
      const { status, headers, body } =
        operation === 'server-live'
          ? json(200, renderLive(true))
          : json(isReady ? 200 : new RedoubtError('ERR_DRAINING').status, renderReady(isReady))
      response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
      response.end(body)
    },
  }
}

const json = (status: number, body: string): Rendered => ({ status, headers: { 'content-type': 'application/json' }, body })
