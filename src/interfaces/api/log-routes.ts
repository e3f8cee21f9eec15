import { RedoubtError } from '#foundation/core'
import { decisionContext, type House } from '#gateway/pipeline'
import { type Exchange, type Route, sourceAddress } from '#gateway/routes'
import type { AuditLog } from '#trust/audit'
import { credentialsOf } from '#trust/identity'
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
  if ('code' in principal) throw new RedoubtError(principal.code)
  const context = decisionContext(house, principal, {
    receivedAt: house.clock.now(),
    sourceAddress: sourceAddress(request.socket.remoteAddress),
  })
  const decision = house.decider.decide({ principal: principal.facts, action: 'readAudit', resource: theLog, context })
  const allowed = decision.effect === 'allow'
  await house.audit.record({
    type: allowed ? 'control.admission' : 'control.refusal',
    actor: { type: principal.facts.type, id: principal.facts.id },
    action: 'readAudit',
    resource: theLog,
    outcome: allowed ? 'success' : 'refused',
    ...(allowed ? {} : { code: decision.code ?? 'ERR_POLICY_DENIED' }),
    requestId,
    purpose: principal.purpose,
    decision: { effect: decision.effect, policies: decision.policies, errors: decision.errors, policySet: decision.policySet },
    details: { path },
  })
  if (!allowed) throw new RedoubtError(decision.code ?? 'ERR_POLICY_DENIED')
}
