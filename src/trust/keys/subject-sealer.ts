import type { KeyObject } from 'node:crypto'
import { type Clock, RedoubtError, type SealedFields, type SubjectSealer } from '#foundation/core'
import { type KeyBinding, openBytes, pseudonymOf, sealBytes } from '#foundation/crypto'
import type { KeyProvider } from './key-provider.ts'
import type { SubjectEscrow } from './escrow/subject-escrow.ts'
import type { SubjectStore } from './subject-store.ts'
import { TwoGenerations } from './two-generations.ts'

/** First byte of a sealed field. */
const FORMAT = 1
/** Format, generation of the subject's key as u32 big-endian. */
const PREFIX_BYTES = 5
const CACHED_SUBJECTS = 16_384
/** Seals from one load of a key, each with a random IV; then the subject gets its next key. Keeps far below 2^32 without a counter on disk. */
const SEALS_PER_LOAD = 2 ** 20
/** A destruction at the very moment of a load makes it start over; more than this is a fault. */
const MAX_LOADS = 8

export interface SealerUsage {
  seals: number
  opens: number
  subjectKeysMade: number
  subjectKeysDestroyed: number
}

interface Entry {
  readonly pseudonym: string
  readonly generation: number
  readonly key: KeyObject
  readonly prefix: Uint8Array
  left: number
}

/**
 * Seals personal fields under a random key of each subject, wrapped by the subject class and kept in the key database.
 * A sealed field is: format ‖ generation ‖ IV ‖ AES-256-GCM ciphertext ‖ tag, the first two and the context being bound.
 * Destroying a subject leaves tombstones: old fields are unreadable for ever, new ones are sealed under the next generation.
 */
export class KeyedSubjectSealer implements SubjectSealer {
  readonly usage: SealerUsage = { seals: 0, opens: 0, subjectKeysMade: 0, subjectKeysDestroyed: 0 }
  readonly #provider: Pick<KeyProvider, 'unwrap' | 'generateDataKey'>
  readonly #store: SubjectStore
  readonly #pseudonymKey: KeyObject
  readonly #clock: Clock
  readonly #sealsPerLoad: number
  readonly #escrow: Pick<SubjectEscrow, 'copiesOf'> | null
  /** By subject as the caller names them, for sealing. */
  readonly #entries = new TwoGenerations<string, Entry>(CACHED_SUBJECTS)
  /** By pseudonym, then generation, for opening. */
  readonly #opened = new TwoGenerations<string, Map<number, KeyObject>>(CACHED_SUBJECTS)
  readonly #loading = new Map<string, Promise<Entry>>()
  /** Moves with each destruction: a key loaded across one is not to be trusted. */
  #epoch = 0

  constructor(
    provider: Pick<KeyProvider, 'unwrap' | 'generateDataKey'>,
    store: SubjectStore,
    pseudonymKey: KeyObject,
    clock: Clock,
    sealsPerLoad = SEALS_PER_LOAD,
    escrow: Pick<SubjectEscrow, 'copiesOf'> | null = null,
  ) {
    this.#provider = provider
    this.#store = store
    this.#pseudonymKey = pseudonymKey
    this.#clock = clock
    this.#sealsPerLoad = sealsPerLoad
    this.#escrow = escrow
  }

  /** @throws {RedoubtError} `ERR_INPUT_INVALID` for an empty, ill-formed or overlong subject. */
  pseudonym(subject: string): string {
    return this.#entries.get(subject)?.pseudonym ?? this.#derivePseudonym(subject)
  }

  seal(subject: string, plaintext: Uint8Array, context: string): Promise<SealedFields> {
    const entry = this.#entries.get(subject)
    if (entry === undefined || entry.left <= 0) return this.#sealAfterLoad(subject, plaintext, context, entry)
    try {
      return Promise.resolve(this.#sealWith(entry, plaintext, context))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async open(sealed: SealedFields, context: string): Promise<Uint8Array> {
    const { pseudonym } = sealed
    const plaintext = await openField(sealed, context, (generation) => {
      const key = this.#opened.get(pseudonym)?.get(generation)
      return key === undefined ? this.#load(pseudonym, generation) : key
    })
    this.usage.opens++
    return plaintext
  }

  /** Durable and effective in every cache when it returns. @returns fingerprints of the keys that the subject had. */
  destroy(subject: string | { readonly pseudonym: string }): readonly string[] {
    const pseudonym = typeof subject === 'string' ? this.#derivePseudonym(subject) : subject.pseudonym
    // First the caches: if the store fails half-way, nothing may go on with the key in memory as if nothing had happened.
    this.#epoch++
    if (typeof subject === 'string') this.#entries.delete(subject)
    // By whose name it lies there is not known.
    else this.#entries.clear()
    this.#opened.delete(pseudonym)
    const destroyed = this.#store.destroy(pseudonym, this.#clock.now())
    if (destroyed.length > 0) this.usage.subjectKeysDestroyed++
    return destroyed
  }

  close(): void {
    this.#store.commit()
    this.#epoch++
    this.#entries.clear()
    this.#opened.clear()
  }

  async #sealAfterLoad(subject: string, plaintext: Uint8Array, context: string, used: Entry | undefined): Promise<SealedFields> {
    const pseudonym = this.#derivePseudonym(subject)
    let loading = this.#loading.get(subject)
    if (loading === undefined) {
      loading = this.#entryOf(subject, pseudonym, used?.generation ?? 0).finally(() => this.#loading.delete(subject))
      this.#loading.set(subject, loading)
    }
    return this.#sealWith(await loading, plaintext, context)
  }

  #sealWith(entry: Entry, plaintext: Uint8Array, context: string): SealedFields {
    const sealed = sealBytes(entry.key, aadOf(entry.prefix, context), plaintext, entry.prefix)
    entry.left--
    this.usage.seals++
    return { pseudonym: entry.pseudonym, ciphertext: sealed }
  }

