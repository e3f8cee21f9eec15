import type { Action, EntityUid } from '#foundation/core'

/** Leave to do one thing to one object for a short time, taken without asking anyone. */
export interface Grant {
  readonly id: string
  readonly principal: EntityUid
  readonly action: Action
  readonly resource: EntityUid
  readonly reason: string
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly endsAt: number
  /** How far the wall clock was behind when it began: a greater lag means that the clock was set back since. */
  readonly lagMs: number
  readonly endedAt: number | null
  /** `clock`: the clock was set back while it ran. */
  readonly endCause: 'time' | 'person' | 'clock' | null
  readonly uses: number
  readonly reviewedAt: number | null
  readonly reviewedBy: EntityUid | null
  readonly finding: string | null
}

export interface GrantShown extends Grant {
  readonly active: boolean
  readonly reviewDueAt: number
}

export interface BreakGlassHealth {
  readonly unreviewed: number | null
  /** Of these, those whose review is due. */
  readonly overdue: number | null
}
