import type { LimitRule } from '#foundation/core'
import type { Ledger, WindowKey, WindowRecord } from './ledger.ts'
import { RollingWindow } from './rolling-window.ts'

/** Blocks of an amount: one of them is lost to a crash at most, and so rarely is written. Tokens come in larger portions. */
const BLOCKS = { requests: 50, rows: 50, tokens: 20 } as const
/** How often in a window a lease ends at the latest. */
const LEASES = 50
/** In short windows a block lasts this long, so that a key is written about once in that time however fast it is used. */
const SHORTEST_BLOCK_MS = 2000

/** Most windows kept, about 1 KiB each; beyond, new keys are refused until idle ones are forgotten. */
const MAX_WINDOWS = 100_000
/** Takes between two looks for idle windows, and how many keys each looks at. */
const SWEEP_EVERY = 64
const SWEEP_KEYS = 128
const FULL_SWEEP_MS = 1000
/** Most other windows renewed in the same transaction. */
const MOST_ALONG = 32
/** Most windows looked at for that. */
const MOST_SEEN = 256
/** Most forgotten windows that wait for the next transaction to be deleted. */
const MOST_GONE = 4096

/**
 * One limit's use by one principal at one endpoint. Use is written ahead in blocks: a record says what passed, what is reserved, and that
 * up to `lease` more may have passed until `leaseUntil`. While the lease lasts nothing is written; after a crash all of it counts as used.
 */
export class UsageWindow implements WindowKey {
  readonly principal: string
  readonly endpoint: string
  readonly unit: LimitRule['unit']
  readonly windowMs: number
  readonly passed: RollingWindow
  /** Reserved and not settled; leaves the window only some time after it is settled. */
  inFlight = 0
  /** Asks that have not settled, those that reserved nothing included. */
  unsettled = 0
  /** What may still be taken without a write. Below zero when more was used than reserved. */
  lease = 0
  leaseUntil = 0
  /** Of the ask at hand. */
  need = 0
  limit = 0

  constructor(principal: string, endpoint: string, unit: LimitRule['unit'], windowMs: number) {
    this.principal = principal
    this.endpoint = endpoint
    this.unit = unit
    this.windowMs = windowMs
    this.passed = new RollingWindow(windowMs)
  }

  get used(): number {
    return this.passed.sum + this.inFlight
  }

  /** 0 if `need` may pass now, else milliseconds until it might. A need of nothing passes unless the amount is used up already. */
  waitFor(need: number, limit: number, now: number): number {
    const { used } = this
    const excess = need > 0 ? used + need - limit : used > 0 ? used + 1 - limit : 0
    return excess <= 0 ? 0 : need > limit ? this.windowMs : this.passed.timeUntilLess(excess, now) - now
  }

  get isLeaseSpent(): boolean {
    return this.lease < this.need || this.lease < 0
  }

  get blockMs(): number {
    return Math.max(this.windowMs / LEASES, Math.min(this.windowMs, SHORTEST_BLOCK_MS))
  }

  /**
   * How much the next lease would cover: a block, and no more than may pass. Reservations come on top of the block, since most of each comes
   * back to the lease when it is settled; otherwise every call that reserves more than a block would have to be written.
   */
  nextLease(): number {
    const { limit, windowMs, need } = this
    const block = Math.max(Math.ceil(limit / BLOCKS[this.unit]), Math.ceil((limit * Math.min(windowMs, SHORTEST_BLOCK_MS)) / windowMs))
    const wanted = this.unit === 'requests' ? Math.max(block, need) : block + need
    return Math.max(need, Math.min(wanted, limit - this.used), 0)
  }

  take(now: number): void {
    this.lease -= this.need
    if (this.unit === 'requests') this.passed.add(now, this.need, this.limit)
    else {
      this.inFlight += this.need
      this.unsettled++
    }
  }

  /** What was reserved at some time before now counts as passed now: until now it was on its way. */
  settle(reserved: number, used: number, now: number): void {
    this.passed.expire(now)
    this.inFlight -= reserved
    this.unsettled--
    this.passed.add(now, used, this.limit)
    if (used > reserved || now < this.leaseUntil) this.lease += reserved - used
  }

  isIdle(now: number): boolean {
    this.passed.expire(now)
    return this.used === 0 && this.unsettled === 0 && now >= this.leaseUntil
  }

  record(lease: number, leaseUntil: number): WindowRecord {
    const { principal, endpoint, unit, windowMs, inFlight } = this
    return { principal, endpoint, unit, windowMs, events: this.passed.events(), inFlight, lease, leaseUntil }
  }

  /** Counts what a record says, on the safe side: what may have passed, passed as late as it can have. */
  restore({ events, inFlight, lease, leaseUntil }: WindowRecord, now: number): void {
    for (const [time, amount] of events) this.passed.add(time, amount, 0)
    // A request passes when it is taken; rows and tokens go on passing until the crash.
    if (this.unit === 'requests') this.passed.add(Math.min(now, leaseUntil), lease, 0)
    else this.passed.add(now, lease, 0)
    this.passed.add(now, inFlight, 0)
    this.passed.expire(now)
  }
}

/** All windows, by principal and endpoint, with their leases. */
export class KeyedWindows {
  readonly #ledger: Ledger
  readonly #windows = new Map<string, Map<string, UsageWindow[]>>()
  /** Used since they were written. */
  readonly #unwritten = new Set<UsageWindow>()
  #gone: WindowKey[] = []
  #sweep: Iterator<[string, Map<string, UsageWindow[]>]> | null = null
  #takes = 0
  #fullSweepAt = 0
  size = 0

