import type { EntityFacts } from '#foundation/core'
import { SENSITIVITIES } from '#foundation/core'
import { SANDBOX_MODEL, type SandboxResponder, startSandboxResponder, type UpstreamRoute, type UpstreamsConfig, upstreamsSchema } from '#gateway/serving'
import type { Configuration } from './configuration.ts'

/** The public name of the language model that a first start serves. */
export const ASSISTANT = 'assistant'
const DEFAULT_MODEL = 'gpt-4o-mini'

/**
 * The language models to serve: those configured; else the one that `OPENAI_BASE_URL` and `OPENAI_API_KEY` name; else the sandbox
 * responder, a separate server on loopback that says that it is one.
 */
export async function languageModels(
  configuration: Configuration,
  environment: NodeJS.ProcessEnv,
): Promise<{ readonly config: UpstreamsConfig; readonly sandbox: SandboxResponder | null }> {
  if (Object.keys(configuration.chat.models).length > 0) return { config: configuration.chat, sandbox: null }
  const baseUrl = environment['OPENAI_BASE_URL'] ?? (environment['OPENAI_API_KEY'] ? 'https://api.openai.com/v1' : undefined)
  if (baseUrl !== undefined) {
    const apiKey = environment['OPENAI_API_KEY'] ? { apiKey: 'env:OPENAI_API_KEY' } : {}
    const model = environment['OPENAI_MODEL'] ?? DEFAULT_MODEL
    return {
      config: upstreamsSchema.parse({ upstreams: { openai: { baseUrl, ...apiKey } }, models: { [ASSISTANT]: { upstream: 'openai', model } } }),
      sandbox: null,
    }
  }
  const sandbox = await startSandboxResponder()
  const config = upstreamsSchema.parse({
    upstreams: { sandbox: { baseUrl: sandbox.url, allowLoopbackHttp: true, sandbox: true } },
    models: { [ASSISTANT]: { upstream: 'sandbox', model: SANDBOX_MODEL } },
  })
  return { config, sandbox }
}

/** What policies may know of a language-model route; the same object for the same route, so that the engine converts it once. */
export function endpointFacts(): (route: UpstreamRoute) => EntityFacts {
  const known = new WeakMap<UpstreamRoute, EntityFacts>()
  return (route) => {
    let facts = known.get(route)
    if (!facts) {
      const attributes = { sensitivity: SENSITIVITIES.indexOf(route.sensitivity), purposes: route.purposes, sandbox: route.sandbox }
      facts = { type: 'Endpoint', id: route.model, attributes, parents: [{ type: 'System', id: 'redoubt' }] }
      known.set(route, facts)
    }
    return facts
  }
}
