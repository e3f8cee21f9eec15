import { type Clock, type LimitRule, RedoubtError } from '#foundation/core'
import type { Database } from '#foundation/storage'
import { Ledger } from './ledger.ts'
import { KeyedWindows, type UsageWindow } from './usage-windows.ts'

/** How long a caller waits when there is no room for one more key. */
const KEYS_FULL_RETRY_MS = 1000

export interface LimitAsk {
  readonly principal: string
  /** Whoever acts for the principal: charged with the same, in windows of its own, under the same rules. */
  readonly actor?: string
  readonly endpoint: string
  readonly rules: readonly LimitRule[]
  readonly requests: 1
  readonly rows?: number
  /** The most that the answer may use, where the number is not known before. */
  readonly tokens?: number
}

export interface LimitState {
  readonly unit: LimitRule['unit']
  readonly limit: number
  readonly remaining: number
  /** Until the whole amount is free again. */
  readonly resetMs: number
  readonly windowMs: number
}

export interface Taken {
  readonly allowed: true
  readonly states: readonly LimitState[]
  /**
   * Replaces the reservation by what was used; a unit not named was used as reserved. Call it once, whatever became of the request: until
   * then the reservation stays. What was used more than reserved is counted. Later calls do nothing. Does not throw.
   */
  settle(actual: { readonly tokens?: number; readonly rows?: number }): void
}

export interface Exceeded {
  readonly allowed: false
  readonly code: 'ERR_LIMIT_REQUESTS' | 'ERR_LIMIT_ROWS' | 'ERR_LIMIT_TOKENS'
  readonly rule: LimitRule
  /** Earliest moment at which the same ask can pass; the whole window if it asks for more than the limit, or if others have to settle first. */
  readonly retryAfterMs: number
  readonly states: readonly LimitState[]
}

export interface Limits {
  /**
   * Takes from all rules, of the principal and of who acts for it, or from none. Never do more than `amount` pass in any rolling window of a rule, not over a restart or crash either;
   * rows and tokens count as passing at any moment between `take` and `settle`. Synchronous; a durable write is due once per block of an
   * amount (see `UsageWindow`), not on each call.
   * @throws {RedoubtError} `ERR_STORAGE_FULL`, `ERR_STORAGE_IO` if use cannot be recorded, `ERR_INPUT_INVALID` for an amount that is no count,
   *   `ERR_DRAINING` after `close`: nothing is taken, and the caller refuses.
   */
  take(ask: LimitAsk): Taken | Exceeded
  /** Writes what was used exactly, so that a clean restart loses nothing to blocks. */
  close(): Promise<void>
  readonly usage: { readonly durableWrites: number; readonly keys: number }
}

const CODES = { requests: 'ERR_LIMIT_REQUESTS', rows: 'ERR_LIMIT_ROWS', tokens: 'ERR_LIMIT_TOKENS' } as const

function needed(ask: LimitAsk, unit: LimitRule['unit']): number {
  const amount = unit === 'requests' ? ask.requests : ((unit === 'rows' ? ask.rows : ask.tokens) ?? 0)
  if (!Number.isSafeInteger(amount) || amount < 0) throw new RedoubtError('ERR_INPUT_INVALID', `the number of ${unit} is not a count`)
  return amount
}

function checkRule({ amount, windowMs }: LimitRule): void {
  if (!Number.isSafeInteger(amount) || amount < 0 || !Number.isSafeInteger(windowMs) || windowMs <= 0)
    throw new RedoubtError('ERR_POLICY_INVALID', 'a limit is not a count in a window of milliseconds')
}

function stateOf(window: UsageWindow, limit: number, now: number): LimitState {
  const { unit, windowMs } = window
  const resetMs = window.inFlight > 0 ? windowMs : Math.max(0, Math.ceil(window.passed.emptyAt(now) - now))
  return { unit, limit, remaining: Math.max(0, limit - window.used), resetMs, windowMs }
}

/**
 * @param options.database must not be shared with code that holds transactions open across turns of the event loop: `take` refuses then.
 */
export function openLimits(options: { readonly database: Database; readonly clock: Clock }): Limits {
  const ledger = new Ledger(options.database, options.clock)
  const windows = new KeyedWindows(ledger)
  let closed = false

  const refuse = (rule: LimitRule, retryAfterMs: number, states: readonly LimitState[]): Exceeded => ({
    allowed: false,
    code: CODES[rule.unit],
    rule,
    retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)),
    states,
  })

  return {
    take(ask) {
      if (closed) throw new RedoubtError('ERR_DRAINING')
      const { rules } = ask
      const now = ledger.now()
      const charged: UsageWindow[] = []
      const all: UsageWindow[] = []
      let worst: LimitRule | null = null
      let retryAfterMs = 0
      const callers = ask.actor === undefined || ask.actor === ask.principal ? 1 : 2
      for (let i = 0; i < callers * rules.length; i++) {
        const rule = rules[i % rules.length]!
        const caller = i < rules.length ? ask.principal : ask.actor!
        checkRule(rule)
        const need = needed(ask, rule.unit)
        const window = windows.get(caller, ask.endpoint, rule.unit, rule.windowMs, now)
        if (window === null) return refuse(rule, KEYS_FULL_RETRY_MS, [])
        window.passed.expire(now)
        all.push(window)
        // Two rules over one window are checked both, charged once.
        if (!charged.includes(window)) {
          charged.push(window)
          window.need = need
          window.limit = rule.amount
        } else if (rule.amount < window.limit) window.limit = rule.amount
        const wait = window.waitFor(need, rule.amount, now)
        if (wait > retryAfterMs || (wait > 0 && worst === null)) {
          worst = rule
          retryAfterMs = wait
        }
      }
      if (worst === null) {
        // INVARIANT: durable before counted, counted before allowed. If this throws, nothing was taken.
        windows.lease(charged, now)
        for (const window of charged) window.take(now)
      }
      const states = rules.map(({ amount }, i) => {
        const own = stateOf(all[i]!, amount, now)
        const ofActor = callers === 1 ? own : stateOf(all[i + rules.length]!, amount, now)
        // What is left is what is left to both.
        return ofActor.remaining < own.remaining ? ofActor : own
      })
      if (worst !== null) return refuse(worst, retryAfterMs, states)
      const reserved: UsageWindow[] = []
      const amounts: number[] = []
      for (const window of charged) {
        if (window.unit === 'requests') continue
        reserved.push(window)
        amounts.push(window.need)
      }
      let settled = reserved.length === 0
      return {
        allowed: true,
        states,
        settle(actual) {
          if (settled) return
          settled = true
          const then = ledger.now()
          for (let i = 0; i < reserved.length; i++) {
            const window = reserved[i]!
            const amount = amounts[i]!
            const used = window.unit === 'rows' ? actual.rows : actual.tokens
            // What is no count is taken as the reservation, which was enough.
            window.settle(amount, used !== undefined && Number.isSafeInteger(used) && used >= 0 ? used : amount, then)
          }
          windows.recordDebts(reserved, then)
        },
      }
    },
    async close() {
      if (closed) return
      closed = true
      windows.flush()
    },
    get usage() {
      return { durableWrites: ledger.writes, keys: windows.size }
    },
  }
}
