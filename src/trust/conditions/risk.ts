import { type Habits, HOURS_OF_DAY, HOURS_OF_WEEK } from './habits.ts'
import { hourOf, type Rate } from './rate.ts'

/** What may be unusual of a request, and the most points that each gives. Points add up to the risk, 0 to 100. */
export const REASONS = [
  { name: 'hour', most: 20, means: 'an hour of the week in which the caller hardly ever works' },
  { name: 'network', most: 25, means: 'a network that the caller was not seen in before' },
  { name: 'endpoint', most: 20, means: 'something that the caller hardly ever asks for, or its usual things in another mix' },
  { name: 'rate', most: 40, means: 'many times the requests of its busiest five minutes or hours' },
  { name: 'refusals', most: 40, means: 'refusals by policy or limits in the last minutes' },
  // Anyone can send nonsense in another's name: enough to be seen, too little to lock anybody out.
  { name: 'credentials', most: 10, means: 'refused credentials in its name in the last minutes' },
  // Programs do not travel: hour, place and task change at once when somebody else has its credentials.
  { name: 'together', most: 25, means: 'hour, network and endpoint of a program unusual at once' },
  { name: 'keys', most: 30, means: 'many times the data keys of its busiest hours' },
  { name: 'data', most: 20, means: 'a data set that it had never read, in the last hour' },
] as const
export type Reason = (typeof REASONS)[number]['name']

const [HOUR, NETWORK, ENDPOINT, RATE, REFUSALS, CREDENTIALS, TOGETHER, KEYS, DATA] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const
/** Half a slot in each hour is presumed, so that the silence of a rare caller says little. */
const PRIOR = 0.5
/** An hour with less than a twentieth of an even share is as unusual as can be, with a quarter not at all. */
const QUIET = 0.05
const DAYS_OF_WEEK = 7
const ORDINARY = 0.25
/** What is asked for in every two-hundredth busy slot, and in three of them at least, is usual. */
const USUAL_SHARE = 0.005
const USUAL_SLOTS = 3
/** A mix that surprises by five bits more than usual is remarkable, by twelve as much so as can be. */
const MIX_FROM = 5
const MIX_TO = 12
/** Busy slots before a caller's endpoints and rate say anything in full. */
const ENOUGH_SLOTS = 50
/** Fewer requests in five minutes, or an hour, are no flood, whatever was usual. */
const LEAST_IN_SLOT = 10
const LEAST_IN_HOUR = 15
/** One and a half times the ordinary rate is nothing, six times is all. */
const RATE_FROM = 1.5
const RATE_OCTAVES = 2
/** A small data set read whole, in a few groups and files, is no flood of keys. */
const LEAST_KEYS = 64
/** So long a data set that is read for the first time is held against its reader. */
const FIRST_READ_MS = 60 * 60 * 1000
const REFUSALS_FROM = 2
const REFUSALS_TO = 20
const FAILURES_TO = 20
/** So long a caller's last risk is held against those who act for it. */
const STANDING_MS = 60 * 60 * 1000

export interface Asked {
  readonly at: number
  readonly slot: number
  /** 0 to 167, Sunday midnight first, in the organisation's zone. */
  readonly hourOfWeek: number
  readonly firstSeenNetwork: boolean
  /** Undefined leaves it out of the judgement. */
  readonly endpoint: string | undefined
  /** What one busy slot weighs now. */
  readonly unit: number
  /** 0 to 1: how much of the learning time has passed, for what only time can teach. */
  readonly weeks: number
  readonly learning: boolean
  /** Written by `assess`: how unusual the mix of endpoints is with this request. */
  mixBits: number
}

