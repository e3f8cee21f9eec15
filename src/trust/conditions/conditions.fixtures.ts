/** The room on a database of its own, with a clock that stands still and ears for what it says. */
import { type Alert, type AuditEvent, type ConditionFacts, type EntityUid, ManualClock } from '#foundation/core'
import { type Database, openDatabase } from '#foundation/storage'
import { silentLogger } from '#foundation/telemetry'
import { type Conditions, openConditions } from './conditions.ts'
import { type ConditionsConfig, conditionsConfig } from './config.ts'
import type { Countries } from './country-file.ts'
import { localTime } from './organisation-time.ts'

/** A Monday. */
export const START = Date.UTC(2026, 0, 5)
export const DAY_MS = 86_400_000
export const SCORER: EntityUid = { type: 'ServiceAccount', id: 'scorer' }

export interface Circumstances {
  readonly at?: number
  readonly address?: string
  readonly agent?: string
  readonly key?: string
  readonly endpoint?: string
  readonly allowed?: boolean
  readonly fresh?: boolean
  readonly actingFor?: EntityUid
}

export class TestConditions {
  readonly clock = new ManualClock(START)
  readonly alerts: Alert[] = []
  readonly events: AuditEvent[] = []
  readonly database: Database
  readonly #config: ConditionsConfig
  readonly #countries: Countries
  room: Conditions

  constructor(parts: { readonly config?: object; readonly countries?: Countries; readonly database?: Database } = {}) {
    this.#config = conditionsConfig.parse(parts.config ?? {})
    this.#countries = parts.countries ?? { of: () => '', file: null }
    this.database = parts.database ?? openDatabase(':memory:')
    this.room = this.#open()
  }

  /** Asks for the facts of a request, as a policy sees them, and then notes it. */
  ask(principal: EntityUid, { at, address, agent, key, endpoint, allowed, fresh, actingFor }: Circumstances = {}): ConditionFacts {
    if (at !== undefined) this.clock.setNow(at)
    const request = {
      receivedAt: this.clock.now(),
      sourceAddress: address ?? '10.1.2.3',
      userAgent: agent ?? 'client/1.0',
      keyThumbprint: key,
      endpoint: endpoint ?? 'Model/credit',
      actingFor,
    }
    const facts = this.room.factsOf(principal, request)
    this.room.note(principal, request, allowed ?? facts.risk <= 80, fresh ?? false)
    return facts
  }

  /** Working hours of so many days: a request in every five minutes from 8 to 18, Monday to Friday. @returns the end of the last day. */
  work(principal: EntityUid, days: number, circumstances: Circumstances = {}): number {
    const begin = Math.ceil(this.clock.now() / DAY_MS) * DAY_MS
    for (let day = begin; day < begin + days * DAY_MS; day += DAY_MS) {
      if ([0, 6].includes(new Date(day).getUTCDay())) continue
      for (let minute = 8 * 60; minute < 18 * 60; minute += 5) this.ask(principal, { ...circumstances, at: day + minute * 60_000 })
    }
    this.clock.setNow(begin + days * DAY_MS)
    return begin + days * DAY_MS
  }

  /** What a crash leaves: nothing is saved before. */
  restart(): void {
    this.room = this.#open()
  }

  #open(): Conditions {
    return openConditions({
      database: this.database,
      audit: {
        record: async (event) => {
          this.events.push(event)
          return { index: this.events.length - 1, leafHash: '' }
        },
      },
      alerts: { raise: (alert) => this.alerts.push(alert) },
      clock: this.clock,
      logger: silentLogger,
      config: this.#config,
      localTime: localTime('UTC', this.#config),
      countries: this.#countries,
      hashKey: Buffer.alloc(32, 9),
      saveIntervalMs: 0,
    })
  }
}
