import type { Exceeded, LimitState } from './limits.ts'

/** A denial that lasts longer is a used-up quota: clients are told not to try again by themselves. */
const LONGEST_RETRY_MS = 60_000

/** Written out, because names that are put together anew for each answer cost more than all the rest of it. */
const NAMES = {
  requests: ['x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests'],
  tokens: ['x-ratelimit-limit-tokens', 'x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens'],
  rows: ['x-ratelimit-limit-rows', 'x-ratelimit-remaining-rows', 'x-ratelimit-reset-rows'],
} as const

/** How much of a limit is left; the rule with the least is the one that a surface shows. */
const share = ({ remaining, limit }: LimitState): number => (limit === 0 ? 0 : remaining / limit)

/** As OpenAI writes durations: `120ms`, `1.5s`, `6m0s`, `2h3m0s`. */
function duration(ms: number): string {
  if (ms < 1000) return `${ms}ms`
  const seconds = Math.ceil(ms / 1000)
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return h > 0 ? `${h}h${m}m${s}s` : m > 0 ? `${m}m${s}s` : `${s}s`
}

const policyName = ({ unit, windowMs }: LimitState): string =>
  windowMs % 1000 === 0 ? `"${unit}-${windowMs / 1000}s"` : `"${unit}-${windowMs}ms"`

/**
 * Headers that tell a client where it stands: OpenAI's `x-ratelimit-*` for requests and tokens (and rows), the IETF's `ratelimit` and
 * `ratelimit-policy`, and on a denial `retry-after`, `retry-after-ms` and, for quotas, `x-should-retry: false`, which stops the SDKs' own retries.
 * @see draft-ietf-httpapi-ratelimit-headers-10 §3, §4; RFC 9110 §10.2.3
 */
export function limitHeaders(states: readonly LimitState[], denial?: Pick<Exceeded, 'retryAfterMs'>): Record<string, string> {
  const headers: Record<string, string> = {}
  let policy = ''
  let left = ''
  for (const state of states) {
    const name = policyName(state)
    const joint = policy === '' ? '' : ', '
    policy += `${joint}${name};q=${state.limit};w=${Math.ceil(state.windowMs / 1000)}`
    left += `${joint}${name};r=${state.remaining};t=${Math.ceil(state.resetMs / 1000)}`
    if (states.some((other) => other.unit === state.unit && share(other) < share(state))) continue
    const [limit, remaining, reset] = NAMES[state.unit]
    if (headers[limit] !== undefined) continue
    headers[limit] = String(state.limit)
    headers[remaining] = String(state.remaining)
    headers[reset] = duration(state.resetMs)
  }
  if (policy !== '') {
    headers['ratelimit-policy'] = policy
    headers['ratelimit'] = left
  }
  if (denial) {
    headers['retry-after'] = String(Math.ceil(denial.retryAfterMs / 1000))
    headers['retry-after-ms'] = String(denial.retryAfterMs)
    if (denial.retryAfterMs > LONGEST_RETRY_MS) headers['x-should-retry'] = 'false'
  }
  return headers
}
