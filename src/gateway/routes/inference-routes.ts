import { httpReply } from './http-reply.ts'
import { collectBody } from './collect-body.ts'
import { type House, infer, type Received, type Surface } from '#gateway/pipeline'
import { sourceAddress } from '#trust/conditions'
import { credentialsOf } from '#trust/identity'
import type { Exchange, Route } from './router.ts'

/** A route whose every request goes through the pipeline, in the shape of `surface`. */
export function inferenceRoute(house: House, path: string, surface: Surface, credentials = credentialsOf): Route {
  return { method: 'POST', path, access: 'token', handle: (exchange) => infer(house, receive(house, exchange, surface, credentials)) }
}

function receive(
  house: House,
  { requestId, request, response, parameters }: Exchange,
  surface: Surface,
  credentials: typeof credentialsOf,
): Received {
  const reply = httpReply(response)
  reply.setHeaders({ 'x-request-id': requestId })
  return {
    requestId,
    receivedAt: house.clock.now(),
    startedAt: house.clock.monotonic(),
    surface,
    parameters,
    credentials: credentials(request, response),
    contentType: request.headers['content-type'],
    sourceAddress: sourceAddress(request),
    userAgent: request.headers['user-agent'],
    purposeHeader: single(request.headers['redoubt-purpose']),
    subjectHeader: single(request.headers['redoubt-subject']),
    header: (name) => single(request.headers[name]),
    body: (maxBytes) => collectBody(request, maxBytes, house.bodyTimeoutMs),
    reply,
  }
}

const single = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value.join(',') : value)
