import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compilePlan, type FilterPlan } from '../plan.ts'
import { createRedactor, scanInSlices, scanText } from '../redactor.ts'
import { CONFIDENTIAL_HOLD_BACK_CAP, type StreamMode } from './confidential-redactor.ts'
import { type ConfidentialIndex, confidentialIndex } from './confidential-index.ts'
import { confidentialActions } from './entities.ts'
import { decodeSource, encodeSource, type FingerprintSource } from './fingerprint-source.ts'
import { fingerprintKey, KeyedHash } from './keyed-hash.ts'
import { CanariesReader } from './read-canaries.ts'
import { DocumentReader } from './read-documents.ts'
import { RowsReader } from './read-rows.ts'
import { TermsReader } from './read-terms.ts'
import { GUARANTEE } from './winnower.ts'

const KEY = fingerprintKey(new Uint8Array(32).fill(7))
const ACTIONS = {
  CONFIDENTIAL_DOCUMENT: 'mask',
  CONFIDENTIAL_TERM: 'mask',
  CONFIDENTIAL_MARKING: 'mask',
  TRAINING_DATA: 'mask',
} as const

const MEMO =
  'The supervisory board approved the acquisition of Halvorsen Marine on the condition that the purchase price stays below four hundred ' +
  'million kroner. Due diligence found two undisclosed leases in Bergen. The seller expects an answer before the end of the second quarter, ' +
  'and the integration team will move the dockyard contracts to the new entity. Nobody outside of the steering group may learn of the plan.'
const CANARY = 'qv7m2kx9t4hd8s3pz6wb'
const COLUMNS = ['patient_id', 'surname', 'city', 'diagnosis', 'age']
const ROWS: readonly (readonly (string | number | null)[])[] = [
  ['P-20931', 'Abernathy', 'Leeds', 'sarcoidosis', 54],
  ['P-20932', 'Okonkwo', 'York', 'asthma', 31],
  ['P-20933', 'Lindqvist', 'Hull', null, 77],
]

const document = (text: string): FingerprintSource => {
  const reader = new DocumentReader(KEY)
  reader.push(text)
  return reader.finish()
}
const terms = (...list: readonly string[]): FingerprintSource => {
  const reader = new TermsReader(KEY)
  reader.push(list.join('\n'))
  return reader.finish()
}
const rows = (columns: readonly string[], values: readonly (readonly (string | number | null)[])[]): FingerprintSource => {
  const reader = new RowsReader(KEY, columns)
  for (const row of values) reader.add(row)
  return reader.finish()
}
const canary = (text: string): FingerprintSource => {
  const reader = new CanariesReader(KEY)
  reader.add(text)
  return reader.finish()
}

function planOf(
  sources: readonly FingerprintSource[] | ConfidentialIndex,
  actions: Parameters<typeof compilePlan>[0] = ACTIONS,
  mode: StreamMode = 'hold',
): FilterPlan {
  const index = 'key' in sources ? sources : confidentialIndex(KEY, sources)
  return { ...compilePlan(actions), confidential: { index, actions: confidentialActions(actions), mode } }
}

const entities = (text: string, plan: FilterPlan): readonly string[] => scanText(text, plan).findings.map(({ entity }) => entity)

function inPieces(
  text: string,
  plan: FilterPlan,
  cuts: readonly number[],
): { out: string; findings: object; blocked: boolean; left: number } {
  const redactor = createRedactor(plan)
  let out = ''
  let from = 0
  for (const to of [...cuts].sort((a, b) => a - b)) {
    out += redactor.push(text.slice(from, to))
    expect(redactor.heldBack).toBeLessThan(CONFIDENTIAL_HOLD_BACK_CAP + 1_100)
    from = to
  }
  out += redactor.push(text.slice(from)) + redactor.flush()
  return { out, findings: Object.fromEntries(redactor.findings), blocked: redactor.blocked, left: redactor.left ?? 0 }
}

