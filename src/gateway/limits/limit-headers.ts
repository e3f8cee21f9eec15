import type { Exceeded, LimitState } from './limits.ts'

/** A denial that lasts longer is a used-up quota: clients are told not to try again by themselves. */
const LONGEST_RETRY_MS = 60_000

/** The rule that is nearest to refusing, for surfaces that show one a unit. */
function tightest(states: readonly LimitState[]): LimitState | undefined {
  const share = ({ remaining, limit }: LimitState): number => (limit === 0 ? 0 : remaining / limit)
  let found: LimitState | undefined
  for (const state of states) if (found === undefined || share(state) < share(found)) found = state
  return found
}

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
  for (const unit of ['requests', 'tokens', 'rows'] as const) {
    const state = tightest(states.filter((state) => state.unit === unit))
    if (!state) continue
    headers[`x-ratelimit-limit-${unit}`] = String(state.limit)
    headers[`x-ratelimit-remaining-${unit}`] = String(state.remaining)
    headers[`x-ratelimit-reset-${unit}`] = duration(state.resetMs)
  }
  if (states.length > 0) {
    headers['ratelimit-policy'] = states
      .map((state) => `${policyName(state)};q=${state.limit};w=${Math.ceil(state.windowMs / 1000)}`)
      .join(', ')
    headers['ratelimit'] = states
      .map((state) => `${policyName(state)};r=${state.remaining};t=${Math.ceil(state.resetMs / 1000)}`)
      .join(', ')
  }
  if (denial) {
    headers['retry-after'] = String(Math.ceil(denial.retryAfterMs / 1000))
    headers['retry-after-ms'] = String(denial.retryAfterMs)
    if (denial.retryAfterMs > LONGEST_RETRY_MS) headers['x-should-retry'] = 'false'
  }
  return headers
}
