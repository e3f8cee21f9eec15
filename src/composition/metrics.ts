import type { AuditEvent, AuditReceipt, AuditSink } from '#foundation/core'
import type { KeyReconciliation } from '#trust/keys'
import { Counter, Gauge, Histogram, MetricsRegistry } from '#foundation/telemetry'

/** What is read off the rooms at each scrape. */
export interface MetricsSource {
  readonly log: () => { readonly ok: boolean; readonly size: number; readonly published: number }
  readonly runningRequests: () => number
  /** Uses of the keys that the log itself needs, which are counted here because recording them would recurse. */
  readonly keyUses: () => Readonly<Record<string, number>>
  /** Those by operation and key, and what the last count of the key provider against the log found. */
  readonly reconciliation: Pick<KeyReconciliation, 'own' | 'latest'>
  readonly shadow: () => { readonly compared: number; readonly mismatches: number }
  readonly ready: () => boolean
  readonly alerts: () => {
    readonly open: Readonly<Record<string, number>> | null
    readonly places: readonly { readonly name: string; readonly waiting: number; readonly failures: number }[]
  }
}

export interface Metrics {
  /** Counts what goes into the log: one place counts everything, and nothing is counted that is not recorded. */
  counting(audit: AuditSink): AuditSink
  observe(source: MetricsSource): void
  /** @param milliseconds what one request or whole answer took in a stage of the filters. */
  filterStage(stage: 'patterns' | 'names' | 'injection', milliseconds: number): void
  /** Prometheus text; types, outcomes and codes, never a name. */
  text(): Promise<string>
}

/** From ten microseconds to a second. */
const STAGE_BUCKETS = [0.000_01, 0.000_03, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]

interface Tally {
  readonly labels: { readonly type: string; readonly outcome: string; readonly code: string }
  count: number
}

export function createMetrics(): Metrics {
  const registry = new MetricsRegistry()
  const registers = [registry]
  const tallies = new Map<string, Map<string, Tally>>()
  // oxlint-disable-next-line no-new -- the registry holds it
  new Counter({
    name: 'redoubt_events_total',
    help: 'events recorded in the log',
    labelNames: ['type', 'outcome', 'code'],
    registers,
    // Counting in a series costs as much as writing a part of the event: it is done when somebody asks.
    collect() {
      this.reset()
      for (const ofType of tallies.values()) for (const { labels, count } of ofType.values()) this.inc(labels, count)
    },
  })
  const unrecorded = new Counter({
    name: 'redoubt_unrecorded_total',
    help: 'events that the log could not take; each was refused',
    registers,
  })
  const stages = new Histogram({
    name: 'redoubt_filter_stage_seconds',
    help: 'what the search of one request or whole answer took; names are searched for together with patterns, streams are not timed',
    labelNames: ['stage'],
    buckets: STAGE_BUCKETS,
    registers,
  })
  // Bound once: a look-up by labels at each request would cost more than it tells.
  const ofStage = { patterns: stages.labels('patterns'), names: stages.labels('names'), injection: stages.labels('injection') }
  const counted = ({ type, outcome, code }: AuditEvent): void => {
    let ofType = tallies.get(type)
    if (ofType === undefined) tallies.set(type, (ofType = new Map()))
    // Most events carry no code: nothing is joined for their look-up.
    const key = code === undefined ? outcome : `${outcome} ${code}`
    const tally = ofType.get(key)
    if (tally === undefined) ofType.set(key, { labels: { type, outcome, code: code ?? '' }, count: 1 })
    else tally.count++
  }
  const gauge = (name: string, help: string, collect: () => number): void => {
    // oxlint-disable-next-line no-new -- the registry holds it
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(collect())
      },
    })
  }
  gauge('redoubt_resident_memory_bytes', 'resident memory of the server', () => process.memoryUsage.rss())
  gauge('redoubt_uptime_seconds', 'since the server started', () => process.uptime())
  return {
    counting: (audit) => ({
      record: (event: AuditEvent): Promise<AuditReceipt> => {
        const recorded = audit.record(event)
        recorded.then(
          () => counted(event),
          () => unrecorded.inc(),
        )
        return recorded
      },
    }),
    observe(source) {
      gauge('redoubt_log_entries', 'durable entries of the log', () => source.log().size)
      gauge('redoubt_log_published', 'entries under a signed checkpoint', () => source.log().published)
      gauge('redoubt_log_writable', '1 while the log can be written', () => Number(source.log().ok))
      gauge('redoubt_running_requests', 'requests at work', source.runningRequests)
      gauge('redoubt_policy_shadow_compared', 'decisions compared with Cedar’s own engine', () => source.shadow().compared)
      gauge('redoubt_policy_shadow_mismatches', 'decisions in which it disagreed; each was refused', () => source.shadow().mismatches)
      gauge('redoubt_ready', '1 when the server serves what it promised', () => Number(source.ready()))
      const uses = new Gauge({
        name: 'redoubt_key_uses',
        help: 'uses of the keys of the log',
        labelNames: ['use'],
        registers,
        collect() {
          for (const [use, count] of Object.entries(source.keyUses())) this.set({ use }, count)
        },
      })
      uses.reset()
      const own = new Gauge({
        name: 'redoubt_key_own_operations',
        help: 'operations of the key provider that the log needs itself: counted here, and not recorded one by one',
        labelNames: ['purpose', 'operation', 'key'],
        registers,
        collect() {
          for (const [purpose, counts] of Object.entries(source.reconciliation.own()))
            for (const { operation, key, count } of counts) this.set({ purpose, operation, key }, count)
        },
      })
      own.reset()
      const operations = new Gauge({
        name: 'redoubt_key_operations',
        help: 'operations of the key provider at the last count, by who tells of them',
        labelNames: ['told_by', 'operation', 'key'],
        registers,
        collect() {
          for (const { operation, key, provider, log, own, withheld } of source.reconciliation.latest()?.rows ?? [])
            for (const [told_by, count] of Object.entries({ provider, log, own, withheld })) this.set({ told_by, operation, key }, count)
        },
      })
      operations.reset()
      gauge(
        'redoubt_key_operations_unaccounted',
        'kinds of operations on which the key provider and the log did not agree at the last count',
        () =>
          source.reconciliation.latest()?.rows.filter(({ finding }) => finding !== 'agrees' && finding !== 'not all counted').length ?? 0,
      )
      const open = new Gauge({
        name: 'redoubt_alerts_open',
        help: 'alerts that nobody acknowledged',
        labelNames: ['severity'],
        registers,
        collect() {
          this.reset()
          for (const [severity, count] of Object.entries(source.alerts().open ?? {})) this.set({ severity }, count)
        },
      })
      open.reset()
      gauge('redoubt_alert_deliveries_waiting', 'alerts that wait to be delivered', () =>
        source.alerts().places.reduce((sum, { waiting }) => sum + waiting, 0),
      )
      gauge(
        'redoubt_alert_places_failing',
        'places that did not take the latest alert',
        () => source.alerts().places.filter(({ failures }) => failures > 0).length,
      )
    },
    filterStage: (stage, milliseconds) => ofStage[stage].observe(milliseconds / 1000),
    text: () => registry.metrics(),
  }
}