  /** The newest key of a subject, or a new one when there is none, it is destroyed, or it is of generation `used`. */
  async #entryOf(subject: string, pseudonym: string, used: number): Promise<Entry> {
    for (let attempt = 0; attempt < MAX_LOADS; attempt++) {
      const epoch = this.#epoch
      const latest = this.#store.latest(pseudonym)
      const current = latest !== null && latest.wrapped !== null && latest.generation !== used
      const generation = current ? latest.generation : (latest?.generation ?? 0) + 1
      const key = current
        ? await this.#provider.unwrap({ ...latest.wrapped, binding: bindingOfSubjectKey(pseudonym, generation) })
        : await this.#make(pseudonym, generation)
      if (epoch !== this.#epoch) continue
      const prefix = new Uint8Array(PREFIX_BYTES)
      prefix[0] = FORMAT
      new DataView(prefix.buffer).setUint32(1, generation)
      const entry = { pseudonym, generation, key, prefix, left: this.#sealsPerLoad }
      this.#entries.set(subject, entry)
      return entry
    }
    throw new RedoubtError('ERR_KEYS_DESTROYED', 'the key of the subject is being destroyed over and over')
  }

  async #make(pseudonym: string, generation: number): Promise<KeyObject> {
    const { key, wrapped } = await this.#provider.generateDataKey('subject', bindingOfSubjectKey(pseudonym, generation))
    const { keyId, version, wrapped: bytes } = wrapped
    const escrow = this.#escrow?.copiesOf(key, pseudonym, generation) ?? []
    await this.#store.add({ pseudonym, generation, wrapped: { keyId, version, wrapped: bytes }, createdAt: this.#clock.now(), escrow })
    this.usage.subjectKeysMade++
    return key
  }

  async #load(pseudonym: string, generation: number): Promise<KeyObject> {
    for (let attempt = 0; attempt < MAX_LOADS; attempt++) {
      const epoch = this.#epoch
      const row = this.#store.one(pseudonym, generation)
      if (row === null) throw new RedoubtError('ERR_KEYS_UNKNOWN', 'the key database has no key of this subject')
      if (row.wrapped === null) throw new RedoubtError('ERR_KEYS_DESTROYED')
      const key = await this.#provider.unwrap({ ...row.wrapped, binding: bindingOfSubjectKey(pseudonym, generation) })
      if (epoch !== this.#epoch) continue
      const generations = this.#opened.get(pseudonym) ?? new Map<number, KeyObject>()
      this.#opened.set(pseudonym, generations.set(generation, key))
      return key
    }
    throw new RedoubtError('ERR_KEYS_DESTROYED', 'the key of the subject is being destroyed over and over')
  }

  #derivePseudonym(subject: string): string {
    return pseudonymOf(this.#pseudonymKey, subject)
  }
}

export function bindingOfSubjectKey(pseudonym: string, generation: number): KeyBinding {
  return { tenant: 'default', resource: `subject/${pseudonym}/${generation}`, purpose: 'personal-fields' }
}

/** @param keyOf the person's key of a generation. @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION`; what `keyOf` throws. */
export async function openField(
  { ciphertext }: Pick<SealedFields, 'ciphertext'>,
  context: string,
  keyOf: (generation: number) => KeyObject | Promise<KeyObject>,
): Promise<Uint8Array> {
  if (ciphertext.byteLength < PREFIX_BYTES || ciphertext[0] !== FORMAT)
    throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the sealed field is not in its format')
  const key = await keyOf(new DataView(ciphertext.buffer, ciphertext.byteOffset, PREFIX_BYTES).getUint32(1))
  return openBytes(key, aadOf(ciphertext.subarray(0, PREFIX_BYTES), context), ciphertext.subarray(PREFIX_BYTES))
}

function aadOf(prefix: Uint8Array, context: string): Uint8Array {
  return Buffer.concat([prefix, Buffer.from(context)])
}
