import {
  type AlertSink,
  asRedoubtError,
  type AuditEvent,
  type AuditSink,
  type Clock,
  type ConditionFacts,
  type ConditionRequest,
  type ConditionSource,
  type EntityUid,
  type ErrorCode,
} from '#foundation/core'
import type { Database } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import type { ConditionsConfig } from './config.ts'
import type { Countries } from './country-file.ts'
import { Deviations } from './deviations.ts'
import { explanationOf, type RiskExplanation } from './explain.ts'
import { ForwardTime } from './forward-time.ts'
import { endpointName, Habits, type Seen, SLOT_MS } from './habits.ts'
import { KnownCallers } from './known-callers.ts'
import { Networks } from './networks.ts'
import type { LocalTime } from './organisation-time.ts'
import { Places } from './places.ts'
import { assess, type Asked, REASONS, standing } from './risk.ts'
import { keysUsed } from './key-use.ts'
import { HabitStore } from './store.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const SAVE_INTERVAL_MS = 10_000
/** Of one save, so that it is short; the rest follows with the next. */
const MAX_SAVED_AT_ONCE = 400
/** What is asked at a risk of this or more is learnt at a sixteenth: an intruder does not make itself usual within hours. */
const DOUBTFUL_RISK = 50
const DOUBTFUL_SHARE = 1 / 16
/** Below the threshold by so much, a caller may deviate anew. */
const CALM = 20
const REFUSED_BY_POLICY: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>(['ERR_POLICY_DENIED', 'ERR_POLICY_PURPOSE'])
const REFUSED_BY_LIMIT: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  'ERR_LIMIT_REQUESTS',
  'ERR_LIMIT_ROWS',
  'ERR_LIMIT_TOKENS',
  'ERR_LIMIT_CALL_SIZE',
])
/** Clients run into limits without bad intent, and then often. */
const LIMIT_WEIGHT = 0.25

export interface ConditionsOptions {
  /** A database of its own: its writes are synchronous and must never meet an open transaction of another room. */
  readonly database: Database
  readonly audit: AuditSink
  readonly alerts: AlertSink
  readonly clock: Clock
  readonly logger: Logger
  readonly config: ConditionsConfig
  readonly localTime: LocalTime
  readonly countries: Countries
  /** 32 bytes; keys the hashes of networks and devices, the same after a restart. */
  readonly hashKey: Uint8Array
  /** 0: only `save` saves. */
  readonly saveIntervalMs?: number
}

export interface Conditions extends ConditionSource {
  /** What the record says of a caller's conduct; where a service acts for a person, of the service's. Never throws. */
  observe(event: AuditEvent): void
  /** Null for a caller that was never seen. */
  explain(principal: EntityUid): RiskExplanation | null
  health(): ConditionsHealth
  /** Saves what changed. @throws {RedoubtError} `ERR_STORAGE_IO`, `ERR_STORAGE_FULL`. */
  save(): void
  close(): Promise<void>
}

export interface ConditionsHealth {
  readonly principals: number
  readonly countryFile: { readonly type: string; readonly builtAt: number } | null
  /** Code of the error that keeps habits from being saved; null when they are. */
  readonly problem: ErrorCode | null
}

interface Judged {
  readonly request: ConditionRequest | null
  readonly habits: Habits | null
  readonly asked: Asked
  readonly risk: number
}
const NOTHING_ASKED: Asked = {
  at: 0,
  slot: 0,
  hourOfWeek: 0,
  firstSeenNetwork: false,
  endpoint: undefined,
  unit: 1,
  weeks: 0,
  learning: true,
  mixBits: 0,
}
const NOTHING_JUDGED: Judged = { request: null, habits: null, asked: NOTHING_ASKED, risk: 0 }

/** @throws {RedoubtError} `ERR_STORAGE_IO` when the habits cannot be read. */
export function openConditions(options: ConditionsOptions): Conditions {
  return new ConditionsRoom(options)
}

