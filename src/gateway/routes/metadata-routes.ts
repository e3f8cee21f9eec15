import { asRedoubtError, type Decision, type DecisionQuery, type EntityFacts, RedoubtError } from '#foundation/core'
import { conditionRequest, decisionContext, type House, noteAnswer, refusalOf, type Rendered } from '#gateway/pipeline'
import { sourceAddress } from '#trust/conditions'
import { type Credentials, credentialsOf, type Principal } from '#trust/identity'
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

/** A route that tells about models without asking one: authenticated, shown only as far as the caller may invoke. */
export function metadataRoute(
  house: House,
  path: string,
  answer: (caller: Caller, parameters: readonly string[], exchange: Exchange) => Rendered,
  renderError: (error: RedoubtError, requestId: string) => Rendered,
): Route {
  return {
    method: 'GET',
    path,
    access: 'token',
    handle(exchange) {
      const reply = httpReply(exchange.response)
      reply.setHeaders({ 'x-request-id': exchange.requestId, 'cache-control': 'no-store' })
      try {
        const rendered = answer(callerOfExchange(house, exchange), exchange.parameters, exchange)
        reply.send(rendered.status, rendered.headers, rendered.body)
      } catch (thrown) {
        const rendered = renderError(asRedoubtError(thrown), exchange.requestId)
        reply.send(rendered.status, rendered.headers, rendered.body)
      }
    },
  }
}

function callerOfExchange(house: House, { request, response }: Exchange): Caller {
  const from = { sourceAddress: sourceAddress(request), userAgent: request.headers['user-agent'] }
  return callerOf(house, credentialsOf(request, response), from)
}

/** Who asks about models. @throws {RedoubtError} when the credentials do not do. */
export function callerOf(
  house: House,
  credentials: Credentials,
  from: { readonly sourceAddress: string; readonly userAgent: string | undefined },
): Caller {
  const principal = house.identity.authenticate(credentials)
  if ('code' in principal) throw new RedoubtError(principal.code)
  const received = { receivedAt: house.clock.now(), ...from }
  const asked = conditionRequest(principal, received, 'metadata')
  const context = decisionContext(house, principal, asked)
  const query = (resource: EntityFacts): DecisionQuery => ({ principal: principal.facts, action: 'invoke', resource, context })
  const decide = (resource: EntityFacts): Decision => house.decider.decide(query(resource))
  return {
    principal,
    mayInvoke: (resource) => decide(resource).effect === 'allow',
    demandInvoke(resource) {
      const decision = decide(resource)
      noteAnswer(house, principal, asked, decision.effect === 'allow')
      if (decision.effect === 'deny') throw refusalOf(house.decider, query(resource), decision)
    },
  }
}
