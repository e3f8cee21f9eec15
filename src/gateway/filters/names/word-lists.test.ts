import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { nameWords, sources } from '../../../../scripts/names-corpus/name-words.ts'
import { packWeights, unpackWeights } from '../text/weights-file.ts'
import { wordHash } from './tokens.ts'
import { asName, asOrdinary, LISTED, packWordLists, shippedWordLists, unpackWordLists } from './word-lists.ts'

const code = (work: () => unknown): string => {
  try {
    work()
  } catch (thrown) {
    if (thrown instanceof RedoubtError) return `${thrown.code}: ${thrown.message}`
    throw thrown
  }
  return 'nothing was thrown'
}

const KIND = 'name words'
const VERSION = 1
const MANY = 1 << 20

describe('lists of words', () => {
  const listed = shippedWordLists()

  it.each([
    ['austen', LISTED.family],
    ['Nijmegen', LISTED.place],
    ['York', LISTED.placePart],
    ['French', LISTED.people],
    ['January', LISTED.time],
  ])('know `%s`', (word, bit) => expect(asName(listed(wordHash(word))) & bit).toBe(bit))

  it('tell a novelist from a town, a film and a word that is no noun', () => {
    const kinds = ['novelist', 'town', 'film', 'slowly'].map((word) => asOrdinary(listed(wordHash(word))))
    expect(kinds).not.toContain(0)
    expect(new Set(kinds).size).toBe(kinds.length)
    expect(asOrdinary(listed(wordHash('singers')))).toBe(asOrdinary(listed(wordHash('novelist'))))
  })

  it('say nothing of a word on none of them', () => expect(listed(wordHash('qwrtzplx'))).toBe(0))

  it('give back each of many words, and no other', () => {
    // Steps of 2^16 meet in the low bits, where a table would look for them.
    const words = new Map(Array.from({ length: 9000 }, (_, i) => [(i << 16) | (i & 7), (i % 0xffff) + 1]))
    const found = unpackWordLists(packWordLists(words, []))
    for (const [hash, value] of words) expect(found(hash)).toBe(value)
    expect(found(0x0001_0009)).toBe(0)
  })

  it('that are shipped are what the script makes', { timeout: 120_000 }, () => {
    const shipped = unpackWeights(readFileSync(new URL('names.words', import.meta.url)), KIND, VERSION, MANY)
    const made = unpackWeights(packWordLists(nameWords(), sources()), KIND, VERSION, MANY)
    expect(shipped.head).toEqual(made.head)
    expect(Buffer.from(shipped.weights).equals(made.weights)).toBe(true)
  })

  it('bring the licence that their source asks for', () => {
    const { head } = unpackWeights(readFileSync(new URL('names.words', import.meta.url)), KIND, VERSION, MANY)
    expect(JSON.stringify(head['sources'])).toContain('Princeton University')
  })

  it('are refused when they were altered, cut off, of another kind or version, or larger than they may be', () => {
    const packed = packWordLists(new Map([[1, 2]]), [])
    const altered = Buffer.from(packed)
    altered[packed.length - 1]! ^= 1
    expect(code(() => unpackWordLists(altered))).toContain('ERR_USAGE')
    expect(code(() => unpackWordLists(packWeights({ kind: 'names', features: VERSION }, new Uint8Array(6))))).toContain('one of `names`')
    expect(code(() => unpackWordLists(packWeights({ kind: KIND, features: VERSION + 1 }, new Uint8Array(6))))).toContain('other features')
    expect(code(() => unpackWordLists(packWeights({ kind: KIND, features: VERSION }, new Uint8Array(7))))).toContain('cut off')
    expect(code(() => unpackWordLists(packWeights({ kind: KIND, features: VERSION }, new Uint8Array(MANY))))).toContain('out of bounds')
  })
})