class ConditionsRoom implements Conditions {
  readonly #options: ConditionsOptions
  readonly #places: Places
  readonly #deviations: Deviations
  readonly #store: HabitStore
  /** All times but those of the calendar are by this one. */
  readonly #time: ForwardTime
  readonly #known: KnownCallers
  /** Weights are in units of this moment. */
  readonly #landmark: number
  readonly #halfLifeMs: number
  readonly #learningMs: number
  readonly #newForMs: number
  /** What was judged last, with its points: a request is mostly noted right after its facts were asked for. */
  #judged: Judged = NOTHING_JUDGED
  readonly #points = new Float64Array(REASONS.length)
  readonly #timer: NodeJS.Timeout | null
  #unitSlot = Number.NaN
  #unit = 1
  #problem: ErrorCode | null = null

  constructor(options: ConditionsOptions) {
    this.#options = options
    const { config, clock, database, countries, hashKey } = options
    this.#halfLifeMs = config.halfLifeDays * DAY_MS
    this.#learningMs = config.learningDays * DAY_MS
    this.#newForMs = config.newForHours * HOUR_MS
    this.#deviations = new Deviations(options)
    this.#places = new Places({ networks: new Networks(config.networks), countries, hashKey })
    this.#store = new HabitStore(database)
    this.#known = new KnownCallers(config.maxPrincipals)
    this.#time = new ForwardTime(clock, this.#store.latest())
    this.#landmark = this.#time.now()
    const make = (uid: EntityUid, since: number): Habits => new Habits(uid, since, REASONS.length)
    for (const habits of this.#store.load(config.maxPrincipals, make, (savedAt) => this.#unitAt(savedAt))) this.#known.keep(habits)
    const interval = options.saveIntervalMs ?? SAVE_INTERVAL_MS
    this.#timer = interval === 0 ? null : setInterval(() => this.#saveQuietly(), interval)
    this.#timer?.unref()
  }

  factsOf(principal: EntityUid, request: ConditionRequest): ConditionFacts {
    const at = this.#time.at(request.receivedAt)
    const place = this.#places.at(request.sourceAddress)
    const moment = this.#options.localTime.at(request.receivedAt)
    const habits = this.#known.get(principal)
    let firstSeenNetwork = false
    let firstSeenDevice = false
    let risk = 0
    if (habits !== undefined) {
      const learning = this.#learns(habits, at)
      if (!learning) {
        firstSeenNetwork = this.#isNew(habits.networks.get(place.networkKey), at)
        firstSeenDevice = this.#isNew(habits.devices.get(this.#places.device(request.userAgent, request.keyThumbprint)), at)
      }
      risk = this.#assess(habits, request, this.#asked(habits, request, at, learning, firstSeenNetwork))
    }
    // Whoever may not go on as itself does not go on through a service.
    const { actingFor } = request
    const person = actingFor === undefined ? undefined : this.#known.get(actingFor)
    if (person !== undefined) risk = Math.max(risk, standing(person, at))
    return { workingHours: moment.workingHours, network: place.network, country: place.country, firstSeenNetwork, firstSeenDevice, risk }
  }

  note(principal: EntityUid, request: ConditionRequest, allowed: boolean, freshFactors: boolean): void {
    const at = this.#time.at(request.receivedAt)
    const habits = this.#known.get(principal) ?? this.#known.keep(new Habits(principal, at, REASONS.length))
    const learning = this.#learns(habits, at)
    const { networkKey } = this.#places.at(request.sourceAddress)
    if (this.#judged.request !== request || this.#judged.habits !== habits) {
      const firstSeen = !learning && this.#isNew(habits.networks.get(networkKey), at)
      this.#assess(habits, request, this.#asked(habits, request, at, learning, firstSeen))
    }
    const { asked, risk } = this.#judged
    this.#judged = NOTHING_JUDGED
    habits.points.set(this.#points)
    habits.risk = risk
    const { slot, unit } = asked
    const doubtful = risk >= DOUBTFUL_RISK
    const weight = allowed ? (doubtful ? unit * DOUBTFUL_SHARE : unit) : 0
    habits.request(at, slot, asked.hourOfWeek, weight)
    // Nor does an intruder's network become old by being used.
    if (allowed && (!doubtful || freshFactors)) {
      const confirmed = learning || freshFactors
      habits.useNetwork(networkKey, at, confirmed)
      habits.useDevice(this.#places.device(request.userAgent, request.keyThumbprint), at, confirmed)
    }
    if (asked.endpoint !== undefined) habits.mix.note(asked.endpoint, slot, at, asked.mixBits)
    if (allowed && asked.endpoint !== undefined) habits.useEndpoint(asked.endpoint, slot, weight)
    this.#known.change(habits)
    if (risk >= this.#options.config.alertAt) this.#deviations.tell(habits, at)
    else if (risk < this.#options.config.alertAt - CALM) habits.alerted = false
  }

  observe(event: AuditEvent): void {
    const keys = keysUsed(event)
    if (keys === 0 && (event.outcome === 'success' || event.code === undefined)) return
    const service = event.details?.['onBehalfBy']
    const habits = this.#known.get(typeof service === 'string' ? { type: 'ServiceAccount', id: service } : event.actor)
    if (habits === undefined) return
    const now = this.#time.now()
    if (keys > 0) {
      const unit = this.#unitAt(now)
      const weight = habits.risk >= DOUBTFUL_RISK ? unit * DOUBTFUL_SHARE : unit
      habits.keys.note(event.resource.id, keys, now, this.#learns(habits, now), weight)
    } else if (event.type === 'authentication.refused') {
      const count = event.details?.['count']
      habits.fail(now, typeof count === 'number' && count > 0 ? count : 1)
    } else if (event.type === 'inference.refusal' || event.type === 'control.refusal') {
      const { code } = event
      if (code === undefined) return
      const weight = REFUSED_BY_POLICY.has(code) ? 1 : REFUSED_BY_LIMIT.has(code) ? LIMIT_WEIGHT : 0
      // Who is refused for its risk does not stay refused for being refused.
      if (weight === 0 || habits.risk >= this.#options.config.alertAt) return
      habits.refuse(now, weight)
    } else return
    this.#known.change(habits)
  }

  explain(principal: EntityUid): RiskExplanation | null {
    const habits = this.#known.get(principal)
    if (habits === undefined) return null
    return explanationOf(habits, this.#learns(habits, this.#time.now()), this.#time)
  }

  health(): ConditionsHealth {
    return { principals: this.#known.size, countryFile: this.#options.countries.file, problem: this.#problem }
  }

  save(): void {
    const { changed, forgotten } = this.#known.unsaved(MAX_SAVED_AT_ONCE)
    if (changed.length + forgotten.size === 0) return
    const now = this.#time.now()
    this.#store.save(changed, forgotten, now, this.#unitAt(now))
    this.#known.saved(changed)
    this.#problem = null
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    while (this.#known.hasUnsaved) {
      this.#saveQuietly()
      if (this.#problem !== null) return
    }
  }

  #saveQuietly(): void {
    try {
      this.save()
    } catch (thrown) {
      const { code } = asRedoubtError(thrown)
      if (this.#problem === null) this.#options.logger.error({ code, err: thrown }, 'habits could not be saved')
      this.#problem = code
    }
  }

  #assess(habits: Habits, request: ConditionRequest, asked: Asked): number {
    const risk = assess(habits, asked, this.#points)
    this.#judged = { request, habits, asked, risk }
    return risk
  }

  #asked(habits: Habits, request: ConditionRequest, at: number, learning: boolean, firstSeenNetwork: boolean): Asked {
    const { receivedAt, endpoint } = request
    const { hour, weekday } = this.#options.localTime.at(receivedAt)
    return {
      at,
      slot: Math.floor(at / SLOT_MS),
      hourOfWeek: weekday * 24 + hour,
      firstSeenNetwork,
      endpoint: endpoint === undefined ? undefined : endpointName(endpoint),
      unit: this.#unitAt(at),
      weeks: Math.min(1, Math.max(0, at - habits.since) / this.#learningMs),
      learning,
      mixBits: 0,
    }
  }

  #learns(habits: Habits, at: number): boolean {
    return habits.requests < this.#options.config.learningRequests && at - habits.since < this.#learningMs
  }

  #isNew(seen: Seen | undefined, at: number): boolean {
    return seen === undefined || (!seen.confirmed && at - seen.firstAt < this.#newForMs)
  }

  /** What one busy slot weighs at a moment: twice as much after each half-life, so that what is older weighs less. */
  #unitAt(at: number): number {
    const slot = Math.floor(at / SLOT_MS)
    if (slot !== this.#unitSlot) {
      this.#unit = 2 ** ((slot * SLOT_MS - this.#landmark) / this.#halfLifeMs)
      this.#unitSlot = slot
    }
    return this.#unit
  }
}
