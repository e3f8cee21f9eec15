import type { EntityUid } from '#foundation/core'
import type { ForwardTime } from './forward-time.ts'
import type { Habits } from './habits.ts'
import { type Reason, REASONS } from './risk.ts'

/** Why the risk of a caller's last request was what it was. */
export interface RiskExplanation {
  readonly principal: EntityUid
  /** Of its last request; what decays was as of then. */
  readonly risk: number
  readonly at: number
  readonly learning: boolean
  readonly since: number
  readonly requests: number
  readonly reasons: readonly { readonly reason: Reason; readonly points: number; readonly most: number; readonly means: string }[]
  readonly usual: {
    /** 0 to 23, in the organisation's zone, the busiest first. */
    readonly hours: readonly number[]
    readonly networks: number
    readonly devices: number
    readonly endpoints: readonly { readonly endpoint: string; readonly share: number }[]
    /** Requests in five minutes that it seldom exceeds; 0 while nothing is known. */
    readonly requestsInFiveMinutes: number
  }
}

export function explanationOf(habits: Habits, learning: boolean, time: Pick<ForwardTime, 'shown'>): RiskExplanation {
  const total = Math.max(Number.MIN_VALUE, habits.active)
  return {
    principal: habits.uid,
    risk: habits.risk,
    at: time.shown(habits.lastAt),
    learning,
    since: time.shown(habits.since),
    requests: habits.requests,
    reasons: reasonsOf(habits.points),
    usual: {
      hours: Array.from(habits.day, (weight, hour) => ({ weight, hour }))
        .filter(({ weight }) => weight / total > 0.02)
        .sort((left, right) => right.weight - left.weight)
        .map(({ hour }) => hour),
      networks: habits.networks.size,
      devices: habits.devices.size,
      endpoints: [...habits.endpoints]
        .map(([endpoint, { weight }]) => ({ endpoint, share: Math.min(1, Math.round((weight / total) * 1_000) / 1_000) }))
        .sort((left, right) => right.share - left.share)
        .slice(0, 20),
      requestsInFiveMinutes: Math.round(habits.inSlot.ordinary),
    },
  }
}

/** What the points of a caller are made of, the most first. */
export function reasonsOf(points: Float64Array): RiskExplanation['reasons'] {
  return REASONS.map(({ name, most, means }, n) => ({ reason: name, points: Math.round(points[n] ?? 0), most, means }))
    .filter((one) => one.points > 0)
    .sort((left, right) => right.points - left.points)
}
