import { type EntityFacts, RedoubtError } from '#foundation/core'
import type { House } from '#gateway/pipeline'
import type { UpstreamRoute, Upstreams } from '#gateway/serving'
import { CHAT_COMPLETIONS } from './chat-completions/protocol.ts'
import { COMPLETIONS } from './completions/protocol.ts'
import { EMBEDDINGS } from './embeddings/protocol.ts'
import { inferenceRoute } from './inference-routes.ts'
import { languageSurface } from './language-surface.ts'
import { messagesCredentials } from './messages/credentials.ts'
import { COUNT_TOKENS, MESSAGES } from './messages/protocol.ts'
import { metadataRoute } from './metadata-routes.ts'
import { openAiHeaders, renderOpenAiError } from './openai-errors.ts'
import { type ModelEntry, renderModel, renderModelList } from './openai-models.ts'
import { RESPONSES } from './responses/protocol.ts'
import type { Route } from './router.ts'

export interface ChatRoutesOptions {
  readonly house: House
  readonly upstreams: Upstreams
  readonly facts: (route: UpstreamRoute) => EntityFacts
  readonly pseudonym: (subject: string) => string
}

/** The surfaces of language models in OpenAI's and Anthropic's shapes, and the list of models. */
export function chatRoutes(options: ChatRoutesOptions): readonly Route[] {
  const { house, upstreams, facts, pseudonym } = options
  const language = { upstreams, facts, pseudonym, clock: house.clock }
  const json = (requestId: string, body: string) => ({
    status: 200,
    headers: { ...openAiHeaders(requestId), 'content-type': 'application/json' },
    body,
  })
  return [
    inferenceRoute(house, '/v1/chat/completions', languageSurface(language, CHAT_COMPLETIONS)),
    inferenceRoute(house, '/v1/completions', languageSurface(language, COMPLETIONS)),
    inferenceRoute(house, '/v1/embeddings', languageSurface(language, EMBEDDINGS)),
    inferenceRoute(house, '/v1/responses', languageSurface(language, RESPONSES)),
    inferenceRoute(house, '/v1/messages', languageSurface(language, MESSAGES), messagesCredentials),
    inferenceRoute(house, '/v1/messages/count_tokens', languageSurface(language, COUNT_TOKENS), messagesCredentials),
    metadataRoute(
      house,
      { surface: CHAT_COMPLETIONS.name, path: '/v1/models' },
      (caller, _parameters, { requestId }) =>
        json(
          requestId,
          renderModelList(
            upstreams
              .list()
              .filter((route) => caller.mayInvoke(facts(route)))
              .map(entryOf),
          ),
        ),
      renderOpenAiError,
    ),
    metadataRoute(
      house,
      { surface: CHAT_COMPLETIONS.name, path: '/v1/models/:model' },
      (caller, [name], { requestId }) => {
        const route = upstreams.resolve(name ?? '')
        if (!route) throw new RedoubtError('ERR_MODEL_UNKNOWN', 'there is no such language model')
        caller.demandInvoke(facts(route))
        return json(requestId, renderModel(entryOf(route)))
      },
      renderOpenAiError,
    ),
  ]
}

const entryOf = (route: UpstreamRoute): ModelEntry => ({
  id: route.model,
  created: route.created,
  ownedBy: route.sandbox ? 'redoubt-sandbox' : route.upstream,
})
