import { asRedoubtError, type AuditSink, type Clock, type ErrorCode, type JsonObject } from '#foundation/core'
import type { AuditLog } from '#trust/audit'
import { ITSELF } from '../key-events.ts'
import type { KeyProvider } from '../key-provider.ts'
import type { AccountedFor, KeyAccounts, OwnPurpose } from './key-accounts.ts'
import { countEntries } from './log-count.ts'
import {
  type OperationCount,
  OperationCounter,
  OPERATIONS,
  type OperationKey,
  type OperationsDone,
  type UncountedProvider,
} from './operations.ts'

/** A moment in which nothing is under way is looked for this often; then what is under way is said beside the counts. */
const MAX_CUTS = 20
const BETWEEN_CUTS_MS = 50
/**
 * On record before they are done, so that one which was not done after all is allowed for; told of all keys together, for the service that
 * makes a key has its own name for it first.
 */
const RECORDED_FIRST: ReadonlySet<string> = new Set(['make', 'destroy'])

/** `not all counted`: a provider could not be asked, so that neither agreement nor too little can be told. */
export type Finding = 'agrees' | 'more than recorded' | 'less than recorded' | 'log differs' | 'not all counted'

export interface ReconciledRow {
  readonly operation: string
  readonly key: OperationKey | 'all'
  /** What the provider says that it did. */
  readonly provider: number
  /** What entries of the log say that it was asked. */
  readonly log: number
  /** What the log needed itself, counted and not recorded. */
  readonly own: number
  /** Done while the log took no entry; the results were given to nobody. */
  readonly withheld: number
  /** Under way when it was counted: the sides may differ by as many. */
  readonly uncertain: number
  readonly finding: Finding
}

export interface Reconciled {
  readonly at: number
  /** The provider counts from its opening. */
  readonly since: number
  /** Entries of the log that were looked at: from, and up to this one without it. */
  readonly entries: { readonly from: number; readonly to: number }
  /** null when that cannot be told: nothing differs in what was counted, but not all could be. */
  readonly agrees: boolean | null
  /** As `OperationsDone`. */
  readonly inferred: number
  /** Providers that could not be asked, such as one that keys move away from and that is out of reach. */
  readonly uncounted: readonly UncountedProvider[]
  readonly rows: readonly ReconciledRow[]
}

export interface KeyReconciliation {
  /**
   * Holds the provider's count against the log's and the log's own needs, and records what it found. One at a time: who asks meanwhile gets the same.
   * @throws {RedoubtError} what counting throws, recorded too; `ERR_AUDIT_UNAVAILABLE`.
   */
  run(): Promise<Reconciled>
  latest(): Reconciled | null
  /** Why the last one could not be made, or not in full; null when it could. */
  problem(): ErrorCode | null
  own(): Readonly<Record<OwnPurpose, readonly OperationCount[]>>
}

export interface ReconciliationParts {
  readonly provider: Pick<KeyProvider, 'operations'>
  readonly accounts: KeyAccounts
  readonly clock: Clock
  readonly audit: AuditSink
  readonly log: Pick<AuditLog, 'size' | 'search'>
  readonly sleep: (ms: number) => Promise<void>
}

interface Cut {
  readonly done: OperationsDone
  readonly after: AccountedFor
  /** Under way, or settled while the provider was asked. */
  readonly uncertain: OperationCounter
  readonly to: number
}

/**
 * Sums from the opening of the provider on: both sides begin with this process, as a provider's counts do. What someone did past the doors
 * stays a difference in every later cut; that something was under way can hide it in one, not in all.
 */
export class ReconciledKeys implements KeyReconciliation {
  readonly #parts: ReconciliationParts
  readonly #since: number
  readonly #from: number
  readonly #logged = new OperationCounter()
  #counted: number
  #latest: Reconciled | null = null
  #problem: ErrorCode | null = null
  #running: Promise<Reconciled> | null = null

  /** To be made before the first key is asked for. */
  constructor(parts: ReconciliationParts) {
    this.#parts = parts
    this.#since = parts.clock.now()
    this.#from = parts.log.size()
    this.#counted = this.#from
  }

  run(): Promise<Reconciled> {
    this.#running ??= this.#reconcile().finally(() => (this.#running = null))
    return this.#running
  }

  latest(): Reconciled | null {
    return this.#latest
  }

  problem(): ErrorCode | null {
    return this.#problem
  }

  own(): ReturnType<KeyReconciliation['own']> {
    return this.#parts.accounts.ownUses()
  }