/** Writes the points of each reason. @returns the risk, a whole number from 0 to 100. Constant time; allocates nothing. */
export function assess(habits: Habits, asked: Asked, points: Float64Array): number {
  points.fill(0)
  const { at, unit } = asked
  points[REFUSALS] = refusalPoints(habits, at)
  points[CREDENTIALS] = credentialPoints(habits, at)
  if (!asked.learning) {
    const active = habits.active / unit
    const known = clamp(active / ENOUGH_SLOTS)
    points[HOUR] = REASONS[HOUR].most * asked.weeks * clamp((ORDINARY - busyness(habits, asked.hourOfWeek, unit)) / (ORDINARY - QUIET))
    if (asked.firstSeenNetwork) points[NETWORK] = REASONS[NETWORK].most
    if (asked.endpoint !== undefined && active > 0) {
      const used = habits.endpoints.get(asked.endpoint)
      const weight = used?.weight ?? 0
      const unusual = clamp(1 - Math.min(weight / habits.active / USUAL_SHARE, weight / unit / USUAL_SLOTS))
      const busy = habits.inHour.ordinary > LEAST_IN_HOUR
      asked.mixBits = habits.mix.with(asked.endpoint, weight, asked.slot, at, unit, used?.lastSlot === asked.slot, busy)
      points[ENDPOINT] = REASONS[ENDPOINT].most * known * Math.max(unusual, clamp((asked.mixBits - MIX_FROM) / (MIX_TO - MIX_FROM)))
    }
    if (habits.uid.type !== 'User')
      points[TOGETHER] = REASONS[TOGETHER].most * shareOf(points, HOUR) * shareOf(points, NETWORK) * shareOf(points, ENDPOINT)
    const times = Math.max(excess(habits.inSlot, asked.slot, LEAST_IN_SLOT), excess(habits.inHour, hourOf(asked.slot), LEAST_IN_HOUR))
    const keys = habits.keys.excess(at, LEAST_KEYS)
    if (keys > RATE_FROM) points[KEYS] = REASONS[KEYS].most * clamp(Math.log2(keys / RATE_FROM) / RATE_OCTAVES)
    if (habits.keys.sinceFirstUse(at) < FIRST_READ_MS) points[DATA] = REASONS[DATA].most
    if (times > RATE_FROM) points[RATE] = REASONS[RATE].most * known * clamp(Math.log2(times / RATE_FROM) / RATE_OCTAVES)
  }
  let sum = 0
  for (const each of points) sum += each
  return Math.min(100, Math.round(sum))
}

/** How unlike itself a caller acted until the moment, without a request of its own: for those who act for it. 0 to 100. */
export function standing(habits: Habits, at: number): number {
  const conduct = refusalPoints(habits, at) + credentialPoints(habits, at)
  const last = at - habits.lastAt < STANDING_MS ? habits.risk : 0
  return Math.min(100, Math.round(Math.max(conduct, last)))
}

const refusalPoints = (habits: Habits, at: number): number =>
  REASONS[REFUSALS].most * clamp((habits.refusalsAt(at) - REFUSALS_FROM) / (REFUSALS_TO - REFUSALS_FROM))
const credentialPoints = (habits: Habits, at: number): number => REASONS[CREDENTIALS].most * clamp(habits.failuresAt(at) / FAILURES_TO)

/** How many times its ordinary rate a caller reaches with one more request. */
const excess = (rate: Rate, span: number, least: number): number => (rate.countIn(span) + 1) / Math.max(least, rate.ordinary)

/**
 * How busy the caller is in such an hour, by the week, by the day, or by the other days at that time, whichever says least; 1 is an even
 * share. The last tells of the weekend of who is silent in it, when it asks so seldom that no hour of the week says much by itself.
 */
function busyness(habits: Habits, hour: number, unit: number): number {
  const { week, day } = habits
  const active = habits.active / unit
  const before = week[(hour + HOURS_OF_WEEK - 1) % HOURS_OF_WEEK]!
  const after = week[(hour + 1) % HOURS_OF_WEEK]!
  // Whoever works at one hour works a little earlier or later at times.
  const inWeek = (week[hour]! + (before + after) / 4) / unit
  const hourOfDay = hour % HOURS_OF_DAY
  const inDay = (day[hourOfDay]! + (day[(hourOfDay + HOURS_OF_DAY - 1) % HOURS_OF_DAY]! + day[(hourOfDay + 1) % HOURS_OF_DAY]!) / 4) / unit
  const byWeek = ((inWeek + PRIOR) * HOURS_OF_WEEK) / (active + PRIOR * HOURS_OF_WEEK)
  const byDay = ((inDay + PRIOR) * HOURS_OF_DAY) / (active + PRIOR * HOURS_OF_DAY)
  const byOtherDays = (inWeek + PRIOR) / (day[hourOfDay]! / unit / DAYS_OF_WEEK + PRIOR)
  return Math.min(byWeek, byDay, byOtherDays)
}

const shareOf = (points: Float64Array, reason: number): number => points[reason]! / REASONS[reason]!.most
const clamp = (value: number): number => Math.min(1, Math.max(0, value))
