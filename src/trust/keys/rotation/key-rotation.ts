import type { KeyObject } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { type AlertSink, asRedoubtError, type AuditSink, type Clock, type ErrorCode, type JsonObject } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { RecordedKeys } from '../audited-keys.ts'
import { factsOf, ITSELF, referenceOf } from '../key-events.ts'
import { graceMs, type RotationConfig } from '../config.ts'
import type { KeyLimits } from '../key-limits.ts'
import type { KeyProvider, KeyReference } from '../key-provider.ts'
import type { KeyDescription } from '../keys.ts'
import type { Escrow } from '../escrow/escrow.ts'
import type { SubjectEscrow } from '../escrow/subject-escrow.ts'
import type { Move, MoveProgress } from '../moved/move.ts'
import type { OwnerKeys } from '../owner-keys.ts'
import type { OwnerKeyStore } from '../owner-key-store.ts'
import { forgetOverwritten } from '../subject-store.ts'
import type { UnwrapCache } from '../unwrap-cache.ts'
import type { KeyMover } from './key-mover.ts'
import { findReferences, type References } from './find-references.ts'
import { moveObjects, type ObjectProgress } from './object-mover.ts'
import { Pace } from './pace.ts'
import type { Retirement, RetirementStore } from './retirement-store.ts'
import type { SealedObjects, WrappedKeys } from './wrapped-places.ts'

/**
 * No version ends sooner after its rotation than this: an object whose data key was wrapped just before it may be on its way to the
 * disk still. One object is sealed in seconds.
 */
export const SETTLE_MS = 900_000

export interface RotationProgress {
  /** `idle` between rounds. */
  readonly doing: 'idle' | 'rotating' | 'moving' | 'proving'
  readonly objects: Readonly<ObjectProgress>
  /** Wrapped keys in databases. */
  readonly keys: { readonly seen: number; readonly moved: number; readonly failed: number }
  /** When the last whole round ended; null before. */
  readonly completedAt: number | null
  /** Why the last round ended early; the next one goes on. */
  readonly error: ErrorCode | null
  /** Versions on their way out, and how much of their grace is left. */
  readonly retirements: readonly (Retirement & { readonly graceLeftMs: number })[]
  /** How far keys have moved away from another provider; null when there is none. */
  readonly move: MoveProgress | null
}

/** Rotates, moves, proves, retires and destroys by itself. */
export interface KeyRotation {
  /** One round, or the one that is running and another after it. Never rejects: what went wrong is in `progress` and is tried again. */
  run(): Promise<void>
  progress(): RotationProgress
  /** Ends a running round at its next step; what was begun goes on with the next start. */
  close(): Promise<void>
}

export interface KeyRotationParts {
  readonly raw: DatabaseSync
  readonly provider: KeyProvider
  readonly owners: OwnerKeys
  readonly versions: OwnerKeyStore
  readonly escrow: Escrow
  readonly subjectEscrow: SubjectEscrow
  /** Opens people's keys, for escrow. */
  readonly unwrapOfPeople: (wrapped: WrappedKey) => Promise<KeyObject>
  readonly cache: UnwrapCache
  readonly keys: RecordedKeys
  readonly mover: KeyMover
  readonly retirements: RetirementStore
  readonly limits: KeyLimits
  readonly clock: Clock
  readonly folder: DurableFolder
  readonly objects: readonly SealedObjects[]
  /** Asked anew in each round: what a provider keeps changes. */
  readonly wrapped: () => readonly WrappedKeys[]
  /** Wrapped keys that cannot be moved; a version that one of them names is not retired while it does. */
  readonly pinned?: () => Iterable<WrappedKey>
  readonly config: RotationConfig
  readonly audit: AuditSink
  readonly alerts: AlertSink
  /** Of keys that another provider wraps still, or did last. */
  readonly move: Move | null
  readonly sleep: (ms: number) => Promise<void>
}

const nothing = () => ({ objects: { seen: 0, moved: 0, resealed: 0, failed: 0 }, keys: { seen: 0, moved: 0, failed: 0 } })
const idOf = ({ keyId, version }: KeyReference): string => `${keyId}/${version}`

export class RoundsOfRotation implements KeyRotation {
  readonly #parts: KeyRotationParts
  readonly #pace: Pace
  /** When this process first saw a version that was rotated out while it ran, on the monotonic clock; what it found at its start is settled. */
  readonly #unsettled = new Map<string, number>()
  readonly #found: ReadonlySet<string>
  #counts = nothing()
  #doing: RotationProgress['doing'] = 'idle'
  #completedAt: number | null = null
  #error: ErrorCode | null = null
  #running: Promise<void> | null = null
  #again = false
  #closed = false
  #everMoved = false
  #lastRound: number

  constructor(parts: KeyRotationParts) {
    this.#parts = parts
    this.#pace = new Pace(parts.clock, parts.config.objectsPerSecond, parts.sleep)
    this.#found = new Set(this.#retiredVersions().map(idOf))
    this.#lastRound = parts.clock.monotonic()
  }

