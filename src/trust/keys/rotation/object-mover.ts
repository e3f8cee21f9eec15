import { asRedoubtError, RedoubtError } from '#foundation/core'
import { type ObjectHeader, openObject, readHeaderSlots, rewrapBothSlots, sealObject, type WrappedKey } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { RecordedKeys } from '../audited-keys.ts'
import { ITSELF } from '../key-events.ts'
import type { KeyReference } from '../key-provider.ts'
import type { Chain, KeyMover } from './key-mover.ts'
import type { SealedObjects } from './wrapped-places.ts'

export interface ObjectProgress {
  seen: number
  /** Headers that were rewritten, in both slots. */
  moved: number
  /** Objects that were sealed anew, after a compromise. */
  resealed: number
  /** Objects that could not be moved: damaged, or under a key that is unknown. They keep the old version from being retired when they name it. */
  failed: number
}

export interface ObjectMoverOptions {
  readonly folder: DurableFolder
  readonly mover: KeyMover
  readonly keys: RecordedKeys
  readonly progress: ObjectProgress
  /** Whether data keys under this version are to be replaced, not moved. */
  readonly exposed: (key: KeyReference) => boolean
  /** Called between objects with how many were rewritten: waits as long as it must, and says whether to go on. */
  readonly pause: (rewritten: number) => Promise<boolean>
}

interface Stale {
  readonly path: string
  readonly to: Chain
  readonly header: ObjectHeader
}

/** Objects whose keys share an event. */
const BATCH = 64
/** Headers read in one turn of the event loop. */
const LOOK = 32

/** Brings the objects of a room under the primary versions of their chains. What is there already is only read: 8 KiB each. */
export async function moveObjects(objects: SealedObjects, options: ObjectMoverOptions): Promise<void> {
  const { folder, mover, progress, exposed, pause } = options
  let batch: Stale[] = []
  let looked = 0
  for (const { path, owner } of objects.list()) {
    if (++looked % LOOK === 0 && !(await pause(0))) return
    progress.seen++
    const slots = slotsOf(folder, path, progress)
    if (slots === null) continue
    const { headers, torn } = slots
    const [header] = headers
    const first = header?.keys.find(({ keyId }) => mover.chainOf(keyId) !== null)
    if (header === undefined || first === undefined) continue
    const to = belongsTo(objects.keyClass, owner, mover.chainOf(first.keyId))
    if (header.keys.some((key) => mover.chainOf(key.keyId) !== null && exposed(key))) {
      if (typeof to === 'string') progress.failed++
      else await reseal(options, path, to)
      if (!(await pause(1))) return
      continue
    }
    const primary = mover.primaryOf(to)
    const fresh = (key: WrappedKey): boolean =>
      mover.chainOf(key.keyId) === null || (key.keyId === primary?.keyId && key.version === primary.version)
    if (!torn && headers.every(({ keys }) => keys.every(fresh))) continue
    batch.push({ path, to, header })
    if (batch.length < BATCH) continue
    await rewrap(options, batch)
    if (!(await pause(batch.length))) return
    batch = []
  }
  if (batch.length > 0) {
    await rewrap(options, batch)
    await pause(batch.length)
  }
}

/** Every key-encryption version that a header names, in both slots. @returns false when it was told to stop before the end. */
export async function findObjectReferences(
  objects: SealedObjects,
  { folder, progress, pause }: Pick<ObjectMoverOptions, 'folder' | 'progress' | 'pause'>,
  found: (key: KeyReference) => void,
): Promise<boolean> {
  let looked = 0
  for (const { path } of objects.list()) {
    if (++looked % LOOK === 0 && !(await pause(0))) return false
    const slots = slotsOf(folder, path, progress)
    for (const { keys } of slots?.headers ?? []) for (const key of keys) found(key)
    // What is torn may hold any old wrapped key: it is written over first.
    if (slots?.torn === true) return false
  }
  return true
}

/** @returns null for an object that was removed meanwhile, and for one that no one can open: neither slot is whole. */
function slotsOf(folder: DurableFolder, path: string, progress: ObjectProgress): ReturnType<typeof readHeaderSlots> | null {
  try {
    return readHeaderSlots(folder, path)
  } catch (thrown) {
    const { code } = asRedoubtError(thrown)
    if (code === 'ERR_CRYPTO_FORMAT') progress.failed++
    else if (code !== 'ERR_NOT_FOUND') throw thrown
    return null
  }
}

/** Objects of the house stay under their class; so does what has no owner yet, such as an import that a crash cut off. */
function belongsTo(keyClass: SealedObjects['keyClass'], owner: string | null, now: Chain | null): Chain {
  if (keyClass === 'configuration') return keyClass
  return owner === null ? (now ?? keyClass) : { keyClass, name: owner }
}

async function rewrap({ folder, mover, progress }: ObjectMoverOptions, batch: readonly Stale[]): Promise<void> {
  const places = batch.flatMap(({ header, to }, object) =>
    header.keys.flatMap((wrapped) => (mover.chainOf(wrapped.keyId) === null ? [] : [{ object, wrapped, to }])),
  )
  const moved = await mover.move(places)
  const rewraps = batch.flatMap(({ path, header }, object) => {
    const keys = new Map<string, WrappedKey>()
    for (const [i, place] of places.entries()) {
      if (place.object !== object) continue
      const after = moved[i]!
      if (after instanceof RedoubtError) {
        progress.failed++
        return []
      }
      keys.set(place.wrapped.wrapped, after)
    }
    // Sealed anew meanwhile: its keys are others, and are looked at in the next round.
    const change = (current: ObjectHeader): ObjectHeader =>
      current.commitment === header.commitment ? { ...current, keys: current.keys.map((key) => keys.get(key.wrapped) ?? key) } : current
    return [{ path, change }]
  })
  for (const error of await rewrapBothSlots(folder, rewraps)) {
    if (error === null) progress.moved++
    else if (error.code !== 'ERR_NOT_FOUND') progress.failed++
  }
}

/** The same content under a fresh data key, in place of the object when it is whole; who reads it goes on with either. */
async function reseal({ folder, keys, progress }: ObjectMoverOptions, path: string, to: Exclude<Chain, string>): Promise<void> {
  try {
    const object = await openObject(folder, path, (wrapped) => keys.unwrap(wrapped, ITSELF))
    const { binding, segmentSize, plaintextDigest } = object.header
    const key = await keys.generateDataKey(to, binding.resource, ITSELF)
    const keepDigest = plaintextDigest !== undefined
    // The owner's keys may have been renewed meanwhile: under a version that is gone the object would be lost.
    const beforeNaming = (): void => keys.requireAlive(key.wrapped)
    await sealObject(folder, path, key, object.read(), { segmentSize, keepDigest, replacing: true, beforeNaming })
    progress.resealed++
  } catch (thrown) {
    const { code } = asRedoubtError(thrown)
    if (OF_ONE_OBJECT.has(code)) progress.failed++
    else if (code !== 'ERR_NOT_FOUND') throw thrown
  }
}

const OF_ONE_OBJECT: ReadonlySet<string> = new Set([
  'ERR_CRYPTO_AUTHENTICATION',
  'ERR_CRYPTO_FORMAT',
  'ERR_CRYPTO_PARAMETER',
  'ERR_KEYS_DESTROYED',
  'ERR_KEYS_UNKNOWN',
])