  async #reconcile(): Promise<Reconciled> {
    let reconciled: Reconciled
    try {
      reconciled = await this.#compare()
    } catch (thrown) {
      const error = asRedoubtError(thrown)
      this.#problem = error.code
      await this.#record({}, error.code)
      throw error
    }
    this.#latest = reconciled
    const { at, since, entries, inferred, uncounted, agrees, rows } = reconciled
    this.#problem = agrees === null ? uncounted[0]!.code : null
    const details = { at, since, entries, inferred, rows: rows.map((row) => ({ ...row })) }
    const without = uncounted.length === 0 ? {} : { uncounted: uncounted.map((one) => ({ ...one })) }
    await this.#record({ ...details, ...without }, agrees === false ? 'ERR_KEYS_UNACCOUNTED' : this.#problem)
    return reconciled
  }

  async #compare(): Promise<Reconciled> {
    const { clock, log, sleep } = this.#parts
    const { done, after, uncertain, to } = await this.#cut()
    const at = clock.now()
    this.#logged.addAll(await countEntries(log, { from: this.#counted, to }, sleep))
    this.#counted = to
    const { uncounted = [], inferred } = done
    const rows = rowsOf({ provider: counterOf(done.counts), log: this.#logged, ...after, uncertain }, uncounted.length === 0)
    const agrees = agreementOf(rows, uncounted)
    return { at, since: this.#since, entries: { from: this.#from, to }, agrees, inferred, uncounted, rows }
  }

  /** A cut through both counts: what was settled before is on both sides of it, and what is not is known by number. */
  async #cut(): Promise<Cut> {
    const { provider, accounts, log, sleep } = this.#parts
    for (let tried = 1; ; tried++) {
      const before = accounts.now()
      const done = await provider.operations()
      const after = accounts.now()
      const uncertain = counterOf(after.open.counts())
      for (const side of ['recorded', 'withheld', 'own'] as const) {
        uncertain.addAll(after[side].counts())
        uncertain.addAll(before[side].counts().map((one) => ({ ...one, count: -one.count })))
      }
      if (uncertain.counts().length === 0 || tried === MAX_CUTS) return { done, after, uncertain, to: log.size() }
      await sleep(BETWEEN_CUTS_MS)
    }
  }

  async #record(details: JsonObject, code: ErrorCode | null): Promise<void> {
    const { audit } = this.#parts
    try {
      await audit.record({
        type: 'key.reconcile',
        actor: ITSELF.principal,
        action: 'useKey',
        resource: { type: 'Key', id: 'keyring' },
        outcome: code === null ? 'success' : 'failed',
        purpose: 'key-reconciliation',
        details,
        ...(code === null ? {} : { code }),
      })
    } catch (error) {
      throw asRedoubtError(error, 'ERR_AUDIT_UNAVAILABLE')
    }
  }
}

/** The sides of the balance by operation and key. */
export type Balance = Readonly<Record<'provider' | 'log' | 'recorded' | 'withheld' | 'own' | 'open' | 'uncertain', OperationCounter>>

/** @param all whether every provider could be asked. */
export function rowsOf(balance: Balance, all: boolean): readonly ReconciledRow[] {
  const sides = Object.values(balance)
  return OPERATIONS.flatMap((operation) => {
    const keys = new Set(sides.flatMap((side) => side.counts().flatMap((one) => (one.operation === operation ? [one.key] : []))))
    if (keys.size === 0) return []
    if (RECORDED_FIRST.has(operation)) return [rowOf(balance, all, operation, 'all', [...keys])]
    return [...keys].toSorted().map((key) => rowOf(balance, all, operation, key, [key]))
  })
}

function agreementOf(rows: readonly ReconciledRow[], uncounted: readonly UncountedProvider[]): boolean | null {
  if (rows.some(({ finding }) => finding !== 'agrees' && finding !== 'not all counted')) return false
  return uncounted.length === 0 ? true : null
}

function rowOf(
  balance: Balance,
  all: boolean,
  operation: OperationCount['operation'],
  key: ReconciledRow['key'],
  keys: readonly OperationKey[],
): ReconciledRow {
  const of = (side: keyof Balance): number => keys.reduce((sum, one) => sum + balance[side].of(operation, one), 0)
  const [provider, log, own, withheld, uncertain] = [of('provider'), of('log'), of('own'), of('withheld'), of('uncertain')]
  const difference = provider - (log + own + withheld)
  const logged = log - of('recorded')
  let finding: Finding = 'agrees'
  // The entries of this process are there, and none that it did not write.
  if (logged < 0 || logged > of('open')) finding = 'log differs'
  else if (difference > uncertain) finding = 'more than recorded'
  // What was counted is the least that was done: more of it is found all the same.
  else if (!all) finding = 'not all counted'
  else if (difference < -uncertain && !RECORDED_FIRST.has(operation)) finding = 'less than recorded'
  return { operation, key, provider, log, own, withheld, uncertain, finding }
}

function counterOf(counts: readonly OperationCount[]): OperationCounter {
  const counter = new OperationCounter()
  counter.addAll(counts)
  return counter
}