const EVERYTHING = planOf([document(MEMO), terms('Project Falcon', 'Blaue Mauer', 'Zug'), rows(COLUMNS, ROWS), canary(CANARY)])

describe('keyed hash', () => {
  it('is SipHash-2-4: the vector of eight bytes of the reference implementation', () => {
    const hash = new KeyedHash(Uint8Array.from({ length: 16 }, (_, i) => i))
    hash.digest(0x07060504, 0x03020100)
    expect([hash.high.toString(16), hash.low.toString(16)]).toEqual(['93f5f579', '9a932462'])
  })

  it('differs under another key, so that an index is of no use without it', () => {
    const other = new DocumentReader(fingerprintKey(new Uint8Array(32).fill(8)))
    other.push(MEMO)
    const [mine, theirs] = [document(MEMO).passages, other.finish().passages]
    const known = new Set(mine.high)
    expect(mine.high.length).toBeGreaterThan(20)
    expect([...theirs.high].filter((high) => known.has(high))).toEqual([])
  })
})

describe('registered documents (C7)', () => {
  it('finds every passage of the guaranteed length, and takes it out whole (C7)', () => {
    const plan = planOf([document(MEMO)])
    const letters = [...MEMO].flatMap((sign, i) => (/[a-z0-9]/iu.test(sign) ? [i] : []))
    let tried = 0
    for (let from = 0; from + GUARANTEE <= letters.length; from++) {
      const passage = MEMO.slice(letters[from], letters[from + GUARANTEE - 1]! + 1)
      const { text, findings } = scanText(`We heard: ${passage}`, plan)
      expect(
        findings.map(({ entity }) => entity),
        passage,
      ).toEqual(['CONFIDENTIAL_DOCUMENT'])
      expect(text, passage).not.toContain(passage.slice(-12))
      expect(text, passage).not.toContain(passage.slice(0, 12))
      tried++
    }
    expect(tried).toBeGreaterThan(200)
  })

  it('finds it after light editing: a word replaced in each sentence, other case, punctuation and lines (C7)', () => {
    const plan = planOf([document(MEMO)])
    const edited = MEMO.replace('approved', 'endorsed')
      .replace('undisclosed', 'hidden')
      .replace('expects', 'awaits')
      .replace('Nobody', 'No one')
    for (const text of [
      edited,
      edited.toUpperCase(),
      edited.replaceAll(' ', '\n  '),
      edited.replaceAll(/[.,]/gu, ' –'),
      edited.replaceAll(/(\w{5})/gu, '$1-\n'),
      [...edited].join('\u200b'),
      [...edited].join(' '),
      edited.replaceAll('a', 'а').replaceAll('e', 'е').replaceAll('o', 'ο'),
      edited.normalize('NFD').replaceAll('e', 'e\u0301'),
      edited.replaceAll(/[a-z]/gu, (letter) => String.fromCodePoint(0x1d41a + letter.charCodeAt(0) - 97)),
      edited.replaceAll(/[a-z]/gu, (letter) => String.fromCodePoint(0xe0000 + letter.charCodeAt(0))),
    ])
      expect(entities(`Here it is. ${text}`, plan), text.slice(0, 40)).toContain('CONFIDENTIAL_DOCUMENT')
  })

  it('does not find a paraphrase, a short quotation or another text', () => {
    const plan = planOf([document(MEMO)])
    for (const text of [
      'The board agreed to buy the company if the price remains under 400 million.',
      'The supervisory board approved it.',
      'The seller expects an answer before Monday.',
      '=========================================== 0000000000000000000000000000000000000000000000000000',
    ])
      expect(entities(text, plan)).toEqual([])
  })

  it('lets passages go that a public text has too (C7)', () => {
    const formula = 'This agreement is governed by the laws of the Kingdom of Norway and the courts of Oslo have jurisdiction.'
    const open = new DocumentReader(KEY, 'public')
    open.push(`General terms. ${formula} `)
    const registered = [document(`${MEMO} ${formula}`)]
    expect(entities(formula, planOf(registered))).toEqual(['CONFIDENTIAL_DOCUMENT'])
    const plan = planOf([...registered, open.finish()])
    expect(entities(formula, plan)).toEqual([])
    expect(entities(MEMO, plan)).toEqual(['CONFIDENTIAL_DOCUMENT'])
  })

  it('refuses a text that is too short to be found', () => {
    expect(() => document('Nobody may learn of it.')).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }))
  })

  it('comes back from its encoding, and refuses what was changed', () => {
    const source = document(MEMO)
    const bytes = encodeSource(source)
    expect(decodeSource(bytes)).toEqual(source)
    expect(Buffer.from(bytes).includes(Buffer.from('Halvorsen'))).toBe(false)
    for (const bad of [bytes.subarray(4), bytes.subarray(0, bytes.length - 4), bytes.subarray(0, 7), new Uint8Array(0)])
      expect(() => decodeSource(bad)).toThrow(expect.objectContaining({ code: 'ERR_STORAGE_CORRUPT' }))
  })
})

