import { RedoubtError } from '#foundation/core'
import type { Exchange, Route } from '#gateway/routes'
import { answerFrontPage, type NamedInterface, wantsPage } from '#trust/identity'

/** Where programs go, for the person who configures one. */
export const INTERFACES: readonly NamedInterface[] = [
  { base: '/v1', what: 'language models, as OpenAI’s and Anthropic’s clients speak to them' },
  { base: '/v2', what: 'models, by the Open Inference Protocol' },
  { base: '/api/v1', what: 'control plane, described in /api/openapi.json' },
  { base: '/log', what: 'audit log: checkpoints and tiles (C2SP tlog-tiles)' },
  { base: '/oauth', what: 'tokens (OAuth 2.0)' },
]

/** The bare address: a page for people who open it in a browser. For programs there is nothing here, and they are told so as anywhere else. */
export function frontDoor(): readonly Route[] {
  const access = { open: 'a page that says what this is; holds no data' }
  const handle = ({ request, response }: Exchange): void => {
    if (!wantsPage(request)) throw new RedoubtError('ERR_ROUTE_UNKNOWN')
    answerFrontPage(response, INTERFACES)
  }
  return withHead([{ method: 'GET', path: '/', access, handle }])
}

/** The same answers without their bodies, which HTTP servers leave out by themselves: monitors and previews ask by HEAD. */
export function withHead(routes: readonly Route[]): readonly Route[] {
  return routes.flatMap((route) => [route, { ...route, method: 'HEAD' as const }])
}
