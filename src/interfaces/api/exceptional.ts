import type { FastifyRequest } from 'fastify'
import {
  type Action,
  type Decision,
  type DecisionContext,
  type DecisionQuery,
  type EntityFacts,
  type EntityUid,
  type ExceptionAsk,
  type JsonObject,
  RedoubtError,
} from '#foundation/core'
import { refusalOf } from '#gateway/pipeline'
import { payloadDigest, payloadText } from '#governance/approvals'
import type { Principal } from '#trust/identity'
import { contentDigest } from './content-digest.ts'
import type { ControlPlane } from './control-plane.ts'

/** More approvers than any policy asks for; each number is one decision more on a no. */
const MAX_APPROVALS = 5

/** What a route knows of an act beyond the words of the request. */
export interface About {
  /** What the request leaves open and the route filled in, such as the version that `latest` is; a function is asked when approvals matter. */
  readonly meant?: JsonObject | (() => JsonObject)
  /** What approvers are shown in place of a body that holds a secret; an approval is of this. */
  readonly shownBody?: JsonObject
  /** Who made what would be acted on; does not approve. */
  readonly author?: EntityUid | null
  /** Whose work is in it besides; none of them approves either. */
  readonly contributors?: readonly EntityUid[]
  /** What only a person, or a program of its own right, does: to agree, to except and to review is not lent by token exchange (RFC 8693). */
  readonly notDelegated?: true
}

/** What lifted a no. */
export interface ExceptionUsed {
  readonly approval: string | null
  readonly breakGlass: string | null
}

export interface Outcome {
  readonly decision: Decision
  /** Null is a yes. */
  readonly refusal: RedoubtError | null
  /** For the record. */
  readonly details: JsonObject
  readonly used: ExceptionUsed | null
}

/** What becomes of a yes: nothing but that. */
export const YES = { refusal: null, details: {}, used: null } as const satisfies Omit<Outcome, 'decision'>

/**
 * What becomes of a no: an approval of exactly this act, spent here and now, or a break-glass grant may lift it; else, when approvals
 * would, the caller is told how to ask.
 * @param spend false to find out what would become of it, with nothing spent.
 * @throws {RedoubtError} `ERR_STORAGE_IO` when the approval cannot be spent.
 */
export function orExcepted(
  plane: ControlPlane,
  request: FastifyRequest,
  query: DecisionQuery,
  plain: Decision,
  about: About,
  spend = true,
): Outcome {
  // Policies that cannot be evaluated are mended, not excepted.
  if (plain.code === 'ERR_POLICY_ERROR') return refused(plane, query, plain)
  const decided = (change: Partial<DecisionContext>): Decision =>
    plane.policies.decide({ ...query, context: { ...query.context, ...change } })
  const needed = approvalsThatHelp(decided)
  const payload = needed === null ? null : payloadOf(plane, request, query, about)
  const ask: ExceptionAsk = {
    principal: query.principal,
    action: query.action,
    resource: query.resource,
    payloadDigest: payload === null ? null : payloadDigest(payload),
  }
  const approval = needed === null ? null : plane.exceptions.approvals(ask)
  if (approval !== null && ask.payloadDigest !== null) {
    const decision = decided({ approvals: approval.count })
    // Of two that come at once one is told false.
    if (decision.effect === 'allow' && (!spend || plane.exceptions.spend(approval.id, request.redoubtRequestId)))
      return {
        decision,
        refusal: null,
        details: { approval: approval.id, approvals: approval.count, payloadDigest: ask.payloadDigest },
        used: { approval: approval.id, breakGlass: null },
      }
  }
  const grant = plane.exceptions.breakGlass(ask)
  if (grant !== null) {
    const decision = decided({ breakGlass: true })
    if (decision.effect === 'allow')
      return { decision, refusal: null, details: { breakGlass: grant }, used: { approval: null, breakGlass: grant } }
  }
  if (needed === null) return refused(plane, query, plain)
  if (payload === null || ask.payloadDigest === null) return { ...YES, decision: plain, ...digestRequired(needed) }
  return { ...YES, decision: plain, ...approvalRequired(plane, query, { payload, digest: ask.payloadDigest, needed }, about) }
}