describe('terms and markings (C7)', () => {
  it('finds words and phrases with their borders, the longest first (C7)', () => {
    const plan = planOf([terms('Project Falcon', 'Falcon', 'blaue mauer', '社外計画', 'X-77b')])
    expect(scanText('About project-FALCON, falcon and Falconry.', plan).text).toBe(
      'About [CONFIDENTIAL_TERM], [CONFIDENTIAL_TERM] and Falconry.',
    )
    expect(scanText('die Blaue\nMauer; blauer Mauer', plan).text).toBe('die [CONFIDENTIAL_TERM]; blauer Mauer')
    expect(scanText('本日、社外計画は', plan).text).toBe('本日、[CONFIDENTIAL_TERM]は')
    expect(scanText('F\u200balc\u00adon and Fаlcоn, x.77B', plan).text).toBe(
      '[CONFIDENTIAL_TERM] and [CONFIDENTIAL_TERM], [CONFIDENTIAL_TERM]',
    )
  })

  it('finds markings: phrases however written, single words in capitals only (C7)', () => {
    const plan = planOf([])
    for (const text of [
      'CONFIDENTIAL',
      'Strictly Confidential',
      'for internal use only',
      'STRENG VERTRAULICH',
      'page 2 – VERTRAULICH',
      '社外秘',
    ])
      expect(entities(`\n${text}\n`, plan), text).toEqual(['CONFIDENTIAL_MARKING'])
    for (const text of ['this is confidential', 'a Confidential matter', 'internal use', 'not for sale', 'CONFIDENTIALITY'])
      expect(entities(text, plan), text).toEqual([])
  })

  it('finds only what the policy names', () => {
    const plan = planOf([document(MEMO), terms('Falcon')], { CONFIDENTIAL_TERM: 'mask', default: 'mask' })
    expect(scanText(`Falcon CONFIDENTIAL jane@example.com ${MEMO}`, plan).text).toBe(
      `[CONFIDENTIAL_TERM] CONFIDENTIAL [EMAIL_ADDRESS] ${MEMO}`,
    )
  })

  it('counts what is only to be logged, and lets it pass, in streams too (C7)', () => {
    const plan = planOf([document(MEMO), terms('Falcon')], { CONFIDENTIAL_DOCUMENT: 'log', CONFIDENTIAL_TERM: 'mask' })
    const expected = {
      out: `[CONFIDENTIAL_TERM] ${MEMO}`,
      findings: { CONFIDENTIAL_TERM: 1, CONFIDENTIAL_DOCUMENT: 1 },
      blocked: false,
      left: 0,
    }
    expect(inPieces(`Falcon ${MEMO}`, plan, [3, 90, 200])).toEqual(expected)
    expect(scanText(`Falcon ${MEMO}`, plan).text).toBe(expected.out)
  })

  it('refuses a list with a term that would be found everywhere, or never, and names the line alone', () => {
    for (const [list, line] of [
      ['Falcon\nx', 2],
      ['word '.repeat(13), 1],
      ['a'.repeat(1_100), 1],
    ] as const)
      expect(() => terms(list)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID', evidence: { line } }))
    expect(() => terms('# nothing\n\n')).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }))
  })
})

