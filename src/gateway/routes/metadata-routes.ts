import { asRedoubtError, type AuditEvent, type Decision, type DecisionQuery, type EntityFacts, type RedoubtError } from '#foundation/core'
import { callerDetails, conditionRequest, decisionContext, type House, noteAnswer, refusalOf, type Rendered } from '#gateway/pipeline'
import { sourceAddress } from '#trust/conditions'
import { type Credentials, credentialsOf, type Principal, refusalError } from '#trust/identity'
import { httpReply } from './http-reply.ts'
import type { Exchange, Route } from './router.ts'

/** What a metadata route may ask about its caller. */
export interface Caller {
  readonly principal: Principal
  /** Whether the caller may invoke this model or endpoint now: what it may not invoke it does not see. */
  mayInvoke(resource: EntityFacts): boolean
  /** @throws {RedoubtError} the decision's code. */
  demandInvoke(resource: EntityFacts): void
}

/** A caller, and what was refused to it last. */
export interface Asking extends Caller {
  readonly denied: { readonly resource: EntityFacts; readonly decision: Decision } | null
}

/** Where a metadata route is: the name of its surface, as inferences have it on record, and its path. */
export interface MetadataPlace {
  readonly surface: string
  readonly path: string
}

/**
 * A route that tells about models without asking one: authenticated, shown only as far as the caller may invoke. What it refuses is on
 * record before it is answered, as a refused inference is: whoever looks for what there is leaves a trace.
 */
export function metadataRoute(
  house: House,
  place: MetadataPlace,
  answer: (caller: Caller, parameters: readonly string[], exchange: Exchange) => Rendered,
  renderError: (error: RedoubtError, requestId: string) => Rendered,
): Route {
  return {
    method: 'GET',
    path: place.path,
    access: 'token',
    handle(exchange) {
      const reply = httpReply(exchange.response)
      reply.setHeaders({ 'x-request-id': exchange.requestId, 'cache-control': 'no-store' })
      const send = ({ status, headers, body }: Rendered, more: Readonly<Record<string, string>> = {}): void =>
        reply.send(status, { ...headers, ...more }, body)
      let caller: Asking | null = null
      try {
        caller = callerOfExchange(house, exchange)
        send(answer(caller, exchange.parameters, exchange))
        return undefined
      } catch (thrown) {
        const error = asRedoubtError(thrown)
        // Refusals by identity are recorded by the identity room.
        if (caller === null) return send(renderError(error, exchange.requestId))
        return recordRefusal(house, place, caller, error, exchange.requestId).then(
          (index) => send(renderError(error, exchange.requestId), { 'redoubt-log-index': String(index) }),
          (failed: unknown) => send(renderError(asRedoubtError(failed, 'ERR_AUDIT_UNAVAILABLE'), exchange.requestId)),
        )
      }
    },
  }
}

/** Puts a metadata refusal on record. @returns the index of the record. @throws {RedoubtError} when it cannot be written. */
export async function recordRefusal(
  house: House,
  { surface, path }: MetadataPlace,
  { principal, denied }: Asking,
  { code, status, evidence }: RedoubtError,
  requestId: string,
): Promise<number> {
  const { type, id } = denied?.resource ?? { type: 'Surface', id: surface }
  const event: AuditEvent = {
    type: 'inference.refusal',
    actor: { type: principal.facts.type, id: principal.facts.id },
    action: 'invoke',
    resource: { type, id },
    outcome: status >= 500 ? 'failed' : 'refused',
    code,
    requestId,
    purpose: principal.purpose,
    legalBasis: principal.legalBasis,
    ...(denied === null ? {} : { decision: recorded(denied.decision) }),
    details: { surface, route: path, tokenId: principal.token.id, ...callerDetails(principal), ...evidence },
  }
  return (await house.audit.record(event)).index
}

const recorded = ({ effect, policies, errors, policySet }: Decision): NonNullable<AuditEvent['decision']> => ({
  effect,
  policies,
  errors,
  policySet,
})

function callerOfExchange(house: House, { request, response }: Exchange): Asking {
  const from = { sourceAddress: sourceAddress(request), userAgent: request.headers['user-agent'] }
  return callerOf(house, credentialsOf(request, response), from)
}

/** Who asks about models. @throws {RedoubtError} when the credentials do not do; that is recorded by the identity room. */
export function callerOf(
  house: House,
  credentials: Credentials,
  from: { readonly sourceAddress: string; readonly userAgent: string | undefined },
): Asking {
  const principal = house.identity.authenticate(credentials)
  if ('code' in principal) throw refusalError(principal)
  const received = { receivedAt: house.clock.now(), ...from }
  const asked = conditionRequest(principal, received, 'metadata')
  const context = decisionContext(house, principal, asked)
  const query = (resource: EntityFacts): DecisionQuery => ({ principal: principal.facts, action: 'invoke', resource, context })
  const decide = (resource: EntityFacts): Decision => house.decider.decide(query(resource))
  let denied: Asking['denied'] = null
  return {
    principal,
    get denied() {
      return denied
    },
    mayInvoke: (resource) => decide(resource).effect === 'allow',
    demandInvoke(resource) {
      const decision = decide(resource)
      noteAnswer(house, principal, asked, decision.effect === 'allow')
      if (decision.effect === 'allow') return
      denied = { resource, decision }
      throw refusalOf(house.decider, query(resource), decision)
    },
  }
}
