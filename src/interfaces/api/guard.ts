import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  type Action,
  asRedoubtError,
  type AuditEvent,
  type ConditionRequest,
  type Decision,
  type DecisionContext,
  type DecisionQuery,
  type EntityFacts,
  type ErrorCode,
  RedoubtError,
} from '#foundation/core'
import { callerDetails, conditionRequest, decisionContext, noteAnswer } from '#gateway/pipeline'
import { sourceAddress } from '#trust/conditions'
import { credentialsOf, type Principal, refusalError, schemeOf } from '#trust/identity'
import { contentDigest, held } from './content-digest.ts'
import type { ControlPlane } from './control-plane.ts'
import { type About, type ExceptionUsed, orExcepted, type Outcome, stillExcepted, YES } from './exceptional.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the first hook of every route that demands a token. */
    principal: Principal | null
    redoubtRequestId: string
    /** What lifted a no for this request, so that what goes on after it is asked by the same facts. */
    exceptionUsed: ExceptionUsed | null
  }
}

/** Who asks. @throws {RedoubtError} an `ERR_TOKEN_…` or `ERR_ACCOUNT_…` refusal. */
export function authenticate(plane: ControlPlane, request: FastifyRequest, reply: FastifyReply): Principal {
  const answer = plane.identity.authenticate(credentialsOf(request.raw, reply.raw))
  if ('code' in answer) throw refusalError(answer)
  return answer
}

/**
 * Whether the caller may, by the same decision as everywhere; a no is recorded before it is answered, a yes before anything is done.
 * A no that approvals or a break-glass grant lift is a yes; the record names what lifted it.
 * @param about what the request leaves open and the route filled in, and who made what it is about: approvals are bound to both.
 * @throws {RedoubtError} the decision's code, `ERR_APPROVAL_REQUIRED`, or `ERR_AUDIT_UNAVAILABLE` when it cannot be recorded.
 */
export async function demand(
  plane: ControlPlane,
  request: FastifyRequest,
  action: Action,
  resource: EntityFacts,
  about: About = {},
): Promise<Principal> {
  return (await demandDecision(plane, request, action, resource, about)).principal
}

/** As `demand`, for acts on which the decision says more than yes: rows that take part, masks, limits. */
export async function demandDecision(
  plane: ControlPlane,
  request: FastifyRequest,
  action: Action,
  resource: EntityFacts,
  about: About = {},
): Promise<{ readonly principal: Principal; readonly decision: Decision }> {
  const principal = callerOf(request)
  // The token was verified before the body came in, which takes as long as the caller likes.
  const ended = plane.identity.stillValid(principal) ?? (about.notDelegated && principal.onBehalfBy !== '' ? 'ERR_TOKEN_DELEGATED' : null)
  const circumstances = circumstancesOf(plane, request, principal, action, resource)
  const query = queryOf(plane, principal, action, resource, circumstances)
  const plain = plane.policies.decide(query)
  const outcome: Outcome =
    ended === null && plain.effect === 'deny' ? orExcepted(plane, request, query, plain, about) : { ...YES, decision: plain }
  const { decision, details, used } = outcome
  const refusal = ended === null ? outcome.refusal : new RedoubtError(ended, undefined, { scheme: schemeOf(principal.tokenBinding) })
  noteAnswer(plane, principal, circumstances, refusal === null)
  const event = eventOf(request, principal, action, resource, refusal?.code ?? null)
  await plane.audit.record({
    ...event,
    details: { ...event.details, ...details },
    decision: { effect: decision.effect, policies: decision.policies, errors: decision.errors, policySet: decision.policySet },
  })
  if (refusal !== null) throw refusal
  if (used?.breakGlass) plane.exceptions.noteUse(used.breakGlass)
  request.exceptionUsed = used
  return { principal, decision }
}

/** One of several questions about one act. */
export interface Asked {
  readonly action: Action
  /** As it is at the moment. */
  readonly resource: () => EntityFacts
  readonly about: About
  /** Rows are read under the answer: work that would now see others ends. */
  readonly readsRows?: true
}