/** As everywhere: with what other factors would lift it (RFC 9470). */
const refused = (plane: ControlPlane, query: DecisionQuery, decision: Decision): Outcome => ({
  ...YES,
  decision,
  refusal: refusalOf(plane.policies, query, decision),
})

/** The exceptions of a request that is under way, as they are now. */
export function stillExcepted(
  plane: ControlPlane,
  used: ExceptionUsed | null,
  principal: Principal,
  action: Action,
  resource: EntityFacts,
): Partial<DecisionContext> {
  if (used === null) return {}
  const grant = used.breakGlass === null ? null : plane.exceptions.breakGlass({ principal: principal.facts, action, resource })
  return {
    approvals: used.approval === null ? 0 : plane.exceptions.stillApproved(used.approval, resource),
    breakGlass: grant !== null && grant === used.breakGlass,
  }
}

/** The fewest approvals with which it would be a yes; null when none would do. */
function approvalsThatHelp(decided: (change: Partial<DecisionContext>) => Decision): number | null {
  for (let approvals = 1; approvals <= MAX_APPROVALS; approvals++) if (decided({ approvals }).effect === 'allow') return approvals
  return null
}

/**
 * A body that is a stream is not there yet: it is known by the digest that it is held to, and null without one. An act on a data set is of the version that it has now,
 * whichever route it comes by: what is imported later nobody has looked at.
 */
function payloadOf(
  plane: ControlPlane,
  request: FastifyRequest,
  { principal, action, resource }: DecisionQuery,
  { meant = {}, shownBody }: About,
): string | null {
  const { method, params, query } = request
  const digest = isStream(request.body) ? contentDigest(request) : null
  if (isStream(request.body) && digest === null) return null
  const body = shownBody ?? (digest === null ? request.body : { contentDigest: { 'sha-256': digest } })
  const filledIn = typeof meant === 'function' ? meant() : meant
  const dataset = resource.type === 'Dataset' ? plane.datasets.get(resource.id) : null
  const version = dataset ? { datasetVersion: { version: dataset.version, digest: dataset.digest } } : {}
  return payloadText(principal, action, resource, {
    method,
    route: request.routeOptions.url ?? '',
    params,
    query,
    body,
    meant: { ...filledIn, ...version },
  })
}

const isStream = (body: unknown): boolean => typeof (body as { pipe?: unknown } | null | undefined)?.pipe === 'function'

function digestRequired(needed: number): Pick<Outcome, 'refusal' | 'details'> {
  const words = 'policy asks for approval of this; say what will be sent, in `content-digest` (RFC 9530), and it can be asked for'
  return { refusal: new RedoubtError('ERR_APPROVAL_REQUIRED', words, { evidence: { needed } }), details: { approvalsNeeded: needed } }
}

function approvalRequired(
  plane: ControlPlane,
  { principal, action, resource }: DecisionQuery,
  { payload, digest, needed }: { readonly payload: string; readonly digest: string; readonly needed: number },
  { author = null, contributors = [] }: About,
): Pick<Outcome, 'refusal' | 'details'> {
  const uid = { type: principal.type, id: principal.id }
  const offer = plane.exceptions.fourEyes.offer({ principal: uid, author, contributors, action, resource, payload, digest, needed })
  const what = needed === 1 ? 'an approval' : `${needed} approvals`
  return {
    refusal: new RedoubtError(
      'ERR_APPROVAL_REQUIRED',
      `policy asks for ${what} of this${offer === null ? ', and it is too large to be shown to anyone who would approve it' : ''}`,
      {
        evidence: { needed, payloadDigest: digest, ...(offer === null ? {} : { approval: offer }) },
      },
    ),
    details: { approvalsNeeded: needed, payloadDigest: digest },
  }
}
