import { readFileSync } from 'node:fs'
import { RedoubtError } from '#foundation/core'
import { packWeights, unpackWeights } from '../text/weights-file.ts'

/**
 * What lists say of a word, whatever its case. The low byte: what it is part of as a name, one bit for each of `LISTED`, as a word may be several
 * (`Jordan`). The high byte: what it is as an ordinary word, 0 if it is none that is often met.
 */
export const LISTED = {
  given: 1,
  family: 2,
  place: 4,
  /** One word of a place of several: `San`, `York`. */
  placePart: 8,
  /** A people, language or belief: `French`, `Catholic`. */
  people: 16,
  /** One word of an organisation. */
  group: 32,
  /** One word of another name: of a work, a battle, a species. */
  other: 64,
  /** A month, a feast. */
  time: 128,
} as const
const NAME_BITS = 0xff
const ORDINARY_SHIFT = 8

export const asPerson = (listed: number): number => listed & 3
export const asPlace = (listed: number): number => (listed >> 2) & 3
export const asPersonOrPlace = (listed: number): number => listed & 15
export const asOtherName = (listed: number): number => (listed & NAME_BITS) >> 4
export const asName = (listed: number): number => listed & NAME_BITS
export const asOrdinary = (listed: number): number => listed >> ORDINARY_SHIFT
export const listedAs = (name: number, ordinary: number): number => name | (ordinary << ORDINARY_SHIFT)

/** Goes up when what the bits say changes. */
const LISTS_VERSION = 1
const KIND = 'name words'
const BYTES_OF_WORD = 6
const MOST_WORDS = 1 << 17

/** Words by the hash of their lower-case form, as `wordHash` counts it. @param sources where the lists are from, and what their licences want said. */
export function packWordLists(words: ReadonlyMap<number, number>, sources: readonly string[]): Buffer {
  const sorted = [...words].sort(([a], [b]) => a - b)
  const bytes = Buffer.alloc(sorted.length * BYTES_OF_WORD)
  sorted.forEach(([hash, listed], i) => {
    bytes.writeInt32LE(hash, i * 4)
    bytes.writeUInt16LE(listed, sorted.length * 4 + i * 2)
  })
  const head = { kind: KIND, features: LISTS_VERSION, sources }
  return packWeights(head, bytes)
}

/** What is known of a word by its hash; 0 for a word on no list. */
export type WordLists = (hash: number) => number

/** @throws {RedoubtError} `ERR_USAGE` if the file holds no lists of this version, or was altered. */
export function unpackWordLists(file: Uint8Array): WordLists {
  const { weights } = unpackWeights(file, KIND, LISTS_VERSION, MOST_WORDS * BYTES_OF_WORD)
  const bytes = new DataView(weights.buffer, weights.byteOffset, weights.byteLength)
  const count = bytes.byteLength / BYTES_OF_WORD
  if (!Number.isInteger(count)) throw new RedoubtError('ERR_USAGE', 'the lists of words cannot be read: the last word is cut off')
  // Open addressing, half full at most: three of four words of a text are looked up in vain.
  const slots = 2 ** Math.ceil(Math.log2(2 * count + 1))
  const hashes = new Int32Array(slots)
  const listed = new Uint16Array(slots)
  const slotOf = (hash: number): number => {
    let slot = Math.imul(hash, 0x9e3779b1) & (slots - 1)
    while (listed[slot] !== 0 && hashes[slot] !== hash) slot = (slot + 1) & (slots - 1)
    return slot
  }
  for (let i = 0; i < count; i++) {
    const hash = bytes.getInt32(i * 4, true)
    const slot = slotOf(hash)
    hashes[slot] = hash
    listed[slot] = bytes.getUint16(count * 4 + i * 2, true)
  }
  return (hash) => listed[slotOf(hash)]!
}

let shipped: WordLists | null = null

/** The lists that come with this version, read once. */
export function shippedWordLists(): WordLists {
  shipped ??= unpackWordLists(readFileSync(new URL('names.words', import.meta.url)))
  return shipped
}
