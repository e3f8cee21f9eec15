import { RedoubtError } from '#foundation/core'
import { conditionRequest, decisionContext, type House, noteAnswer, callerDetails, refusalOf } from '#gateway/pipeline'
import type { Exchange, Route } from '#gateway/routes'
import { sourceAddress } from '#trust/conditions'
import type { AuditLog } from '#trust/audit'
import { credentialsOf, refusalError } from '#trust/identity'
import { theLog } from './guard.ts'

const OPEN = 'hashes and signed checkpoints, so that any C2SP monitor can follow the log; no entry is among them'
const IMMUTABLE = 'public, max-age=31536000, immutable'

/** The log as C2SP tlog-tiles under `/log`: checkpoint and hash tiles for everyone, entry bundles for those who may read the log. */
export function logRoutes(house: House, audit: AuditLog): readonly Route[] {
  const send = ({ response, requestId }: Exchange, path: string, cache: string, type: string): void => {
    const bytes = audit.resource(path)
    if (!bytes) throw new RedoubtError('ERR_NOT_FOUND', 'the log has no such part')
    response.writeHead(200, { 'content-type': type, 'content-length': bytes.byteLength, 'cache-control': cache, 'x-request-id': requestId })
    response.end(bytes)
  }
  return [
    {
      method: 'GET',
      path: '/log/checkpoint',
      access: { open: OPEN },
      handle: (exchange) => send(exchange, 'checkpoint', 'no-cache', 'text/plain; charset=utf-8'),
    },
    {
      method: 'GET',
      path: '/log/tile/entries/*',
      access: 'token',
      async handle(exchange) {
        await demandReading(house, exchange)
        send(exchange, `tile/entries/${exchange.parameters[0] ?? ''}`, 'private, no-store', 'application/octet-stream')
      },
    },
    {
      method: 'GET',
      path: '/log/tile/:level/*',
      access: { open: OPEN },
      handle(exchange) {
        const [level, rest] = exchange.parameters
        if (!/^\d{1,2}$/.test(level ?? '')) throw new RedoubtError('ERR_NOT_FOUND', 'the log has no such part')
        send(exchange, `tile/${level}/${rest}`, IMMUTABLE, 'application/octet-stream')
      },
    },
  ]
}

async function demandReading(house: House, { request, response, requestId, path }: Exchange): Promise<void> {
  const principal = house.identity.authenticate(credentialsOf(request, response))
  if ('code' in principal) throw refusalError(principal)
  const received = { receivedAt: house.clock.now(), sourceAddress: sourceAddress(request), userAgent: request.headers['user-agent'] }
  const asked = conditionRequest(principal, received, 'readAudit Log')
  const context = decisionContext(house, principal, asked)
  const query = { principal: principal.facts, action: 'readAudit', resource: theLog, context } as const
  const decision = house.decider.decide(query)
  const allowed = decision.effect === 'allow'
  noteAnswer(house, principal, asked, allowed)
  const refusal = allowed ? null : refusalOf(house.decider, query, decision)
  await house.audit.record({
    type: allowed ? 'control.admission' : 'control.refusal',
    actor: { type: principal.facts.type, id: principal.facts.id },
    action: 'readAudit',
    resource: theLog,
    outcome: allowed ? 'success' : 'refused',
    ...(refusal === null ? {} : { code: refusal.code }),
    requestId,
    purpose: principal.purpose,
    decision: { effect: decision.effect, policies: decision.policies, errors: decision.errors, policySet: decision.policySet },
    details: { path, ...callerDetails(principal) },
  })
  if (refusal !== null) throw refusal
}
