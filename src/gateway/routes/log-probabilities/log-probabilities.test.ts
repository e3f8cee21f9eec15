import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CardRedactor, maskCards } from '../chat-completions/card-redactor.fixture.ts'
import { TextChannel } from '../chat-completions/text-channel.ts'
import { readTokens, type SpelledToken, writeTokens } from './tokens.ts'
import { StreamedTokens } from './streamed-text.ts'
import { unchangedTokens } from './whole-text.ts'

const words = fc
  .array(fc.constantFrom('4111 1111 1111 1111', '5555555555554444', '12 ', 'pay ', 'x', ' ', 'é', '😀'), { maxLength: 12 })
  .map((parts) => parts.join(''))
const cuts = fc.infiniteStream(fc.integer({ min: 1, max: 6 }))

/** Cuts a text into tokens by bytes, so that some are half of a character. */
function tokensOf(text: string, sizes: Iterator<number>): SpelledToken[] {
  const bytes = Buffer.from(text)
  const tokens: SpelledToken[] = []
  for (let at = 0; at < bytes.length;) {
    const to = at + (sizes.next().value as number)
    tokens.push({ bytes: bytes.subarray(at, to), logprob: -1, told: 'bytes', alternatives: [] })
    at = to
  }
  return tokens
}
const joined = (tokens: readonly SpelledToken[]): string => Buffer.concat(tokens.map(({ bytes }) => bytes)).toString()

/** Whether the tokens stand in the text, one after the other. */
function isWithin(tokens: readonly SpelledToken[], text: string): boolean {
  const bytes = Buffer.from(text)
  let at = 0
  for (const token of tokens) {
    at = bytes.indexOf(token.bytes, at)
    if (at === -1) return false
    at += token.bytes.length
  }
  return true
}
const values = (text: string): readonly string[] => text.match(/4111 1111 1111 1111|5555555555554444/g) ?? []

describe('log probabilities', () => {
  it('of a whole text: kept tokens spell a beginning and an end of what goes out, and all of a text that was not changed (C6)', () => {
    fc.assert(
      fc.property(words, cuts, (text, sizes) => {
        const out = maskCards(text)
        const kept = unchangedTokens(tokensOf(text, sizes[Symbol.iterator]()), { raw: text, out, json: false }, null)
        if (out === text) expect(joined(kept)).toBe(text)
        expect(isWithin(kept, out)).toBe(true)
        expect(values(joined(kept))).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  it('of a streamed text: tokens leave with the text that they spell, for every way of cutting both (C6)', () => {
    fc.assert(
      fc.property(words, cuts, fc.integer({ min: 1, max: 7 }), (text, sizes, step) => {
        const tokens = tokensOf(text, sizes[Symbol.iterator]())
        const channel = new TextChannel(() => new CardRedactor(), false)
        const spelled = new StreamedTokens(false)
        const gone: SpelledToken[] = []
        let [out, came, told] = ['', 0, 0]
        const pieces = Array.from(text)
        for (let at = 0; at < pieces.length; at += step) {
          const piece = pieces.slice(at, at + step).join('')
          came += Buffer.byteLength(piece)
          const own: SpelledToken[] = []
          for (let next = tokens[0]; next !== undefined && told + next.bytes.length <= came; next = tokens[0]) {
            told += next.bytes.length
            own.push(tokens.shift()!)
          }
          spelled.push(own, piece)
          const safe = channel.push(piece)
          out += safe
          gone.push(...spelled.take(safe))
          // What a client has of the tokens never runs ahead of the text.
          expect(Buffer.byteLength(joined(gone))).toBeLessThanOrEqual(Buffer.byteLength(out) + 2 * gone.length)
        }
        const rest = channel.flush()
        gone.push(...spelled.take(rest))
        expect(out + rest).toBe(maskCards(text))
        expect(isWithin(gone, out + rest)).toBe(true)
        expect(values(joined(gone))).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  it('are read within bounds, whatever they are, and written anew', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        for (const list of [value, [value], [{ token: 'a', logprob: -1, bytes: value, top_logprobs: value }]]) {
          const written = writeTokens(readTokens(list as never))
          expect(writeTokens(readTokens(written))).toEqual(written)
        }
      }),
      { numRuns: 300 },
    )
    expect(readTokens([{ token: 'x'.repeat(513), logprob: -1 }])).toEqual([])
    expect(readTokens(Array.from({ length: 70_000 }, () => ({ token: '', logprob: 0 })))).toHaveLength(65_536)
  })
})
