import type { EntityUid } from '#foundation/core'
import { EndpointMix } from './endpoint-mix.ts'
import { KeyUse } from './key-use.ts'
import { hourOf, Rate } from './rate.ts'

/** Requests are counted in slots of five minutes: a slot is busy or not, so that a flood weighs no more than a trickle. */
export const SLOT_MS = 5 * 60 * 1000
export const HOURS_OF_WEEK = 168
export const HOURS_OF_DAY = 24
/** Least recently used first to go. */
const MAX_NETWORKS = 64
const MAX_DEVICES = 32
const MAX_ENDPOINTS = 128
const MAX_ENDPOINT_CHARACTERS = 160
/** However many there were, they have faded within the hour. */
const MAX_REFUSALS = 100
/** Refusals older than this weigh half. */
const REFUSAL_HALF_LIFE_MS = 10 * 60 * 1000

/** A network or device of one caller. */
export interface Seen {
  readonly firstAt: number
  lastAt: number
  /** Learnt in the caller's first days, or shown fresh factors at. */
  confirmed: boolean
}

export interface Endpoint {
  /** Decayed count of slots. */
  weight: number
  lastSlot: number
}

/**
 * What is usual of one caller: decayed counts of busy slots. A weight of 1 at one moment is a half at a half-life before it; weights
 * are kept in units of `unit()` at the time of counting, so that nothing is multiplied as time passes.
 */
export class Habits {
  readonly uid: EntityUid
  /** Of the first request. */
  readonly since: number
  requests = 0
  lastAt = 0
  /** Busy slots by hour of the week, by hour of the day, and in all. */
  readonly week = new Float64Array(HOURS_OF_WEEK)
  readonly day = new Float64Array(HOURS_OF_DAY)
  active = 0
  readonly networks = new Map<string, Seen>()
  readonly devices = new Map<string, Seen>()
  readonly endpoints = new Map<string, Endpoint>()
  readonly mix = new EndpointMix()
  readonly inSlot = new Rate()
  readonly inHour = new Rate()
  readonly keys = new KeyUse()
  /** The slot under way, and how much of it is learnt. */
  #slot = -1
  #slotWeight = 0
  refusals = 0
  refusedAt = 0
  failures = 0
  failedAt = 0
  /** Points of the last request, by reason. */
  readonly points: Float64Array
  risk = 0
  alertedAt = Number.NEGATIVE_INFINITY
  alerted = false

  constructor(uid: EntityUid, since: number, reasons: number) {
    this.uid = { type: uid.type, id: uid.id }
    this.since = since
    this.points = new Float64Array(reasons)
  }

  /** Counts one request. @param weight of its slot: a unit, or less of what is not to become usual. @param hour of the week. */
  request(at: number, slot: number, hour: number, weight: number): void {
    this.requests++
    this.lastAt = at
    this.inSlot.add(slot, weight)
    this.inHour.add(hourOf(slot), weight)
    if (slot > this.#slot) {
      this.#slot = slot
      this.#slotWeight = 0
    }
    // What deviates at first and turns out usual within the slot counts in full.
    const more = weight - this.#slotWeight
    if (more <= 0) return
    this.#slotWeight = weight
    this.week[hour]! += more
    this.day[hour % HOURS_OF_DAY]! += more
    this.active += more
  }

  /** The slot under way, so that a restart does not learn it a second time. */
  saveSlot(unit: number): readonly [slot: number, weight: number] {
    return [this.#slot, this.#slotWeight / unit]
  }

  restoreSlot([slot, weight]: readonly [slot: number, weight: number], unit: number): void {
    this.#slot = slot
    this.#slotWeight = weight * unit
  }

  useEndpoint(name: string, slot: number, unit: number): void {
    const known = this.endpoints.get(name)
    if (known !== undefined && slot <= known.lastSlot) return
    // Last in the order of the map: first to go is what was not used for longest.
    this.endpoints.delete(name)
    const before = known?.weight ?? 0
    this.#setEndpoint(name, before, before + unit, slot)
  }

  restoreEndpoint(name: string, weight: number, lastSlot: number): void {
    this.#setEndpoint(name, 0, weight, lastSlot)
  }

  #setEndpoint(name: string, before: number, weight: number, lastSlot: number): void {
    this.mix.change(before, weight)
    this.endpoints.set(name, { weight, lastSlot })
    const forgotten = forgetOldest(this.endpoints, MAX_ENDPOINTS)
    if (forgotten !== undefined) this.mix.change(forgotten.weight, 0)
  }

  useNetwork(key: string, at: number, confirmed: boolean): void {
    use(this.networks, key, at, confirmed, MAX_NETWORKS)
  }

  useDevice(key: string, at: number, confirmed: boolean): void {
    use(this.devices, key, at, confirmed, MAX_DEVICES)
  }

  refuse(at: number, weight: number): void {
    this.refusals = Math.min(MAX_REFUSALS, this.refusalsAt(at) + weight)
    this.refusedAt = at
  }

  fail(at: number, weight: number): void {
    this.failures = Math.min(MAX_REFUSALS, this.failuresAt(at) + weight)
    this.failedAt = at
  }

  refusalsAt(at: number): number {
    return this.refusals === 0 ? 0 : this.refusals * 2 ** (-Math.max(0, at - this.refusedAt) / REFUSAL_HALF_LIFE_MS)
  }

  failuresAt(at: number): number {
    return this.failures === 0 ? 0 : this.failures * 2 ** (-Math.max(0, at - this.failedAt) / REFUSAL_HALF_LIFE_MS)
  }
}

/** The name under which an endpoint is counted. */
export const endpointName = (endpoint: string): string =>
  endpoint.length <= MAX_ENDPOINT_CHARACTERS ? endpoint : endpoint.slice(0, MAX_ENDPOINT_CHARACTERS)

function use(seen: Map<string, Seen>, key: string, at: number, confirmed: boolean, most: number): void {
  const known = seen.get(key)
  if (known !== undefined) {
    known.confirmed ||= confirmed
    // Moved to the end of the map once an hour is soon enough to know which was not used for longest.
    if (at - known.lastAt < 3_600_000) return
    known.lastAt = at
    seen.delete(key)
  }
  seen.set(key, known ?? { firstAt: at, lastAt: at, confirmed })
  forgetOldest(seen, most)
}

function forgetOldest<Value>(map: Map<string, Value>, most: number): Value | undefined {
  if (map.size <= most) return undefined
  for (const [oldest, value] of map) {
    map.delete(oldest)
    return value
  }
  return undefined
}
