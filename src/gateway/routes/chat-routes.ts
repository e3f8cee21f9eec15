import { type EntityFacts, RedoubtError } from '#foundation/core'
import type { House } from '#gateway/pipeline'
import type { UpstreamRoute, Upstreams } from '#gateway/serving'
import { CHAT_SURFACE, chatSurface } from './chat-surface.ts'
import { inferenceRoute } from './inference-routes.ts'
import { metadataRoute } from './metadata-routes.ts'
import { openAiHeaders, renderOpenAiError } from './openai-errors.ts'
import { type ModelEntry, renderModel, renderModelList } from './openai-models.ts'
import type { Route } from './router.ts'

export interface ChatRoutesOptions {
  readonly house: House
  readonly upstreams: Upstreams
  readonly facts: (route: UpstreamRoute) => EntityFacts
  readonly pseudonym: (subject: string) => string
}

/** OpenAI's surface: chat completions and the list of models. */
export function chatRoutes(options: ChatRoutesOptions): readonly Route[] {
  const { house, upstreams, facts, pseudonym } = options
  const json = (requestId: string, body: string) => ({
    status: 200,
    headers: { ...openAiHeaders(requestId), 'content-type': 'application/json' },
    body,
  })
  return [
    inferenceRoute(house, '/v1/chat/completions', chatSurface({ upstreams, facts, pseudonym, clock: house.clock })),
    metadataRoute(
      house,
      { surface: CHAT_SURFACE, path: '/v1/models' },
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
      { surface: CHAT_SURFACE, path: '/v1/models/:model' },
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
