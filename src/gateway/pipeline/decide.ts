import {
  type ConditionRequest,
  type Decision,
  type DecisionContext,
  type DecisionQuery,
  type EntityUid,
  MFA_NEVER,
  RedoubtError,
} from '#foundation/core'
import type { Principal } from '#trust/identity'
import type { House } from './house.ts'
import type { Authorised, Received, Refused, Resolved } from './states.ts'
import { refusalOf } from './step-up.ts'

/** Whether this principal may invoke this model now, for this purpose: the one decision (B1, B7). */
export function decide(house: House, state: Resolved): Authorised | Refused {
  const { received, principal, call } = state
  const request = conditionRequest(principal, received, call.endpoint)
  const context = decisionContext(house, principal, request)
  if (received.purposeHeader !== undefined && received.purposeHeader !== principal.purpose) {
    noteAnswer(house, principal, request, false)
    return {
      refused: new RedoubtError('ERR_POLICY_PURPOSE', 'the header `redoubt-purpose` asks for more than the account is bound to'),
      state,
    }
  }
  const query = { principal: principal.facts, action: 'invoke', resource: call.resource, context } as const
  const plain = house.decider.decide(query)
  const broken = plain.effect === 'deny' ? behindBrokenGlass(house, query, plain) : null
  const { decision, breakGlass } = broken ?? { decision: plain, breakGlass: null }
  noteAnswer(house, principal, request, decision.effect === 'allow')
  if (breakGlass !== null) house.exceptions.noteUse(breakGlass)
  const authorised: Authorised = {
    ...state,
    context: breakGlass === null ? context : { ...context, breakGlass: true },
    decision,
    breakGlass,
  }
  if (decision.effect !== 'allow') return { refused: refusalOf(house.decider, query, decision), state: authorised }
  return call.fault === undefined ? authorised : { refused: call.fault, state: authorised }
}

/** The decision that a grant of the caller's for exactly this makes a yes; null when there is none, or it does not. */
function behindBrokenGlass(
  house: Pick<House, 'decider' | 'exceptions'>,
  query: DecisionQuery,
  plain: Decision,
): { readonly decision: Decision; readonly breakGlass: string } | null {
  // Policies that cannot be evaluated are mended, not excepted.
  const breakGlass = plain.code === 'ERR_POLICY_ERROR' ? null : house.exceptions.breakGlass(query)
  if (breakGlass === null) return null
  const decision = house.decider.decide({ ...query, context: { ...query.context, breakGlass: true } })
  return decision.effect === 'allow' ? { decision, breakGlass } : null
}

/** What the conditions may know of a request. @param endpoint what it asks for, as a name to count under. */
export function conditionRequest(
  principal: Pick<Principal, 'keyThumbprint' | 'facts' | 'onBehalfBy'>,
  received: Pick<Received, 'receivedAt' | 'sourceAddress' | 'userAgent'>,
  endpoint: string,
): ConditionRequest {
  return {
    receivedAt: received.receivedAt,
    sourceAddress: received.sourceAddress,
    userAgent: received.userAgent,
    keyThumbprint: principal.keyThumbprint,
    endpoint,
    ...(principal.onBehalfBy === '' ? {} : { actingFor: principal.facts }),
  }
}

/** Whose conduct a request is: of a person for whom a service acts, the service's, which chooses when, from where and how often. */
export function actorOf({ facts, onBehalfBy }: Pick<Principal, 'facts' | 'onBehalfBy'>): EntityUid {
  return onBehalfBy === '' ? facts : { type: 'ServiceAccount', id: onBehalfBy }
}

type Circumstances = Pick<House, 'localTime' | 'profile' | 'conditions'>
type Caller = Pick<Principal, 'facts' | 'purpose' | 'legalBasis' | 'mfaLevel' | 'authTime' | 'tokenBinding' | 'onBehalfBy'>

/** The facts of a request that are not of the principal or the resource. Remembers nothing: `noteAnswer` does. */
export function decisionContext(house: Circumstances, principal: Caller, request: ConditionRequest): DecisionContext {
  const { receivedAt, sourceAddress } = request
  const { hour, weekday } = house.localTime.at(receivedAt)
  const facts = house.conditions.factsOf(actorOf(principal), request)
  return {
    now: receivedAt,
    hour,
    weekday,
    purpose: principal.purpose,
    legalBasis: principal.legalBasis,
    sourceAddress,
    profile: house.profile,
    mfaLevel: principal.mfaLevel,
    risk: facts.risk,
    workingHours: facts.workingHours,
    network: facts.network,
    country: facts.country,
    firstSeenNetwork: facts.firstSeenNetwork,
    firstSeenDevice: facts.firstSeenDevice,
    mfaAge: mfaAge(principal.authTime, receivedAt),
    tokenBinding: principal.tokenBinding,
    onBehalfBy: principal.onBehalfBy,
    approvals: 0,
    breakGlass: false,
  }
}

/** Fresh enough to vouch for the place where a person is: a quarter of an hour. */
const FRESH_SECONDS = 900
const FRESH_LEVEL = 2

/** Tells the conditions how a request was answered. Once for each request, and not for suppositions. */
export function noteAnswer(
  house: Pick<House, 'conditions'>,
  principal: Pick<Principal, 'facts' | 'mfaLevel' | 'authTime' | 'onBehalfBy'>,
  request: ConditionRequest,
  allowed: boolean,
): void {
  // Where a service acts for a person, the place is the service's.
  const fresh =
    principal.onBehalfBy === '' && principal.mfaLevel >= FRESH_LEVEL && mfaAge(principal.authTime, request.receivedAt) <= FRESH_SECONDS
  house.conditions.note(actorOf(principal), request, allowed, fresh)
}

/** Seconds since a person showed their factors. @param authTime epoch milliseconds; null for programs, which show none. */
function mfaAge(authTime: number | null, now: number): number {
  return authTime === null ? MFA_NEVER : Math.max(0, Math.floor((now - authTime) / 1000))
}
