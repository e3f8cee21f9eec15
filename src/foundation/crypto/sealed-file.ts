import { createSecretKey, randomBytes } from 'node:crypto'
import { newId, RedoubtError } from '#foundation/core'
import type { Argon2Parameters } from './argon2id.ts'
import type { ByteSource } from './cut-segments.ts'
import { type FileKeys, unwrapForPeople, wrapForRecipient, wrapUnderPassphrase } from './key-slots.ts'
import {
  aadDigest,
  commitmentOf,
  decodeHeaders,
  encodeSlot,
  HEADERS_BYTES,
  MAX_KEYS,
  OBJECT_FORMAT,
  OBJECT_SUITE,
  type ObjectHeader,
  requireCommitment,
  streamAad,
  WIDE_SLOT_BYTES,
} from './object-header.ts'
import type { Recipient } from './recipient.ts'
import { KEY_BYTES, SEGMENT_1_MIB } from './segment-layout.ts'
import { openStream, sealStream, type StreamOptions } from './stream.ts'
import type { KeyBinding } from './wrapped-key.ts'

const WIDE_HEADERS_BYTES = 2 * WIDE_SLOT_BYTES

/** Who can open a file: up to eight in all. */
export interface FileLock {
  readonly recipients: readonly Recipient[]
  readonly passphrase: Uint8Array | null
  readonly kdf?: Argon2Parameters
}

/**
 * A file for people as RDBT1, front to back: the headers, then the body with 1 MiB segments. Bounded memory.
 * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` for nobody, more than eight or one recipient twice; `ERR_CRYPTO_RECIPIENT`.
 *   What the source throws passes through.
 */
export async function* sealFile(source: ByteSource, lock: FileLock, options: StreamOptions = {}): AsyncGenerator<Uint8Array> {
  const { recipients, passphrase, kdf } = lock
  const keys = recipients.length + (passphrase === null ? 0 : 1)
  if (keys < 1 || keys > MAX_KEYS)
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', `a file is sealed to 1 to ${MAX_KEYS} recipients, its passphrase included`)
  if (new Set(recipients.map(({ fingerprint }) => fingerprint)).size !== recipients.length)
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'a recipient is named twice')
  const binding: KeyBinding = { tenant: 'default', resource: newId('file'), purpose: 'file' }
  const material = randomBytes(KEY_BYTES)
  const key = createSecretKey(material)
  material.fill(0)
  const facts = { format: OBJECT_FORMAT, suite: OBJECT_SUITE, segmentSize: SEGMENT_1_MIB, binding } as const
  const sealed = { ...facts, aadDigest: aadDigest(facts) }
  const wrapped = recipients.map((recipient) => wrapForRecipient(key, recipient, binding))
  if (passphrase !== null) wrapped.push(await wrapUnderPassphrase(key, passphrase, binding, kdf))
  const headers = new Uint8Array(WIDE_HEADERS_BYTES)
  headers.set(encodeSlot({ ...sealed, commitment: commitmentOf(key, sealed), keys: wrapped }, 1, WIDE_SLOT_BYTES))
  yield headers
  yield* sealStream(key, streamAad(facts), source, SEGMENT_1_MIB, options)
}

export interface OpenedFile {
  readonly header: ObjectHeader
  /**
   * The plaintext, once. No byte of a segment before its tag was verified; that it is whole is known when the generator ends without an error.
   * @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION`.
   */
  read(options?: StreamOptions): AsyncGenerator<Uint8Array>
}

/**
 * Opens an RDBT1 file front to back, as it comes from a pipe, with wide slots or narrow ones. The key commitment is checked before the first segment.
 * @throws {RedoubtError} `ERR_CRYPTO_FORMAT`, `ERR_CRYPTO_NO_KEY`, `ERR_KEYS_PASSPHRASE`, `ERR_CRYPTO_AUTHENTICATION`.
 */
export async function openFile(source: AsyncIterable<Uint8Array>, keys: FileKeys): Promise<OpenedFile> {
  const chunks = source[Symbol.asyncIterator]()
  const { front, header, bodyAt, key } = await openFront(chunks, keys).catch(async (error: unknown) => {
    await chunks.return?.()
    throw error
  })
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      if (front.byteLength > bodyAt) yield front.subarray(bodyAt)
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value
    } finally {
      await chunks.return?.()
    }
  }
  return { header, read: (options) => openStream(key, streamAad(header), body(), header.segmentSize, options) }
}

async function openFront(chunks: AsyncIterator<Uint8Array>, keys: FileKeys) {
  const front = await readFront(chunks, WIDE_HEADERS_BYTES)
  const { header, bodyAt } = headerOf(front)
  const key = await unwrapForPeople(header.keys, keys)
  requireCommitment(key, header)
  return { front, header, bodyAt, key }
}

/** At least `bytes` from the source, or all there is. What is beyond in the last chunk comes along. */
async function readFront(chunks: AsyncIterator<Uint8Array>, bytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  while (length < bytes) {
    const next = await chunks.next()
    if (next.done) break
    // Copied: the source may use its memory again.
    parts.push(Uint8Array.from(next.value))
    length += next.value.byteLength
  }
  return Buffer.concat(parts)
}

function headerOf(front: Uint8Array): { readonly header: ObjectHeader; readonly bodyAt: number } {
  try {
    return { header: decodeHeaders(front, WIDE_SLOT_BYTES).header, bodyAt: WIDE_HEADERS_BYTES }
  } catch {
    return { header: decodeHeaders(front).header, bodyAt: HEADERS_BYTES }
  }
}