  async run(): Promise<void> {
    this.#again = true
    this.#running ??= this.#rounds().finally(() => (this.#running = null))
    await this.#running
  }

  progress(): RotationProgress {
    const { config, move } = this.#parts
    return {
      doing: this.#doing,
      objects: { ...this.#counts.objects },
      keys: { ...this.#counts.keys },
      completedAt: this.#completedAt,
      error: this.#error,
      retirements: this.#outgoing().map((retirement) => {
        const left = retirement.compromised ? 0 : Math.max(0, graceMs(config) - retirement.waitedMs)
        return { ...retirement, graceLeftMs: left }
      }),
      move: move?.progress() ?? null,
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #rounds(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false
      try {
        await this.#round()
        this.#error = null
      } catch (thrown) {
        this.#error = asRedoubtError(thrown).code
      } finally {
        this.#doing = 'idle'
      }
    }
  }

  async #round(): Promise<void> {
    const { keys, clock } = this.#parts
    this.#counts = nothing()
    this.#doing = 'rotating'
    await keys.rotateDue()
    const { escrow, subjectEscrow, owners, versions, unwrapOfPeople } = this.#parts
    await escrow.settle({ owners, versions, recorder: keys.recorder(ITSELF) })
    await subjectEscrow.settle({ unwrap: unwrapOfPeople, recorder: keys.recorder(ITSELF) })
    this.#warnOfUse()
    this.#begin()
    this.#countGrace()
    const pending = this.#outgoing().filter(({ phase, waitedMs, compromised }) => phase === 'move' || this.#isOver(waitedMs, compromised))
    // The first round after a start looks at everything: what lies under the class of the tenant from earlier times comes under its owner.
    if (pending.length > 0 || !this.#everMoved) {
      this.#doing = 'moving'
      if (!(await this.#move())) return
      this.#everMoved = true
    }
    // A crash may have come between the last step of a version and the proof of the move, or its end.
    if (pending.length > 0 || this.#parts.move?.progress()?.proved === false) {
      this.#doing = 'proving'
      const { folder, objects, wrapped, pinned = () => [] } = this.#parts
      const pause = (done: number): Promise<boolean> => this.#pause(done)
      const named = await findReferences({ folder, objects, wrapped: wrapped(), pinned: pinned(), pause })
      if (named === null) return
      await this.#advanceAll(pending, named)
    }
    await this.#parts.move?.endIfOver(this.#parts.audit)
    this.#completedAt = clock.now()
  }

  /** What is on its way out: versions that are marked and primary still, for a rotation that failed, are not. */
  #outgoing(): readonly Retirement[] {
    const retired = new Set(this.#retiredVersions().map(idOf))
    return this.#parts.retirements.all().filter((retirement) => retirement.phase !== 'destroyed' && retired.has(idOf(retirement)))
  }

  /** A row for each version that is primary no more: made here and not with the rotation, so that a crash between the two loses nothing. */
  #begin(): void {
    const { retirements, clock } = this.#parts
    const known = new Set(retirements.all().map(idOf))
    for (const version of this.#retiredVersions()) {
      if (!known.has(idOf(version))) retirements.begin(version, clock.now())
      if (!this.#found.has(idOf(version)) && !this.#unsettled.has(idOf(version))) this.#unsettled.set(idOf(version), clock.monotonic())
    }
  }

  #retiredVersions(): readonly KeyDescription[] {
    const { provider, owners } = this.#parts
    return [...provider.describe(), ...owners.describe()].filter(({ keyClass, state }) => keyClass !== 'signing' && state === 'retired')
  }