  constructor(ledger: Ledger) {
    this.#ledger = ledger
    const now = ledger.now()
    const restored: UsageWindow[] = []
    for (const record of ledger.load()) {
      const window = new UsageWindow(record.principal, record.endpoint, record.unit, record.windowMs)
      window.restore(record, now)
      if (window.used === 0) {
        this.#gone.push(window)
        continue
      }
      this.#add(window)
      restored.push(window)
    }
    // The line of time is anchored anew, so that a clock set backwards costs once and not at every restart.
    this.#write(restored.map((window) => window.record(0, now)))
  }

  /** @returns null if there is no room for a new key. */
  get(principal: string, endpoint: string, unit: LimitRule['unit'], windowMs: number, now: number): UsageWindow | null {
    const known = this.#windows.get(principal)?.get(endpoint)
    if (known) for (const window of known) if (window.unit === unit && window.windowMs === windowMs) return window
    if (this.size >= MAX_WINDOWS && !this.#makeRoom(now)) return null
    const window = new UsageWindow(principal, endpoint, unit, windowMs)
    this.#add(window)
    return window
  }

  /**
   * Makes sure that each window's lease covers its need: one transaction for all that are spent, taking along others that soon will be.
   * @throws {RedoubtError} if it cannot be made durable; the leases are then as before.
   */
  lease(windows: readonly UsageWindow[], now: number): void {
    if (++this.#takes % SWEEP_EVERY === 0) this.#sweepSome(now)
    let spent: UsageWindow[] | null = null
    for (const window of windows) {
      if (window.need === 0) continue
      if (window.isLeaseSpent || now >= window.leaseUntil) (spent ??= []).push(window)
      this.#unwritten.add(window)
    }
    if (spent === null) return
    let along = 0
    let seen = 0
    for (const window of this.#unwritten) {
      if (along === MOST_ALONG || ++seen > MOST_SEEN) break
      if (windows.includes(window)) continue
      window.need = 0
      window.passed.expire(now)
      if (window.lease > window.nextLease() / 2 && now < window.leaseUntil - window.blockMs / 2) continue
      spent.push(window)
      along++
    }
    this.#renew(spent, now)
    for (const window of spent) if (!windows.includes(window)) this.#unwritten.delete(window)
  }

  /** Writes at once what was used beyond every lease. If that fails, the next take must succeed in it or refuse. */
  recordDebts(windows: readonly UsageWindow[], now: number): void {
    const inDebt: UsageWindow[] = []
    for (const window of windows) {
      this.#unwritten.add(window)
      if (window.lease >= 0) continue
      window.need = 0
      inDebt.push(window)
    }
    if (inDebt.length === 0) return
    try {
      this.#renew(inDebt, now)
    } catch {
      for (const window of inDebt) window.leaseUntil = 0
    }
  }

  /** Writes the exact use, with no lease. */
  flush(): void {
    const now = this.#ledger.now()
    const records: WindowRecord[] = []
    for (const endpoints of this.#windows.values()) {
      for (const windows of endpoints.values()) {
        for (const window of windows) {
          window.passed.expire(now)
          if (window.used > 0) records.push(window.record(0, now))
          else this.#gone.push(window)
        }
      }
    }
    this.#write(records)
  }

  #renew(windows: readonly UsageWindow[], now: number): void {
    const leases = windows.map((window) => {
      const lease = window.nextLease()
      // A request's lease used up at once passed now, not at some time in the block.
      return { window, lease, until: window.unit === 'requests' && lease === window.need ? now : now + window.blockMs }
    })
    this.#write(leases.map(({ window, lease, until }) => window.record(lease, until)))
    for (const { window, lease, until } of leases) {
      window.lease = lease
      window.leaseUntil = until
    }
  }

  #write(records: readonly WindowRecord[]): void {
    this.#ledger.write(records, this.#gone)
    this.#gone = []
  }

  #add(window: UsageWindow): void {
    const { principal, endpoint } = window
    let endpoints = this.#windows.get(principal)
    if (!endpoints) this.#windows.set(principal, (endpoints = new Map()))
    const windows = endpoints.get(endpoint)
    if (windows) windows.push(window)
    else endpoints.set(endpoint, [window])
    this.size++
  }

  #sweepSome(now: number): void {
    for (let i = 0; i < SWEEP_KEYS; i++) {
      this.#sweep ??= this.#windows.entries()
      const next = this.#sweep.next()
      if (next.done) {
        this.#sweep = null
        return
      }
      this.#forgetIdle(next.value[0], next.value[1], now)
    }
  }

  #makeRoom(now: number): boolean {
    if (now < this.#fullSweepAt) return false
    this.#fullSweepAt = now + FULL_SWEEP_MS
    for (const [principal, endpoints] of this.#windows) this.#forgetIdle(principal, endpoints, now)
    return this.size < MAX_WINDOWS
  }

  #forgetIdle(principal: string, endpoints: Map<string, UsageWindow[]>, now: number): void {
    for (const [endpoint, windows] of endpoints) {
      const kept = windows.filter((window) => !window.isIdle(now))
      if (kept.length === windows.length) continue
      for (const window of windows) {
        if (kept.includes(window)) continue
        this.#unwritten.delete(window)
        if (this.#gone.length < MOST_GONE) this.#gone.push(window)
      }
      this.size -= windows.length - kept.length
      if (kept.length > 0) endpoints.set(endpoint, kept)
      else endpoints.delete(endpoint)
    }
    if (endpoints.size === 0) this.#windows.delete(principal)
  }
}
