import { createHash } from 'node:crypto'
import { canonicalJson, type EntityFacts, type EntityUid, type JsonObject } from '#foundation/core'

/** What would be done, as the route that would do it understood it; approvers see this, and approve its digest. */
export interface Payload {
  readonly method: string
  /** The route's pattern; `params` holds what stands for its names. */
  readonly route: string
  readonly params: unknown
  readonly query: unknown
  readonly body: unknown
  /** What the request leaves open and the route filled in: `latest` is one version today and another tomorrow. */
  readonly meant: JsonObject
}

/** RFC 8785 text of the payload, who would do it and on what: equal texts, equal acts. @throws as `canonicalJson`. */
export function payloadText(principal: EntityUid, action: string, resource: EntityFacts, payload: Payload): string {
  const { method, route, params, query, body, meant } = payload
  return canonicalJson({
    principal: { type: principal.type, id: principal.id },
    action,
    resource: { type: resource.type, id: resource.id, attributes: resource.attributes },
    method,
    route,
    params: params ?? null,
    query: query ?? null,
    body: body ?? null,
    meant,
  })
}

/** SHA-256, hex. */
export const payloadDigest = (text: string): string => createHash('sha256').update(text).digest('hex')