describe('training data (C8)', () => {
  const plan = planOf([rows(COLUMNS, ROWS)])

  it('finds a row as CSV, JSON, a list, a table and prose of its values (C8)', () => {
    for (const text of [
      'P-20931,Abernathy,Leeds,sarcoidosis,54',
      '"P-20931";"Abernathy";"Leeds";"sarcoidosis";"54"',
      JSON.stringify({ patient_id: 'P-20931', surname: 'Abernathy', city: 'Leeds', diagnosis: 'sarcoidosis', age: 54 }, null, 2),
      '- Patient ID: P-20931\n- Surname: Abernathy\n- City: Leeds\n- Diagnosis: sarcoidosis\n- Age: 54',
      '<tr><td>P-20931</td><td>Abernathy</td><td>Leeds</td><td>sarcoidosis</td><td>54</td></tr>',
      '| P-20933 | Lindqvist | Hull | | 77 |',
      '{"patient_id":"P-20933","surname":"Lindqvist","city":"Hull","diagnosis":null,"age":77}',
    ])
      expect(entities(`It said:\n${text}\n`, plan), text).toContain('TRAINING_DATA')
  })

  it('does not find values alone, of several rows mixed, or words of prose (C8)', () => {
    for (const text of [
      'Leeds and York',
      'Abernathy lives in Leeds',
      'sarcoidosis at 54',
      'P-20931,Okonkwo,Hull,asthma,54',
      'The diagnosis asthma is common in York at the age of 31.',
    ])
      expect(entities(text, plan), text).toEqual([])
  })

  it('does not take a long cell alone for a row (C8)', () => {
    const cell = 'Private limited company of the Kingdom of Norway proper'
    const companies = planOf([
      rows(
        ['id', 'kind', 'city', 'tax'],
        [
          ['C-1', cell, 'Oslo', 'A'],
          ['C-2', 'Public body', 'Oslo', 'B'],
        ],
      ),
    ])
    expect(entities(`It is a ${cell} here.`, companies)).toEqual([])
    expect(entities(`C-1, ${cell}, Oslo, A`, companies)).toEqual(['TRAINING_DATA'])
  })

  it('drops what more than three rows have in common (C8)', () => {
    const common = ['Private sector', 'United States', 'never married', 40, 'full time', 'no children']
    const columns = ['id', 'sector', 'country', 'status', 'hours', 'work', 'family']
    const alike = planOf([
      rows(
        columns,
        Array.from({ length: 5 }, (_, i) => [`subject-${i}`, ...common]),
      ),
    ])
    const few = planOf([
      rows(
        columns,
        Array.from({ length: 2 }, (_, i) => [`subject-${i}`, ...common]),
      ),
    ])
    expect(entities(common.join(', '), alike)).toEqual([])
    expect(entities(common.join(', '), few)).toEqual(['TRAINING_DATA'])
    expect(entities(`subject-3, ${common.join(', ')}`, alike)).toEqual(['TRAINING_DATA'])
  })

  it('finds long texts of a column (C8)', () => {
    const notes = planOf([rows(['id', 'note'], [[1, MEMO]])])
    expect(entities(`she wrote ${MEMO.slice(100, 230)}`, notes)).toEqual(['TRAINING_DATA'])
  })
})

describe('canaries (C8)', () => {
  it('blocks one in any text, whatever the policy says, and its parts (C8)', () => {
    for (const text of [CANARY, CANARY.toUpperCase(), CANARY.slice(2, 18), [...CANARY].join('-'), [...CANARY].join('\u200b')])
      expect(scanText(`code ${text} end`, planOf([canary(CANARY)], {})), text).toMatchObject({ text: 'code ', blocked: true })
    expect(scanText(`code ${CANARY.slice(0, 15)} end`, planOf([canary(CANARY)], {})).blocked).toBe(false)
  })

  it('cannot be asked to be let through (C8)', () => {
    for (const action of ['allow', 'mask'] as const) expect(() => compilePlan({ CANARY: action })).toThrow('always blocked')
  })
})

