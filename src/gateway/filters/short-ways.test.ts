import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contextWords, WordParts } from './context-words.ts'
import { DASH, digitRuns, holds, NO_SEPARATOR, separatorOf, SPACE, STOP } from './digit-runs.ts'
import { everyMatch } from './every-match.ts'
import { IDENTIFIERS } from './identifiers/table.ts'
import { isJoiningWordAt, isStreetName, isStreetWordAt } from './joining-words.ts'
import { valuesOf } from './identifiers/values.fixture.ts'
import { type Candidate, resolveOverlaps } from './overlaps.ts'
import { BEFORE_UNITS, CONTEXT_UNITS, type Match, Segment } from './recogniser.ts'
import { RECOGNISERS } from './recognisers/registered.ts'
import { UnitWindow } from './unit-window.ts'

const SEED = 20_261_128
// Put together at run time, so that no scanner takes them for real ones.
const TOKEN = ['AKIA', 'IOSFODNN7EXAMPLE'].join('')
const JWT = ['{"alg":"none"}', '{"sub":"x"}', 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.')
const value = fc.constantFrom(
  'jane.doe@example.com', 'www.example.com', 'example.com/a', 'a_b.example.org.', 'x@www.example.de', 'https://a.example/b?c=d', '4111 1111 1111 1111', '378282246310005', '4111-1111-1111-1111', '6011 0009 9013 9424', 'GB29 NWBK 6016 1331 9268 19', '521-44-9382', '521449382', '521-449382',
  '+44 20 7946 0958', '+44 (0)20 7946 0958', '0033 1 42 68 53 00', '(415) 555-0132', '415.555.0132', '030 1234567', '0171/1234567', '01 02 03 04 05', '05 06 07 08 09', '(11) 91234-5678', '1-800-555-0199 ext. 12', '2016/679', '011150-4237', '192.168.0.1', '1.2.3.4', '2001:db8::1', '00:1B:44:11:3A:B7',
  '1BoatSLRHtKNngkdXEeobR76b53LETtpyT', 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'password: Summer#24', 'pwd=a1B2c3', 'Tr0ub4dor&3', '2024-03-04', '4.3.24', 'March 4, 2024', '4 pm', '45 years old', 'aged 45', '12 Main Street, Springfield, IL 62701', 'Hauptstrasse 12, 10115 Berlin', 'postgres://user:secret@host', 'AccountKey=abcdefghijklmnopqrstuvwxyz0123456789', 'api_key = q8Zt1LmP0xV7rK2n', 'token: a9/Kd+3xQ.z7-Bn_41Ty', TOKEN, JWT,
  ...IDENTIFIERS.slice(0, 90).flatMap((identifier) => valuesOf(identifier, SEED).slice(0, 1).map((sample) => sample.value)),
) // prettier-ignore
const word = fc.constantFrom('phone', 'call', 'card', 'ssn', 'my', 'number', 'is', 'NHS', 'passport', 'version', 'v', 'age', 'Kontonummer', 'of', 'our client', 'iban', 'vat no.', 'born on', 'password', 'pass', 'PIN', 'driving licence', 'xcard', 'sin', '#', 'id') // prettier-ignore
const piece = fc.oneof(
  value,
  word,
  word,
  fc.constantFrom(' ', ' ', ' ', ', ', '\n', '.', ':', ': ', '-', '/', '(', ')', '@', '=', '_', 'a', 'A', '1', '12', '300', '4111', '007'),
)
const text = fc.array(piece, { minLength: 1, maxLength: 12 }).map((pieces) => pieces.join(''))
const before = text.map((any) => any.padStart(BEFORE_UNITS, ' x').slice(-CONTEXT_UNITS).padStart(BEFORE_UNITS, ' x'))

/** A search of the same text by the expressions: what is beyond ASCII stands where no context reaches. */
const byExpressions = (any: string, known: string): Segment => new Segment(any, `é${known.slice(1)}`, 0.2)
const LISTS = [contextWords('card', 'my number', 'v', 'born on', 'vat no.'), contextWords('phone', 'a', 'number is', '#')]
const values = (matches: readonly Match[]): readonly string[] =>
  matches.map(({ start, end, score, entity, resolve }) => `${start} ${end} ${score.toFixed(4)} ${entity} ${resolve !== undefined}`)

describe(`the short ways of recognisers through texts in ASCII, seed ${SEED}`, () => {
  it('find what the expressions find, all recognisers, any text and anything before it (C6, C9)', () => {
    let found = 0
    fc.assert(
      fc.property(text, before, (any, known) => {
        for (const recogniser of RECOGNISERS) {
          const short = values(recogniser.find(new Segment(any, known, 0.2)))
          expect(short, `${recogniser.entities[0]} in ${JSON.stringify([known, any])}`).toEqual(
            values(recogniser.find(byExpressions(any, known))),
          )
          found += short.length
        }
      }),
      { numRuns: 2500, seed: SEED },
    )
    expect(found).toBeGreaterThan(2000)
  })

  it('let wallets of every kind through to the expression (C6)', () => {
    const [crypto] = RECOGNISERS.filter(({ entities }) => entities.includes('CRYPTO'))
    for (const wallet of [
      '1BoatSLRHtKNngkdXEeobR76b53LETtpyT',
      'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4',
      '0x52908400098527886E0F7030069857D2E4169EE7',
    ])
      expect(
        crypto!.find(new Segment(`to ${wallet}.`, '')).map(({ start, end }) => [start, end]),
        wallet,
      ).toEqual([[3, 3 + wallet.length]])
  })

  it('see context words where the expression sees them, asked for any part in any order (C9)', () => {
    const place = fc.tuple(fc.nat(), fc.integer({ min: 1, max: CONTEXT_UNITS }), fc.nat({ max: 1 }))
    fc.assert(
      fc.property(text, before, fc.array(place, { minLength: 1, maxLength: 8 }), (any, known, places) => {
        const segment = new Segment(any, known)
        for (const [nat, units, which] of places) {
          const start = nat % (any.length + 1)
          const words = LISTS[which]!
          expect(segment.hasContext(start, words, units)).toBe(words.test(segment.context(start).slice(-units)))
        }
      }),
      { numRuns: 2000, seed: SEED },
    )
  })

  it('find in the segments of one text, read on one behind the other, what they find in each alone (C6, C9)', () => {
    const window = new UnitWindow()
    const parts = new WordParts(['pass', 'pw', 'pin', 'card', 'number'])
    const seen = (segment: Segment): readonly unknown[] => [
      RECOGNISERS.map((recogniser) => values(recogniser.find(segment))),
      LISTS.map((words) => segment.hasContext(segment.text.length, words)),
    ]
    let found = 0
    fc.assert(
      fc.property(fc.array(text, { minLength: 2, maxLength: 5 }), (pieces) => {
        const all = pieces.join('')
        window.load('', all)
        const { units, base, loaded } = window
        const starts = pieces.map((_any, i) => pieces.slice(0, i).join('').length)
        const knownBefore = (i: number): string => all.slice(Math.max(0, starts[i]! - BEFORE_UNITS), starts[i])
        const together = pieces.map((any, i) => {
          const start = base + starts[i]!
          const end = start + any.length
          const behind = units[end]!
          units[end] = 0
          const segment = new Segment(any, knownBefore(i), 0.2, { units, loaded, base: start })
          const shown = [...seen(segment), parts.standIn(segment)]
          units[end] = behind
          return shown
        })
        for (const [i, any] of pieces.entries()) {
          const known = knownBefore(i)
          expect(together[i]).toEqual([...seen(new Segment(any, known, 0.2)), /pass|pw|pin|card|number/i.test(known + any)])
          found += (together[i]![0] as readonly (readonly string[])[]).flat().length
        }
      }),
      // Words that go on in the next segment, and one that the segment before has and the next but one has not.
      {
        numRuns: 500,
        seed: SEED,
        examples: [[['my p', 'hone 415 555 0132', ' 1']], [['4111 pa', 'ss: a1!B2c3', ' x'.repeat(50), 'a1!B2c3 ']]],
      },
    )
    expect(found).toBeGreaterThan(1000)
  })

  it('tell joining words and kinds of street from units as from the words, in letters small or capital', () => {
    const window = new UnitWindow()
    const joining = ['de', 'OF', 'Mar.', 'march', 'years', 'a.m.', "l'", 'Rue', 'apt.']
    const streets = ['Street', 'ST.', 'rue', 'Hauptstrasse', 'Hauptstr.', 'Kalverstraat', 'Feldweg', 'Rathausplatz', 'Lindenallee', 'Opernring', 'Kurfuerstendamm', 'Rheinufer', 'Stadtgraben', 'Burgsteig', 'Friedrichsgasse', 'Prinsengracht', 'Haarlemmerdijk', 'Drottninggatan', 'Vestergade', 'Mannerheimintie', 'Parkveien', 'Museumplein', 'Kungsgata', 'Keizerskade', 'Leidsesingel', 'Storstigen', 'Konigschaussee', 'Rozenlaan', 'Vasagatan', 'Bergsvagen', 'Norregade', 'Hovedvej', 'Lillealle', 'Storgaten', 'Rantakatu', 'Sepanpolku', 'Metsakuja', 'Solvei', 'Skogstien', 'Waldsiedlung', 'Rooseveltplantsoen', 'Molensteeg', 'Vaciutca', 'Dlugaulica', 'Highstreet'] // prettier-ignore
    const others = ['monday', 'Contact', 'evening', 'winter', 'd', 'of@', 'de.de', 'weg', 'Meeting', 'ratio']
    const asked = (word: string, isAscii: boolean): readonly boolean[] => {
      window.load('', word)
      return [isJoiningWordAt, isStreetWordAt].map((isOne) => isOne(word, window, 0, word.length, isAscii))
    }
    for (const word of [...joining, ...streets, ...others]) expect(asked(word, true), word).toEqual(asked(word, false))
    expect(joining.filter((word) => !asked(word, true)[0])).toEqual([])
    expect(streets.filter((word) => !asked(word, true)[1])).toEqual([])
    expect(others.filter((word) => asked(word, true).includes(true))).toEqual([])
    expect(isStreetName('hauptstrasse')).toBe(true)
  })

  it('see parts of words wherever they stand', () => {
    const parts = new WordParts(['pass', 'pw', 'pin', 'car'])
    fc.assert(
      fc.property(text, before, (any, known) => {
        expect(parts.standIn(new Segment(any, known))).toBe(/pass|pw|pin|car/i.test(known + any))
      }),
      { numRuns: 1000, seed: SEED },
    )
  })

  it('group digits as their signs say', () => {
    fc.assert(
      fc.property(text, (any) => {
        const runs = digitRuns(new Segment(any, ''))
        const written = [...any.matchAll(/[0-9]+(?:[-./() \t]{1,3}[0-9]+)*/g)]
        expect(runs.map((run) => [run.startOf(0), run.endOf(run.count - 1)])).toEqual(
          written.map(({ 0: all, index }) => [index, index + all.length]),
        )
        for (const [i, run] of runs.entries()) {
          const groups = written[i]![0].split(/[^0-9]+/)
          const signs = written[i]![0].split(/[0-9]+/).slice(1, -1)
          for (const [at, group] of groups.entries()) if (group.length <= 15) expect(run.number(at)).toBe(Number(group))
          expect(run.digits(0, run.count)).toBe(groups.join(''))
          expect(signs.map((_, at) => run.separator(at))).toEqual(signs.map(separatorOf))
        }
      }),
      { numRuns: 1000, seed: SEED },
    )
    expect([separatorOf(' '), separatorOf('-'), separatorOf('.')]).toEqual([SPACE, DASH, STOP])
    expect(holds(separatorOf(' - '), DASH)).toBe(true)
    expect(holds(separatorOf(')-'), SPACE)).toBe(false)
    expect(NO_SEPARATOR).toBe(0)
  })

  it('leave values that do not overlap as they are, in order, and never two that share a unit', () => {
    const candidate = fc
      .tuple(fc.nat({ max: 60 }), fc.integer({ min: 1, max: 12 }), fc.constantFrom('A', 'B', 'C'), fc.constantFrom('mask' as const, 'log' as const, 'block' as const))
      .map(([start, size, entity, action]): Candidate => ({ entity, action, start, end: start + size, score: 0.5 + size / 100 })) // prettier-ignore
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 6 }), (all) => {
        const resolved = resolveOverlaps(all)
        for (const [i, one] of resolved.entries()) if (i > 0) expect(one.start).toBeGreaterThanOrEqual(resolved[i - 1]!.end)
        const isApart = all.every((one) => all.every((other) => one === other || one.end <= other.start || other.end <= one.start))
        if (isApart) expect(resolved).toEqual(all.toSorted((a, b) => a.start - b.start))
        else expect(resolved.length).toBeLessThan(all.length)
      }),
      { numRuns: 1000, seed: SEED },
    )
  })

  it('go over all matches of an expression, every time anew, and refuse one without an end', () => {
    const pattern = /\d+/g
    for (let i = 0; i < 2; i++) expect(everyMatch(pattern, '1 22 a 3').map(([all]) => all)).toEqual(['1', '22', '3'])
    expect(everyMatch(pattern, 'a')).toEqual([])
    expect(() => everyMatch(/\d*/g, 'a')).toThrow(RangeError)
  })
})
