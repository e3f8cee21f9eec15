import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compilePlan } from './plan.ts'
import { RECOGNISERS } from './recognisers/registered.ts'
import { createRedactor, scanInSlices, scanText, SLICE_UNITS } from './redactor.ts'
import { searchSegment } from './search-segment.ts'
import { HOLD_BACK_CAP } from './segment-machine.ts'

const plan = compilePlan({ default: 'mask' })
const blocking = compilePlan({ CREDIT_CARD: 'block', default: 'mask' })

interface Streamed {
  readonly text: string
  readonly mostHeld: number
  readonly counts: Readonly<Record<string, number>>
  readonly blocked: boolean
}

function stream(chunks: readonly string[], with_ = plan): Streamed {
  const redactor = createRedactor(with_)
  let text = ''
  let mostHeld = 0
  for (const chunk of chunks) {
    const out = redactor.push(chunk)
    // What goes out must be encodable as it is: the halves of a pair never leave one by one.
    if (/[\ud800-\udbff]$/.test(text) && /^[\udc00-\udfff]/.test(out)) throw new Error('a surrogate pair was parted')
    text += out
    mostHeld = Math.max(mostHeld, redactor.heldBack)
  }
  text += redactor.flush()
  return { text, mostHeld, counts: Object.fromEntries(redactor.findings), blocked: redactor.blocked }
}

function whole(text: string, with_ = plan): Omit<Streamed, 'mostHeld'> {
  const { text: masked, findings, blocked } = scanText(text, with_)
  const counts: Record<string, number> = {}
  for (const { entity } of findings) counts[entity] = (counts[entity] ?? 0) + 1
  return { text: masked, counts, blocked }
}

function expectSameForChunking(text: string, chunks: readonly string[], with_ = plan): void {
  const { mostHeld, ...streamed } = stream(chunks, with_)
  expect(streamed).toEqual(whole(text, with_))
  expect(mostHeld).toBeLessThanOrEqual(HOLD_BACK_CAP)
}

const JWT = `${Buffer.from('{"alg":"EdDSA","typ":"at+jwt"}').toString('base64url')}.${Buffer.from('{"sub":"x"}').toString('base64url')}.c2lnbmF0dXJl`
const PEM = '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n--abc-----\n-----END PRIVATE KEY-----'
const CASES: readonly (readonly [text: string, masked: string])[] = [
  ['Write to jane.doe@example.com, or call +44 20 7946 0958.', 'Write to [EMAIL_ADDRESS], or call [PHONE_NUMBER].'],
  ['SSN 123-45-6789 and card 4111 1111 1111 1111 for GB29 NWBK 6016 1331 9268 19!', 'SSN [US_SSN] and card [CREDIT_CARD] for [IBAN_CODE]!'],
  ['10.0.0.1 2001:db8::1\n4111-1111-1111-1111', '[IP_ADDRESS] [IP_ADDRESS]\n[CREDIT_CARD]'],
  ['😀 jane@example.com😀😀 (415) 555-0132 😀', '😀 [EMAIL_ADDRESS]😀😀 [PHONE_NUMBER] 😀'],
  [`Bearer ${JWT}, x`, 'Bearer [API_KEY], x'],
  [`a ${PEM}\nb q@example.com`, 'a -----BEGIN PRIVATE [API_KEY] PRIVATE KEY-----\nb [EMAIL_ADDRESS]'],
  ['MT84 MALT 0110 0001 2345 MTLC AST0 01S — 4111\u200b1111\u200b1111\u200b1111', '[IBAN_CODE] — [CREDIT_CARD]'],
  ['{"a":"jane@example.com","b":[4111111111111111,5555555555554444]}', '{"a":"[EMAIL_ADDRESS]","b":[[CREDIT_CARD],[CREDIT_CARD]]}'],
  ['no value here: 12 of 2024-10-12, 3.14 and 1 000 000', 'no value here: 12 of 2024-10-12, 3.14 and 1 000 000'],
  ['', ''],
]