const PARTS = [
  MEMO.slice(20, 180),
  MEMO.slice(60, 120),
  'P-20931,Abernathy,Leeds,sarcoidosis,54',
  'Project Falcon',
  'blaue Mauer',
  'STRICTLY PRIVATE',
  'jane@example.com',
  '4111 1111 1111 1111',
  'the quick brown fox ',
  ' ',
  '\n\n',
  '😀',
  '\ud83d',
  '\u200b',
  'ﬁ',
  'x'.repeat(90),
  'Zug Zug',
]
const texts = fc.array(fc.constantFrom(...PARTS), { minLength: 1, maxLength: 8 }).map((parts) => parts.join(' '))

describe('streams (C7, C8)', () => {
  it('puts out the same for every chunking, which is what a whole text gives', () => {
    for (const actions of [
      ACTIONS,
      { ...ACTIONS, CONFIDENTIAL_TERM: 'block', default: 'mask' },
      { ...ACTIONS, default: 'mask' },
    ] as const) {
      const plan = { ...planOf(EVERYTHING.confidential!.index, actions) }
      fc.assert(
        fc.property(texts, fc.array(fc.nat(1_500), { maxLength: 12 }), (text, cuts) => {
          const whole = scanText(text, plan)
          const within = cuts.map((cut) => cut % (text.length + 1))
          for (const pieces of [within, [...text].map((_, i) => i), Array.from({ length: text.length }, (_, i) => i), []]) {
            const findings = Object.fromEntries(
              Map.groupBy(whole.findings, ({ entity }) => entity)
                .entries()
                .map(([k, v]) => [k, v.length]),
            )
            expect(inPieces(text, plan, pieces)).toEqual({ out: whole.text, findings, blocked: whole.blocked, left: 0 })
          }
        }),
        { numRuns: 150 },
      )
    }
  })

  it('finds the same for every chunking in the mode `cut`, and says how much had left', () => {
    const plan = planOf(EVERYTHING.confidential!.index, { ...ACTIONS, CONFIDENTIAL_DOCUMENT: 'block', TRAINING_DATA: 'block' }, 'cut')
    fc.assert(
      fc.property(texts, fc.array(fc.nat(1_500), { maxLength: 12 }), (text, cuts) => {
        const whole = inPieces(text, plan, [])
        const pieces = inPieces(
          text,
          plan,
          cuts.map((cut) => cut % (text.length + 1)),
        )
        expect({ blocked: pieces.blocked, findings: pieces.findings }).toEqual({ blocked: whole.blocked, findings: whole.findings })
      }),
      { numRuns: 200 },
    )
    const intro = 'Here is what you asked for, to the letter and as it was written down. '
    const text = intro + MEMO
    const { out, blocked, left } = inPieces(
      text,
      plan,
      Array.from({ length: text.length }, (_, i) => i),
    )
    expect(blocked).toBe(true)
    expect(text.startsWith(out)).toBe(true)
    // What left of the passage, and of what stands before it where it might have begun.
    expect(left).toBeGreaterThanOrEqual(out.length - intro.length)
    expect(left).toBeLessThanOrEqual(out.length - intro.length + 30)
    expect(out.length - intro.length).toBeGreaterThan(GUARANTEE / 2)
    expect(out.length - intro.length).toBeLessThan(70)
  })

  it('holds back no more than its window, and at most the cap whatever stands between the letters', () => {
    const plan = planOf([document(MEMO)])
    const plain = createRedactor(plan)
    let most = 0
    for (const unit of 'The quick brown fox jumps over the lazy dog again. '.repeat(40)) {
      plain.push(unit)
      most = Math.max(most, plain.heldBack)
    }
    expect(most).toBeLessThan(120)
    const spread = Array.from(MEMO.slice(0, 200)).join(' '.repeat(100))
    const { out, findings, left } = inPieces(
      spread,
      plan,
      Array.from({ length: spread.length }, (_, i) => i),
    )
    expect(findings).toEqual({ CONFIDENTIAL_DOCUMENT: 1 })
    expect(left).toBeGreaterThan(0)
    expect(out).toBe(inPieces(spread, plan, [1_000, 9_999]).out)
    expect(scanText(spread, plan).text.trimEnd()).toBe('[CONFIDENTIAL_DOCUMENT]')
  })

  it('begins anew after a flush', () => {
    const plan = planOf([document(MEMO), terms('Project Falcon')])
    const redactor = createRedactor(plan)
    const out = redactor.push('Project') + redactor.flush() + redactor.push(' Falcon') + redactor.flush()
    expect(out).toBe('Project Falcon')
    expect(redactor.push('Project Falcon') + redactor.flush()).toBe('[CONFIDENTIAL_TERM]')
  })

  it('gives the same in slices', () => {
    const text = `${'The quick brown fox. '.repeat(900)}${MEMO}${' jane@example.com'.repeat(900)}`
    const plan = planOf(EVERYTHING.confidential!.index, { ...ACTIONS, default: 'mask' })
    const search = scanInSlices(text, plan)
    let turns = 0
    let step = search.next()
    for (; step.done !== true; step = search.next()) turns++
    expect(turns).toBeGreaterThan(3)
    expect(step.value).toEqual(scanText(text, plan))
    const email = step.value.findings.findLast(({ entity }) => entity === 'EMAIL_ADDRESS')
    expect(text.slice(email!.start, email!.end)).toBe('jane@example.com')
  })
})