/**
 * As `demandDecision`, for an act that needs a yes to several questions: what one of them refuses is refused before an approval is spent
 * on another, which would have to be asked for again.
 * @returns the decisions in the order of the questions, and as `mayGoOn` of all of them.
 */
export async function demandTogether(
  plane: ControlPlane,
  request: FastifyRequest,
  questions: readonly Asked[],
): Promise<{ readonly decisions: readonly Decision[]; readonly mayGoOn: () => RedoubtError | null }> {
  const first = questions.findIndex((asked) => !wouldBeYes(plane, request, asked))
  const decisions: Decision[] = []
  const still: (() => RedoubtError | null)[] = []
  for (const at of [...questions.keys()].sort((one, other) => Number(other === first) - Number(one === first))) {
    const { action, resource, about, readsRows } = questions[at]!
    const { decision } = await demandDecision(plane, request, action, resource(), about)
    decisions[at] = decision
    still.push(mayGoOn(plane, request, action, resource, readsRows && decision))
  }
  return { decisions, mayGoOn: () => still.reduce<RedoubtError | null>((reason, ask) => reason ?? ask(), null) }
}

/** Nothing is recorded, spent or noted. */
function wouldBeYes(plane: ControlPlane, request: FastifyRequest, { action, resource, about }: Asked): boolean {
  const principal = callerOf(request)
  const facts = resource()
  const query = queryOf(plane, principal, action, facts, circumstancesOf(plane, request, principal, action, facts))
  const plain = plane.policies.decide(query)
  return plain.effect === 'allow' || orExcepted(plane, request, query, plain, about, false).refusal === null
}

function eventOf(request: FastifyRequest, principal: Principal, action: Action, resource: EntityFacts, code: ErrorCode | null): AuditEvent {
  return {
    type: code === null ? 'control.admission' : 'control.refusal',
    actor: { type: principal.facts.type, id: principal.facts.id },
    action,
    resource: { type: resource.type, id: resource.id },
    outcome: code === null ? 'success' : 'refused',
    ...(code === null ? {} : { code }),
    requestId: request.redoubtRequestId,
    purpose: principal.purpose,
    details: { method: request.method, route: request.routeOptions.url ?? '', tokenId: principal.token.id, ...callerDetails(principal) },
  }
}

/** A no that is not of the policies, to an act that they admitted. @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE`. */
export async function recordRefusal(
  plane: ControlPlane,
  request: FastifyRequest,
  action: Action,
  resource: EntityFacts,
  code: ErrorCode,
): Promise<void> {
  await plane.audit.record(eventOf(request, callerOf(request), action, resource, code))
}

/**
 * For work that goes on after `demand` let it begin: asks the same again, as of now, with the resource as it is (B8).
 * @param begun the decision that rows are read under: work that would now see other rows, or under other masks, ends.
 * @returns a question whose answer is null while the work may go on; the first no is recorded.
 */
export function mayGoOn(
  plane: ControlPlane,
  request: FastifyRequest,
  action: Action,
  resource: () => EntityFacts,
  begun?: Decision,
): () => RedoubtError | null {
  const principal = callerOf(request)
  // Of the question that was just answered: a request may ask another.
  const used = request.exceptionUsed
  let refused: RedoubtError | null = null
  return () => {
    refused ??= reasonToEnd(plane, request, principal, action, resource, begun, used)
    return refused
  }
}

function showsOtherRows(now: Decision, begun: Decision | undefined): boolean {
  if (begun === undefined || now === begun) return false
  const masks = ({ obligations }: Decision): string => JSON.stringify(obligations.columns ?? {})
  return now.rows?.digest !== begun.rows?.digest || masks(now) !== masks(begun)
}