  /** Time that passes counts on the clock that nobody sets. */
  #countGrace(): void {
    const { clock, retirements } = this.#parts
    const now = clock.monotonic()
    const passed = Math.floor(now - this.#lastRound)
    if (passed < 1) return
    for (const retirement of this.#outgoing()) if (retirement.phase === 'grace') retirements.wait(retirement, passed)
    this.#lastRound += passed
  }

  async #move(): Promise<boolean> {
    const { objects, wrapped, mover, folder, keys, raw } = this.#parts
    // A version is exposed with all before it, and so is what they wrapped.
    const compromised = this.#outgoing().filter((retirement) => retirement.compromised)
    const exposed = (key: KeyReference): boolean => compromised.some(({ keyId, version }) => keyId === key.keyId && key.version <= version)
    for (const place of wrapped()) if (!(await this.#moveKeys(place))) return false
    forgetOverwritten(raw)
    const options = { folder, mover, keys, progress: this.#counts.objects, exposed, pause: (done: number) => this.#pause(done) }
    for (const place of objects) {
      await moveObjects(place, options)
      if (this.#closed) return false
    }
    return true
  }

  async #moveKeys(place: WrappedKeys): Promise<boolean> {
    const { mover } = this.#parts
    const counts = this.#counts.keys
    for (const page of place.pages()) {
      counts.seen += page.length
      const primary = mover.primaryOf(place.keyClass)
      const stale = page.filter(({ wrapped: { keyId, version } }) => keyId !== primary?.keyId || version !== primary.version)
      if (stale.length > 0) {
        const moved = await mover.move(stale.map(({ wrapped }) => ({ wrapped, to: place.keyClass })))
        const changes = stale.flatMap((before, i) => {
          const after = moved[i]!
          return 'code' in after ? [] : [{ before, after }]
        })
        counts.failed += stale.length - changes.length
        place.replace(changes)
        counts.moved += changes.length
      }
      if (!(await this.#pause(stale.length))) return false
    }
    return true
  }

  /** What is wrong with one version, such as a key service that may not end it, keeps no other from ending. */
  async #advanceAll(pending: readonly Retirement[], named: References): Promise<void> {
    let failed: unknown = null
    // Also before them: what a crash kept from being proved is proved before any of its versions ends.
    await this.#toldOf(named)
    for (const retirement of pending) await this.#advance(retirement, named).catch((thrown: unknown) => (failed ??= thrown))
    await this.#toldOf(named)
    if (failed !== null) throw failed
  }

  /** What the walk found of the provider that keys move away from. */
  async #toldOf(named: References): Promise<void> {
    const { move, audit } = this.#parts
    if (move === null) return
    const settled = this.#outgoing().every((key) => !move.isLeft(key) || key.phase !== 'move')
    const left = named.of((key) => move.isLeft(key))
    await move.walked(audit, left, settled)
  }

  /** One step of a version on its way out, which is recorded before it is taken. */
  async #advance(retirement: Retirement, named: References): Promise<void> {
    const { retirements, clock, keys } = this.#parts
    const { phase, compromised, waitedMs } = retirement
    if (named.names(retirement)) {
      // Something came back, such as an object from a backup: it is moved first.
      if (phase === 'grace') retirements.enter(retirement, 'move', clock.now())
      return
    }
    const since = this.#unsettled.get(idOf(retirement))
    if (since !== undefined && clock.monotonic() - since < SETTLE_MS) return
    if (phase === 'move') {
      await keys.recorder(ITSELF).record({ type: 'key.retire', action: 'rotateKey', details: this.#facts(retirement) })
      retirements.enter(retirement, 'grace', clock.now())
    }
    if (compromised || (phase === 'grace' && this.#isOver(waitedMs, compromised))) await this.#destroy(retirement)
  }

  #isOver(waitedMs: number, compromised: boolean): boolean {
    return compromised || waitedMs >= graceMs(this.#parts.config)
  }

  async #destroy(retirement: Retirement): Promise<void> {
    const { provider, owners, cache, keys, retirements, clock, mover } = this.#parts
    const chain = mover.chainOf(retirement.keyId)
    if (chain === null || (typeof chain === 'string' && !provider.mayEnd(chain, retirement.version))) return
    const recorder = keys.recorder(ITSELF)
    const fact = { type: 'key.destroy', action: 'destroyKey', details: this.#facts(retirement) } as const
    const tab = recorder.tab()
    if (typeof chain === 'string') tab.expect('destroy', chain)
    await recorder.record(fact, tab)
    await recorder.tried(async () => {
      cache.forgetVersion(retirement)
      if (typeof chain !== 'string') return owners.destroyVersion(retirement)
      try {
        await provider.destroyVersion(chain, retirement.version)
      } finally {
        // A key service takes its time: what was unwrapped meanwhile is in the cache again.
        cache.forgetVersion(retirement)
      }
    }, fact)
    retirements.enter(retirement, 'destroyed', clock.now())
  }

  #facts(retirement: Retirement): JsonObject {
    const chain = this.#parts.mover.chainOf(retirement.keyId)
    const { seen } = this.#counts.objects
    const of = chain === null ? {} : typeof chain === 'string' ? { keyClass: chain } : factsOf(chain)
    return { ...of, ...referenceOf(retirement), compromised: retirement.compromised, objectsSeen: seen, keysSeen: this.#counts.keys.seen }
  }

  /** Rotation is due at a quarter of this: someone has to look why it does not come. */
  #warnOfUse(): void {
    const { provider, owners, limits, alerts } = this.#parts
    for (const { keyId, keyClass, version, uses, owner } of [...provider.describe(), ...owners.describe()]) {
      if (keyClass === 'signing' || uses < limits.warnAt) continue
      alerts.raise({
        kind: 'key.overused',
        severity: 'critical',
        summary: 'a key version was used 2^31 times and was not rotated: it stops wrapping at 2^32',
        subject: { type: 'Key', id: keyClass },
        key: `${keyId}/${version}`,
        details: { keyClass, keyId, version, uses, ...(owner === undefined ? {} : { owner }) },
      })
    }
  }

  async #pause(done: number): Promise<boolean> {
    await this.#pace.did(done)
    return !this.#closed
  }
}