describe('bounds', () => {
  it('searches 1 MB of hostile text in bounded time (C7)', () => {
    const plan = planOf([document(MEMO), terms('Project Falcon', 'a a a a a a a a a a a a'), rows(COLUMNS, ROWS), canary(CANARY)])
    for (const text of ['a', 'a ', 'ab', MEMO, 'Project ', '\u200b', '\ufdfa', '社', '\ud83d', ' ', 'P-20931,Abernathy,Leeds,'])
      for (const run of [() => scanText(text.repeat(1_000_000 / text.length), plan)]) {
        const started = performance.now()
        run()
        expect(performance.now() - started, text.slice(0, 9)).toBeLessThan(60_000)
      }
  }, 400_000)

  it('holds a dictionary of a million terms in less than 32 MB and looks each up exactly (C7)', () => {
    const reader = new TermsReader(KEY)
    const name = (i: number): string => `client ${(i * 2_654_435_761) % 4_294_967_296} holding`
    for (let i = 0; i < 1_000_000; i += 1_000) reader.push(Array.from({ length: 1_000 }, (_, k) => `${name(i + k)}\n`).join(''))
    const index = confidentialIndex(KEY, [reader.finish()])
    expect(index.bytes).toBeLessThan(32e6)
    const plan = planOf(index)
    for (let i = 0; i < 1_000_000; i += 9_973) expect(scanText(`of ${name(i)}.`, plan).text).toBe('of [CONFIDENTIAL_TERM].')
    for (let i = 0; i < 1_000; i++) expect(entities(`client ${i}x holding`, plan)).toEqual([])
  }, 400_000)
})

describe('a text that is too large to be registered as one (C7)', () => {
  it.each([
    ['document', 8],
    ['public', 2],
  ] as const)('is refused while it is read: %s', (kind, mebi) => {
    const reader = new DocumentReader(KEY, kind)
    // Signs that are no letters cost nothing to read, and count.
    const part = ' '.repeat(1024 * 1024)
    for (let i = 0; i < mebi; i++) reader.push(part)
    expect(() => reader.push('x')).toThrowError(expect.objectContaining({ code: 'ERR_INPUT_TOO_LARGE' }))
  })
})
