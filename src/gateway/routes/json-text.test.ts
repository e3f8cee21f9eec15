import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { filterJsonText, isJsonDocument, JsonTextDecoder, JsonTextEncoder } from './json-text.ts'
import { CardRedactor, maskCards } from './chat-completions/card-redactor.fixture.ts'

function through(pieces: readonly string[]): string {
  const decoder = new JsonTextDecoder()
  const redactor = new CardRedactor()
  const encoder = new JsonTextEncoder()
  let out = ''
  for (const piece of pieces) out += encoder.push(redactor.push(decoder.push(piece)))
  return out + encoder.push(redactor.push(decoder.flush()) + redactor.flush()) + encoder.flush()
}

describe('JSON texts', () => {
  it('lets a detector see what the document means, not how it is written', () => {
    const written = String.raw`{"note":"paid with\n4111\u00201111 1111\u002d1111 \"ok\" \\ \/","n":1}`
    const filtered = filterJsonText(written, maskCards)
    expect(JSON.parse(filtered)).toEqual({ note: 'paid with\n[CARD] "ok" \\ /', n: 1 })
  })

  it('turns a masked number into a string, so that the document stays JSON', () => {
    expect(JSON.parse(filterJsonText('{"card": 4111111111111111 , "n": [4111111111111111,-1.5e3,true]}', maskCards))).toEqual({
      card: '[CARD]',
      n: ['[CARD]', -1500, true],
    })
  })

  it('gives back the very text when nothing was changed', () => {
    const written = String.raw` {"a" : "\u0041\/", "b": 1e5 } `
    expect(filterJsonText(written, (text) => text)).toBe(written)
  })

  it('keeps the meaning of every document, for every way of cutting it', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'binary', maxDepth: 3 }), fc.nat(5), (json, step) => {
        const pieces = json.match(new RegExp(`[\\s\\S]{1,${step + 1}}`, 'g')) ?? []
        const once = through([json])
        expect(through(pieces)).toBe(once)
        if (!/\d{7}|[\uFDD0-\uFDEF]/.test(json) && json.isWellFormed()) expect(JSON.parse(once)).toEqual(JSON.parse(json))
      }),
      { numRuns: 500 },
    )
  })

  it('is the same for every cut of a text that is no JSON, and leaves plain prose alone', () => {
    const prose = 'He said "well\n\\x then", card: 4111 1111 1111 1111, and left. {"a'
    const whole = through([prose])
    expect(whole).toBe('He said "well\n\\x then", card: [CARD], and left. {"a')
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('"', '\\', 'u', '0', '4', '1', ' ', ',', ':', '[', '\n', '\uFDD0', '\uFDD3', 'a') }),
        (text) => {
          expect(through(text.split(''))).toBe(through([text]))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('cannot be confused by the characters it uses itself', () => {
    const filtered = filterJsonText('{"a":"\uFDD0\uFDD3 4111111111111111"}', maskCards)
    expect(JSON.parse(filtered)).toEqual({ a: '\uFFFD\uFFFD [CARD]' })
  })

  it('tells documents from prose', () => {
    expect(isJsonDocument(' {"a":1}')).toBe(true)
    expect(isJsonDocument('[1] see above')).toBe(false)
    expect(isJsonDocument('1')).toBe(false)
  })
})
