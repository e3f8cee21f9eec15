import { type Decider, type Decision, type DecisionQuery, type EntityFacts, type ErrorCode, RedoubtError } from '#foundation/core'
import { authenticateHeader, challenge, schemeOf } from '#trust/identity'

/** How old factors may be, in seconds, the most lenient first: a working day down to a minute. */
const AGES = [43_200, 28_800, 14_400, 7_200, 3_600, 1_800, 900, 600, 300, 120, 60] as const
/** One factor, two, hardware-bound. */
const LEVELS = [1, 2, 3] as const

const FACTORS = ['', 'one factor', 'two factors', 'a hardware-bound security key'] as const

/** Factors that a person has to show. */
export interface StepUp {
  /** 1 to 3, as the `acr` of access tokens. */
  readonly level: number
  /** Seconds; null when factors of that level may be of any age. */
  readonly maxAge: number | null
}

/** Why a deny is one; for a person whom fresher or stronger factors would let in, which ones (RFC 9470). */
export function refusalOf(decider: Decider, query: DecisionQuery, decision: Decision): RedoubtError {
  const code: ErrorCode = decision.code ?? 'ERR_POLICY_DENIED'
  const stepUp = code === 'ERR_POLICY_DENIED' ? stepUpFor(decider, query) : null
  if (stepUp === null) return new RedoubtError(code)
  const { level, maxAge } = stepUp
  const when = maxAge === null ? '' : `, shown within the last ${maxAge % 3600 === 0 ? `${maxAge / 3600} h` : `${maxAge / 60} min`}`
  return new RedoubtError('ERR_STEP_UP_REQUIRED', `this needs ${FACTORS[level] ?? 'other factors'}${when}`, {
    evidence: { acr_values: String(level), ...(maxAge === null ? {} : { max_age: maxAge }) },
    scheme: schemeOf(query.context.tokenBinding),
  })
}

/**
 * The least that turns a deny into an allow: the lowest level, then the greatest age. Found by asking the same policies again with
 * these facts changed and nothing else, so what factors cannot mend is not asked for.
 * @returns null for programs, and when no factors would do. At most some fifteen decisions.
 */
export function stepUpFor(decider: Decider, query: DecisionQuery): StepUp | null {
  if (query.principal.type !== 'User') return null
  const { mfaLevel, mfaAge } = query.context
  const would = (level: number, age: number): boolean => decider.decide(withFactors(query, level, age)).effect === 'allow'
  for (const level of LEVELS) {
    if (level < mfaLevel || !would(level, 0)) continue
    if (level > mfaLevel && would(level, mfaAge)) return { level, maxAge: null }
    const maxAge = AGES.find((age) => age < mfaAge && would(level, age))
    // Policies that ask for less than a minute ask for the impossible: by the time the answer comes it would be over.
    return maxAge === undefined ? null : { level, maxAge }
  }
  return null
}

function withFactors(query: DecisionQuery, mfaLevel: number, mfaAge: number): DecisionQuery {
  return { ...query, principal: principalWith(query.principal, mfaLevel), context: { ...query.context, mfaLevel, mfaAge } }
}

/** Policies may read the level of the person in place of the request's. */
function principalWith(principal: EntityFacts, mfaLevel: number): EntityFacts {
  if (principal.attributes['mfaLevel'] === undefined) return principal
  return { ...principal, attributes: { ...principal.attributes, mfaLevel } }
}

/**
 * What a 401 says in `www-authenticate`: which factors would do (RFC 9470 §3), or what is wrong with the credentials.
 */
export function challengeOf(error: RedoubtError): string {
  if (error.code !== 'ERR_STEP_UP_REQUIRED') return authenticateHeader(error.code, error.scheme)
  const { acr_values: level, max_age: maxAge } = error.evidence
  const asked = [...(level === undefined ? [] : [`acr_values="${level}"`]), ...(maxAge === undefined ? [] : [`max_age="${maxAge}"`])]
  return challenge(error.scheme, ['error="insufficient_user_authentication"', `error_description="${error.message}"`, ...asked])
}
