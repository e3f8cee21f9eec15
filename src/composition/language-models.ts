import type { Clock, EntityFacts } from '#foundation/core'
import { SENSITIVITIES, variable } from '#foundation/core'
import {
  SANDBOX_MODEL,
  type SandboxResponder,
  startSandboxResponder,
  type UpstreamRoute,
  type UpstreamsConfig,
  upstreamsSchema,
} from '#gateway/serving'
import type { Configuration } from './configuration.ts'

/** The public name of the language model that a first start serves. */
const ASSISTANT = 'assistant'
/** The route to the sandbox responder, which the guided tour uses; development only. */
const SANDBOX_ROUTE = 'sandbox'
const DEFAULT_MODEL = 'gpt-4o-mini'

/**
 * The language models to serve: those configured; else the one that `OPENAI_BASE_URL` and `OPENAI_API_KEY` name; else, in
 * development, the sandbox responder, a separate server on loopback that says that it is one.
 */
export async function languageModels(
  configuration: Configuration,
  environment: NodeJS.ProcessEnv,
): Promise<{ readonly config: UpstreamsConfig; readonly sandbox: SandboxResponder | null; readonly assistantIsSandbox: boolean }> {
  const named = configured(configuration, environment)
  if (configuration.profile === 'production')
    return { config: named ?? upstreamsSchema.parse({}), sandbox: null, assistantIsSandbox: false }
  const sandbox = await startSandboxResponder()
  const route = { upstream: SANDBOX_ROUTE, model: SANDBOX_MODEL }
  const config = upstreamsSchema.parse({
    upstreams: { [SANDBOX_ROUTE]: { baseUrl: sandbox.url, allowLoopbackHttp: true, sandbox: true }, ...named?.upstreams },
    models: { [SANDBOX_ROUTE]: route, ...(named ? named.models : { [ASSISTANT]: route }) },
  })
  return { config, sandbox, assistantIsSandbox: named === null }
}

function configured({ chat }: Configuration, environment: NodeJS.ProcessEnv): UpstreamsConfig | null {
  if (Object.keys(chat.models).length > 0) return chat
  const key = variable(environment, 'OPENAI_API_KEY')
  const baseUrl = variable(environment, 'OPENAI_BASE_URL') ?? (key ? 'https://api.openai.com/v1' : undefined)
  if (baseUrl === undefined) return null
  return upstreamsSchema.parse({
    upstreams: { openai: { baseUrl, ...(key ? { apiKey: 'env:OPENAI_API_KEY' } : {}) } },
    models: { [ASSISTANT]: { upstream: 'openai', model: variable(environment, 'OPENAI_MODEL') ?? DEFAULT_MODEL } },
  })
}

/**
 * What policies may know of a language-model route; the same object for the same route while its agreement is in force, and another when it
 * is not, so that the engine converts each once.
 */
export function endpointFacts(environment: string, clock: Pick<Clock, 'now'>): (route: UpstreamRoute) => EntityFacts {
  const inForce = new WeakMap<UpstreamRoute, EntityFacts>()
  const without = new WeakMap<UpstreamRoute, EntityFacts>()
  return (route) => {
    const agreement = route.agreedUntil !== null && clock.now() < route.agreedUntil
    const known = agreement ? inForce : without
    let facts = known.get(route)
    if (!facts) {
      const { purposes, sandbox, upstream, vendor, region } = route
      const attributes = {
        sensitivity: SENSITIVITIES.indexOf(route.sensitivity),
        purposes,
        sandbox,
        upstream,
        vendor,
        region,
        agreement,
      }
      facts = {
        type: 'Endpoint',
        id: route.model,
        attributes,
        parents: [
          { type: 'System', id: 'redoubt' },
          { type: 'Environment', id: environment },
        ],
      }
      known.set(route, facts)
    }
    return facts
  }
}
