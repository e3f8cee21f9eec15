import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IDENTIFIERS } from './identifiers/table.ts'
import { valuesOf } from './identifiers/values.fixture.ts'
import { Outline } from './outline.ts'
import { Segment } from './recogniser.ts'
import { RECOGNISERS } from './recognisers/registered.ts'
import { PAD, UnitWindow } from './unit-window.ts'

const SEED = 20_261_127

function outlineOf(text: string): Outline {
  const window = new UnitWindow()
  window.load('', text)
  const outline = new Outline()
  outline.read(1, window.units, PAD, text.length)
  return outline
}

function runs(text: string, pattern: RegExp): readonly number[] {
  return [...text.matchAll(pattern)].flatMap(({ 0: run, index }) => [index, index + run.length])
}

const value = fc.constantFrom(
  '4111 1111 1111 1111', '378282246310005', ';4111111111111111=25121010000000000?', '%B4111111111111111^DOE/JANE^25121010000000000?', 'GB29 NWBK 6016 1331 9268 19', 'gb29nwbk60161331926819',
  '521-44-9382', '521449382', '00:1B:44:11:3A:B7', '00-1B-44-11-3A-B7', '001B.4411.3AB7', 'aabb.ccdd.eeff', '_00:1B:44:11:3A:B7_', '1BoatSLRHtKNngkdXEeobR76b53LETtpyT', 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', '0x52908400098527886E0F7030069857D2E4169EE7',
  'www.example.com', 'example.com/a', 'https://a.example', 'password: Summer#24', 'pwd=a1B2c3', '2024-03-04', '4.3.24', '12/31/1999', '2024-03-04T10:30:00Z', '10:30', '4 pm', '4pm', '4 a.m.', 'March 4, 2024', '4 mars', '45 years old', 'aged 45', '"age": "45"', 'age</td><td>45', 'password</td><td>a1B2c3', '+44 20 7946 0958', '192.168.0.1',
  ...IDENTIFIERS.slice(0, 60).flatMap((identifier) => valuesOf(identifier, SEED).slice(0, 1).map((sample) => sample.value)),
) // prettier-ignore
const piece = fc.oneof(
  value,
  fc.constantFrom(' ', ' ', ', ', '\n', '.', ':', '-', '/', '(', ')', '@', '=', 'a', 'A', '1', '12', 'ab', 'é', '١', '\u200b'),
  fc.string({ maxLength: 5 }),
)
const text = fc.array(piece, { minLength: 1, maxLength: 12 }).map((pieces) => pieces.join(''))

describe(`the outline of a segment, seed ${SEED}`, () => {
  it('has the groups of letters and digits, and those of digits, of any text (C9)', () => {
    fc.assert(
      fc.property(text, (any) => {
        const { groups, groupsEnd, digits, digitsEnd, kinds, isAscii } = outlineOf(any)
        const written = runs(any, /[A-Za-z0-9]+/g)
        expect([...groups.subarray(0, groupsEnd)]).toEqual(written)
        expect([...digits.subarray(0, digitsEnd)]).toEqual(runs(any, /[0-9]+/g))
        for (let at = 0; at < groupsEnd; at += 2) {
          const group = any.slice(written[at], written[at + 1])
          expect(kinds[at >> 1]).toBe((/[a-z]/.test(group) ? 1 : 0) | (/[A-Z]/.test(group) ? 2 : 0) | (/\d/.test(group) ? 4 : 0))
        }
        // Whoever looks ahead sees no group of a text that was read before.
        expect([groups[groupsEnd], digits[digitsEnd], digits[digitsEnd + 1]]).toEqual([-1, -1, -1])
        // oxlint-disable-next-line no-control-regex -- the first 128 code points are what is meant
        expect(isAscii).toBe(/^[\u0000-\u007f]*$/.test(any))
      }),
      { numRuns: 600, seed: SEED },
    )
  })

  it('shows a shape that each recogniser looks for wherever that one finds a value: none is left out (C6, C9)', () => {
    let found = 0
    fc.assert(
      fc.property(text, fc.constantFrom('', 'my password is ', 'card '), (any, before) => {
        for (const recogniser of RECOGNISERS) {
          const { entities, shapes } = recogniser
          if (shapes === undefined) continue
          const segment = new Segment(any, before)
          const matches = recogniser.find(segment)
          found += matches.length
          if (matches.length > 0) expect(segment.outline.shape & shapes, `${entities[0]} in ${any}`).not.toBe(0)
        }
      }),
      { numRuns: 4000, seed: SEED },
    )
    expect(found).toBeGreaterThan(1000)
  })
})