describe('a private key (C6)', () => {
  it.each(['A12345678=', 'X1234567=', '12345678:', '1234567890=', ''])('lets nothing out behind %j, for any chunking', (before) => {
    const body = 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n'.repeat(26)
    const text = `${before}-----BEGIN RSA PRIVATE KEY-----\n${body}-----END RSA PRIVATE KEY-----\nbye`
    for (const size of [1, 3, 7, text.length]) {
      const redactor = createRedactor(plan)
      let out = ''
      for (let at = 0; at < text.length; at += size) {
        out += redactor.push(text.slice(at, at + size))
        expect(redactor.heldBack).toBeLessThanOrEqual(HOLD_BACK_CAP)
      }
      out += redactor.flush()
      expect(out, String(size)).not.toContain('MIIE')
      expect(out).toContain('bye')
    }
    expect(scanText(text.slice(0, -34), plan).text).not.toContain('MIIE')
  })
})

describe('streaming redactor (C6)', () => {
  it('masks by the name of the entity', () => {
    for (const [text, masked] of CASES) expect(scanText(text, plan).text).toBe(masked)
  })

  it('gives identical output for every two-way split and for single characters, first byte out before the last is in, hold-back bounded', () => {
    for (const [text, masked] of CASES) {
      for (const with_ of [plan, blocking]) {
        const reference = whole(text, with_)
        if (with_ === plan) expect(reference.text).toBe(masked)
        expectSameForChunking(text, text.split(''), with_)
        for (let cut = 0; cut <= text.length; cut++) expectSameForChunking(text, [text.slice(0, cut), text.slice(cut)], with_)
      }
    }
    const prose = 'The patient was seen on Monday and felt well; a second visit is planned. '.repeat(4)
    const redactor = createRedactor(plan)
    let sent = ''
    for (const [i, unit] of prose.split('').entries()) {
      sent += redactor.push(unit)
      // Ordinary prose is never more than its last word behind.
      expect(i + 1 - sent.length).toBeLessThanOrEqual(10)
      if (i > 10) expect(sent).not.toBe('')
    }
    expect(sent + redactor.flush()).toBe(prose)
  })

  // Put together at run time, so that no scanner takes it for a real one.
  const secretId = ['AKIA', 'IOSFODNN7EXAMPLE'].join('')
  const piece = fc.oneof(
    fc.constantFrom(
      'jane@example.com', '4111 1111 1111 1111', '4111111111111111', '378282246310005', 'GB29 NWBK 6016 1331 9268 19', 'DE89370400440532013000', '521-44-9382', '521449382',
      '+44 20 7946 0958', '(415) 555-0132', '0171/1234567', '192.168.0.1', '2001:db8::1', secretId, JWT, 'ssn', 'phone', 'call me', 'api_key=', 'Bearer ', 'version ', 'the word',
      ' ', ' ', '  ', '\n', ', ', '. ', ':', '-', '/', '(', ')', '+', '@', '.', "'", '"', '0', '12', '4111', '😀', '\ud83d', '\u200b', '\u00a0', 'é', '漢', 'MALT', 'GB29', '１',
    ), // prettier-ignore
    fc.string({ maxLength: 6 }),
  )
  const words = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''))

  it('gives identical output for random texts and random chunkings', () => {
    fc.assert(
      fc.property(words, fc.array(fc.nat({ max: 40 }), { maxLength: 40 }), fc.boolean(), (text, sizes, block) => {
        const chunks: string[] = []
        let at = 0
        for (const size of sizes) {
          chunks.push(text.slice(at, at + size))
          at += size
        }
        if (at < text.length) chunks.push(text.slice(at))
        expectSameForChunking(text, chunks, block ? blocking : plan)
        expectSameForChunking(text, text.split(''), block ? blocking : plan)
      }),
      { numRuns: 1500 },
    )
  })

  it('gives identical output for random texts with values of several words, everything looked for', () => {
    const everyEntity = compilePlan(
      Object.fromEntries(RECOGNISERS.flatMap(({ entities }) => entities.map((entity) => [entity, 'mask' as const]))),
    )
    const part = fc.oneof(
      fc.constantFrom(
        'March', 'mars', '4', '4th', '2024', '12', '62701', 'Main', 'Street', 'rue', 'de', 'la', 'Paix', 'Via', 'Roma', 'Springfield', 'IL', 'Apt', 'Hauptstraße', '10115', 'Berlin', 'aged', '45', 'years', 'old', '-year-old', '10:30', 'am', 'password', 'PIN', '=', '!', '#',
        'Summer#24', 'MRN', 'H12345', 'passport', 'AB1234567', 'NHS', '4010232137', 'is my', 'number', '111222333', 'BSN', 'https://', 'example.com', '/a?b=c', 'SW1A', '1AA', 'AB', '12', '34', '56', 'C', '529.982.247-25', 'DEUTDEFF', 'BIC', 'The', 'Company', 'Of', 'THE', 'P.O.', 'Box',
        ' ', ' ', ' ', ' ', '  ', '\n', '\r\n', ', ', ',', '. ', ': ', '; ', '?', ')', '(', '"', "'", '-', '/', '\u200b', '\u00a0', 'é', '漢', '😀',
      ), // prettier-ignore
      fc.string({ maxLength: 4 }),
    )
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 40 }).map((parts) => parts.join('')),
        fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 40 }),
        (text, sizes) => {
          const chunks: string[] = []
          let at = 0
          for (const size of sizes) chunks.push(text.slice(at, (at += size)))
          chunks.push(text.slice(at))
          expectSameForChunking(text, chunks, everyEntity)
          expectSameForChunking(text, text.split(''), everyEntity)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('gives the same for a whole text that is searched in slices, giving way after each (C6)', () => {
    const filler = '2-3 x 1.2 '.repeat(SLICE_UNITS / 10)
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...CASES.map(([text]) => text), filler), { maxLength: 6 }), fc.boolean(), (texts, block) => {
        const text = texts.join(' ')
        const search = scanInSlices(text, block ? blocking : plan)
        let slices = 1
        let step = search.next()
        for (; step.done !== true; step = search.next()) slices++
        expect(step.value).toEqual(scanText(text, block ? blocking : plan))
        if (!step.value.blocked) expect(slices).toBeGreaterThanOrEqual(Math.ceil(text.length / SLICE_UNITS))
      }),
      { numRuns: 60 },
    )
  })

  it('finds an IBAN that is joined on to the end of another one (C6)', () => {
    const iban = 'GB29 NWBK 6016 1331 9268 19'
    expect(scanText(`${iban}@${iban}`, plan).text).toBe('[IBAN_CODE]@[IBAN_CODE]')
  })

  it('reads what stands before a segment as it reads the segment: a zero-width unit parts no words', () => {
    const text = '521-44-9382\u200bBearer -MALT+A-4111jane@example.com'
    expect(scanText(text, plan).findings.map(({ start, end }) => [start, end])).toEqual([[20, 47]])
  })

  it('never cuts a value in two: whatever one search over the undivided text finds is masked whole', () => {
    const everything = 0xff
    fc.assert(
      fc.property(words, (text) => {
        fc.pre(text.length < HOLD_BACK_CAP - 10)
        const reference = searchSegment(text, '', everything, true, plan)
        // Not the other way round: cuts take neighbours away that can hide a value from a search over everything.
        const masked = new Set(
          scanText(text, plan).findings.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i)),
        )
        for (const { entity, start, end } of reference)
          for (let i = start; i < end; i++) expect(masked.has(i), `${entity} at ${i}`).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  it('keeps the law and the bound in runs longer than the window, for single characters too', () => {
    const filler = fc.constantFrom('a', '1', '12 ', 'ab.', '-', 'a1B2c3', '9 ', '(', '+', 'eyJ', '@', 'x:')
    fc.assert(
      fc.property(
        fc.array(fc.tuple(filler, fc.integer({ min: 100, max: 700 })), { minLength: 1, maxLength: 5 }),
        words,
        fc.integer({ min: 1, max: 997 }),
        (runs, value, size) => {
          const text = runs.map(([unit, times]) => unit.repeat(times)).join(value)
          const chunks: string[] = []
          for (let at = 0; at < text.length; at += size) chunks.push(text.slice(at, at + size))
          expectSameForChunking(text, chunks)
          expectSameForChunking(text, text.split(''))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('masks a value that is longer than the window as a whole', () => {
    const long = `${Buffer.from('{"alg":"EdDSA"}').toString('base64url')}.${'QUJD'.repeat(2000)}.c2ln`
    expect(scanText(`x ${long} y`, plan).text).toBe('x [API_KEY] y')
    expectSameForChunking(`x ${long} y`, `x ${long} y`.match(/[^]{1,7}/gu)!)
  })

  it('finds a value at any place of a run longer than the window', () => {
    for (let at = HOLD_BACK_CAP - 2 * 340; at < HOLD_BACK_CAP + 40; at += 3) {
      const text = `${'x/'.repeat(at / 2)}jane@example.com/${'y'.repeat(1500)}`
      expect(scanText(text, plan).findings.map(({ entity }) => entity)).toEqual(['EMAIL_ADDRESS'])
    }
  })

  it('passes nothing from a blocked value on', () => {
    const text = 'ok jane@example.com then 4111 1111 1111 1111 and more'
    expect(scanText(text, blocking)).toMatchObject({ text: 'ok [EMAIL_ADDRESS] then ', blocked: true })
    const redactor = createRedactor(blocking)
    const out = text
      .split('')
      .map((unit) => redactor.push(unit))
      .join('')
    expect(out + redactor.flush()).toBe('ok [EMAIL_ADDRESS] then ')
    expect(redactor.blocked).toBe(true)
    expect(redactor.push('later')).toBe('')
    expect(redactor.flush()).toBe('')
  })

  it('counts findings without keeping a value', () => {
    const redactor = createRedactor(plan)
    redactor.push('a@example.com b@example.com 4111111111111111, ')
    expect([...redactor.findings]).toEqual([['EMAIL_ADDRESS', 2], ['CREDIT_CARD', 1]]) // prettier-ignore
  })

  it('begins a new text after a flush', () => {
    const redactor = createRedactor(plan)
    expect(redactor.push('ssn') + redactor.flush()).toBe('ssn')
    expect(redactor.push(' 521449382') + redactor.flush()).toBe(' 521449382')
    expect(redactor.push('a@example.com') + redactor.flush()).toBe('[EMAIL_ADDRESS]')
  })

  it('passes a lone surrogate as it came', () => {
    expect(stream(['a\ud83d', 'b', '\ude00', '\ud83d']).text).toBe('a\ud83db\ude00\ud83d')
  })

  it('keeps surrogate pairs whole when nothing is looked for', () => {
    const redactor = createRedactor(compilePlan({}))
    expect([redactor.push('a\ud83d'), redactor.push('\ude00b'), redactor.flush()]).toEqual(['a', '😀b', ''])
  })

  it('takes time linear in the text, by its ratio to a quarter of the text, whatever it holds and whatever is looked for', () => {
    const everything_ = compilePlan(
      Object.fromEntries(RECOGNISERS.flatMap(({ entities }) => entities.map((entity) => [entity, 'mask' as const]))),
    )
    const cost = (text: string): number => {
      const { user, system } = process.cpuUsage()
      scanText(text, everything_)
      const after = process.cpuUsage()
      return after.user + after.system - user - system
    }
    const units = [
      'a',
      '1',
      '@',
      '-',
      ' ',
      'e\u0301',
      '漢',
      'A',
      'Ab ',
      'A1 ',
      '12 Main ',
      'a.b',
      'x:',
      '://',
      '1/',
      'MRN 1',
      'password: ',
      '4111 ',
      'March 4, ',
      'a_1-',
      '=1;',
      '12 rue de ',
      '1,1',
      "d'1",
    ]
    for (const unit of units) {
      const small = unit.repeat(Math.ceil(20_000 / unit.length))
      scanText(small, everything_)
      const costs = [Math.min(cost(small), cost(small)), Math.min(cost(small.repeat(4)), cost(small.repeat(4)))] as const
      // Four times the text costs four times as much; quadratic were sixteen times. What a few milliseconds hide is no matter.
      expect((costs[1] - 20_000) / Math.max(costs[0], 1_000), JSON.stringify(unit)).toBeLessThan(10)
    }
  }, 120_000)

  it('takes time linear in the text whatever it holds', () => {
    const plain = ['a', '1', '@', '-', ' ', 'a1@-. ']
    const combined = ['.', ':', '1 ', '0 ', '4111 ', 'a@', 'ab:', '1.', '1.1.1.1.', 'eyJhbGciOiJIUzI1NiJ9.', 'sk-', '+1 ', '(0)', 'call 0 ', 'GB29', 'GB29 ', 'bearer ', "'.", 'é\u200b', '-----', '𝟘', '\ud83d', '1\u00a0', 'x_', 'a.'] // prettier-ignore
    for (const unit of [...plain, ...combined]) {
      const text = unit.repeat(Math.ceil((plain.includes(unit) ? 1_000_000 : 150_000) / unit.length))
      const started = performance.now()
      scanText(text, plan)
      // Linear cost is 10 to 150 ms each; anything quadratic takes minutes.
      expect(performance.now() - started, JSON.stringify(unit)).toBeLessThan(5000)
    }
  }, 60_000)
})