function reasonToEnd(
  plane: ControlPlane,
  request: FastifyRequest,
  principal: Principal,
  action: Action,
  resource: () => EntityFacts,
  begun: Decision | undefined,
  used: ExceptionUsed | null,
): RedoubtError | null {
  try {
    const facts = resource()
    const query = queryOf(plane, principal, action, facts, circumstancesOf(plane, request, principal, action, facts))
    const context = { ...query.context, ...stillExcepted(plane, used, principal, action, facts) }
    const decision = plane.policies.decide({ ...query, context })
    const allowed = decision.effect === 'allow' && !showsOtherRows(decision, begun)
    const code = plane.identity.stillValid(principal) ?? (allowed ? null : (decision.code ?? 'ERR_POLICY_DENIED'))
    if (code === null) return null
    plane.audit
      .record(eventOf(request, principal, action, facts, code))
      .catch((error: unknown) => plane.logger.error({ err: error }, 'the end of an operation could not be recorded'))
    return new RedoubtError(code)
  } catch (thrown) {
    // Not a yes: the work ends.
    return asRedoubtError(thrown)
  }
}

/** As `demand`, but only to choose what a list shows: not recorded, never throws. */
export function permits(plane: ControlPlane, request: FastifyRequest, action: Action, resource: EntityFacts): boolean {
  return decisionOn(plane, request, action, resource).effect === 'allow'
}

/** As `permits`, for lists that show of a thing what of it may be known. */
export function decisionOn(plane: ControlPlane, request: FastifyRequest, action: Action, resource: EntityFacts): Decision {
  const principal = callerOf(request)
  const circumstances = circumstancesOf(plane, request, principal, action, resource)
  return plane.policies.decide(queryOf(plane, principal, action, resource, circumstances))
}

/** Habits count acts on kinds of things: which of them is no matter. */
function circumstancesOf(
  plane: ControlPlane,
  { raw }: FastifyRequest,
  principal: Principal,
  action: Action,
  resource: EntityFacts,
): ConditionRequest {
  const received = { receivedAt: plane.clock.now(), sourceAddress: sourceAddress(raw), userAgent: raw.headers['user-agent'] }
  return conditionRequest(principal, received, `${action} ${resource.type}`)
}

function queryOf(
  plane: ControlPlane,
  principal: Principal,
  action: Action,
  resource: EntityFacts,
  circumstances: ConditionRequest,
): DecisionQuery {
  return { principal: principal.facts, action, resource, context: decisionContext(plane, principal, circumstances) }
}

/** The circumstances in which a request is made, as the policies see them. */
export function contextOf(
  plane: ControlPlane,
  request: FastifyRequest,
  principal: Principal,
  action: Action,
  resource: EntityFacts,
): DecisionContext {
  return decisionContext(plane, principal, circumstancesOf(plane, request, principal, action, resource))
}

export function callerOf(request: FastifyRequest): Principal {
  if (!request.principal) throw new RedoubtError('ERR_TOKEN_MISSING')
  return request.principal
}

/**
 * The body of a route that reads a stream, held to the digest that came with it.
 * @throws {RedoubtError} `ERR_INPUT_CONTENT_TYPE` when it is of any other type, `ERR_INPUT_DIGEST`; the latter while reading, too.
 */
export function streamOf(request: FastifyRequest, contentType: string): AsyncIterable<Buffer> {
  const { body } = request
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (type !== contentType || typeof (body as Readable | null | undefined)?.pipe !== 'function')
    throw new RedoubtError('ERR_INPUT_CONTENT_TYPE', `send the body as \`${contentType}\``)
  const digest = contentDigest(request)
  return digest === null ? (body as Readable) : held(body as Readable, digest)
}

/** Parts of the control plane that are no object of their own. */
export const systemPart = (id: string): EntityFacts => ({ type: 'System', id, attributes: {}, parents: [] })
export const theLog: EntityFacts = { type: 'Log', id: 'audit', attributes: {}, parents: [] }
export const keyOf = (id: string): EntityFacts => ({ type: 'Key', id, attributes: {}, parents: [] })
export const accountOf = (id: string): EntityFacts => ({ type: 'Account', id, attributes: {}, parents: [] })
