import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compilePlan, type FilterPlan } from '../plan.ts'
import { createRedactor, createScanner, type Scan, scanText } from '../redactor.ts'
import type { Finding } from '../segment-machine.ts'
import { seededRandom } from '../text/random.ts'
import { confidentialIndex } from './confidential-index.ts'
import { CONFIDENTIAL_HOLD_BACK_CAP, type StreamMode } from './confidential-redactor.ts'
import { confidentialActions } from './entities.ts'
import { madeDocument, madeExamples } from '../../../../test/fixtures/confidential-examples.ts'
import { LetterReader } from './letter-reader.ts'
import { DocumentReader } from './read-documents.ts'
import { BUCKETS, LONGEST_SENTENCE, SentenceReader } from './sentence-reader.ts'
import { OPEN_KEY } from './text-model.ts'
import { trainText } from './train-text.ts'

const MODEL = trainText(madeExamples(40, 7), OPEN_KEY, { seed: 1 })
const random = seededRandom(11)
const SECRET = madeDocument(1, random).split(/(?<=[.]) /u)
const OPEN = madeDocument(0, random).split(/(?<=[.]) /u)
const registered = (() => {
  const reader = new DocumentReader(OPEN_KEY)
  reader.push('The lighthouse keepers of the northern islands write a letter to one another on the first day of every winter.')
  return reader.finish()
})()

function planOf(actions: Parameters<typeof compilePlan>[0] = { CONFIDENTIAL_TEXT: 'mask' }, mode: StreamMode = 'hold'): FilterPlan {
  const index = confidentialIndex(OPEN_KEY, [registered], { classifier: MODEL })
  return { ...compilePlan(actions), confidential: { index, actions: confidentialActions(actions), mode } }
}

interface Ended {
  readonly out: string
  readonly findings: object
  readonly blocked: boolean
  readonly left: number
}
function inPieces(text: string, plan: FilterPlan, cuts: Iterable<number>): Ended {
  const redactor = createRedactor(plan)
  let out = ''
  let from = 0
  for (const to of cuts) {
    out += redactor.push(text.slice(from, to))
    from = to
  }
  out += redactor.push(text.slice(from)) + redactor.flush()
  return { out, findings: Object.fromEntries(redactor.findings), blocked: redactor.blocked, left: redactor.left ?? 0 }
}
const everyUnit = (text: string): readonly number[] => Array.from({ length: text.length }, (_, i) => i)
const counted = ({ text, findings, blocked }: Scan): Ended => ({
  out: text,
  findings: Object.fromEntries([...Map.groupBy(findings, ({ entity }) => entity)].map(([entity, all]) => [entity, all.length])),
  blocked,
  left: 0,
})

interface Read {
  readonly sentences: readonly string[]
  readonly words: number
  readonly features: readonly number[]
}
function read(text: string, cuts: Iterable<number> = []): Read {
  const sentences: string[] = []
  const features: number[] = []
  let words = 0
  const sink = new SentenceReader(OPEN_KEY, {
    word(buckets, count) {
      words++
      features.push(...buckets.subarray(0, count))
    },
    sentence: (start, end) => sentences.push(text.slice(start, end)),
  })
  const reader = new LetterReader(sink)
  let from = 0
  for (const to of cuts) {
    reader.push(text.slice(from, to))
    from = to
  }
  reader.push(text.slice(from))
  reader.end()
  sink.end()
  return { sentences, words, features }
}

describe('sentences (C7)', () => {
  it('end at full stops before white space, at empty lines and at wide stops, and never short', () => {
    const long = (word: string): string => `${word} and some more words that make it long enough to be judged`
    expect(read(`${long('One')}. ${long('Two')}! «${long('Three')}?» ${long('Four')}`).sentences).toEqual(
      ['One', 'Two', 'Three', 'Four'].map(long),
    )
    expect(read(`${long('Paragraph')}\n\n${long('Next')}`).sentences).toHaveLength(2)
    expect(read(`${long('Line')}\n${long('goes on')}`).sentences).toHaveLength(1)
    expect(read(`Dr. No. 3.5 vs. Yes. ${long('So')}. Short.`).sentences).toHaveLength(2)
    expect(read(`${'社'.repeat(45)}。${'外'.repeat(45)}！`).sentences).toEqual(['社'.repeat(45), '外'.repeat(45)])
    expect(read(long('Version 3.5 of a.b.c')).sentences).toHaveLength(1)
    expect(read(' \n\n.?!. \n').sentences).toEqual([])
  })

  it('have an end whatever stands in them', () => {
    const { sentences, features } = read('x'.repeat(10_000))
    expect(sentences.every(({ length }) => length <= LONGEST_SENTENCE)).toBe(true)
    expect(features.every((bucket) => bucket >= 0 && bucket < BUCKETS)).toBe(true)
    expect(read('word '.repeat(1_000)).sentences.length).toBeGreaterThan(10)
  })

  it('read alike in other case, with accents, invisible signs, look-alikes and other numbers', () => {
    const text = 'The steering group met on 12 May and spoke of the price of Ardal Mining again.'
    const { features } = read(text)
    for (const same of [
      text.toUpperCase(),
      text.replaceAll('e', 'é').normalize('NFD'),
      [...text].join('\u200b'),
      text.replaceAll('a', 'а'),
      text.replace('12', '77'),
    ])
      expect(read(same).features, same).toEqual(features)
    expect(read(text.replace('12', '123')).features).not.toEqual(features)
    expect(read(text.replace('price', 'prize')).features).not.toEqual(features)
  })

  it('are the same for every cutting', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...SECRET, ' ', '. ', '\n', '\n\n', '😀', '\ud83d', 'ﷺ', '。', '1.5', '\u200b'), { maxLength: 9 }),
        (parts) => {
          const text = parts.join('')
          expect(read(text, everyUnit(text))).toEqual(read(text))
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('confidential text in whole texts (C7)', () => {
  it('is masked by passages, where a policy names it and nowhere else (C7)', () => {
    const text = `${OPEN.join(' ')}\n\n${SECRET.slice(0, 4).join(' ')}\n\n${OPEN.join(' ')}`
    const { text: masked, findings } = scanText(text, planOf())
    expect(findings.map(({ entity }) => entity)).toEqual(['CONFIDENTIAL_TEXT'])
    expect(masked).toMatch(/\[CONFIDENTIAL_TEXT\]/u)
    expect(masked).not.toMatch(/nobody outside|million/u)
    expect(masked.length).toBeGreaterThan(1.5 * OPEN.join(' ').length)
    for (const actions of [{ default: 'mask' }, { CONFIDENTIAL_DOCUMENT: 'mask' }, { CONFIDENTIAL_TEXT: 'allow' }] as const)
      expect(scanText(text, planOf(actions)).text).toBe(text)
    expect(scanText(text, planOf({ CONFIDENTIAL_TEXT: 'log' }))).toMatchObject({ text, blocked: false, findings: [{ action: 'log' }] })
    expect(scanText(text, planOf({ CONFIDENTIAL_TEXT: 'block' }))).toMatchObject({ blocked: true })
    expect(scanText(text, planOf({ CONFIDENTIAL_TEXT: 'block' })).text).not.toContain('million')
  })

  it('does not judge a short text alone (C7)', () => {
    expect(scanText('Halvorsen Marine.', planOf()).findings).toEqual([])
    // But one that comes at the end of what is confidential goes with it.
    expect(scanText(`${SECRET[0]} Halvorsen Marine.`, planOf()).text).toBe('[CONFIDENTIAL_TEXT].')
  })

  it('is scanned for in files as it is in texts, in order, and values inside of it are not told twice', () => {
    const text = `Mail jane@example.com. ${OPEN.join(' ')}\n\n${SECRET[0]} Ask joe@example.com, he knows of ${SECRET[1]}\n\n${OPEN.join(' ')} Or ask ann@example.com.`
    const plan = planOf({ CONFIDENTIAL_TEXT: 'mask', EMAIL_ADDRESS: 'mask' })
    const found: Finding[] = []
    const scanner = createScanner(plan, (finding) => found.push(finding))
    for (const unit of text) scanner.push(unit)
    expect(scanner.heldBack).toBeGreaterThan(0)
    scanner.flush()
    expect(found.map(({ entity }) => entity)).toEqual(['EMAIL_ADDRESS', 'CONFIDENTIAL_TEXT', 'EMAIL_ADDRESS'])
    const whole = scanText(text, plan).findings
    expect(found.map(({ start }) => start)).toEqual(whole.map(({ start }) => start))
    scanner.push('ann@example.com')
    scanner.flush()
    expect(found.at(-1)).toMatchObject({ start: 0, end: 15 })
  })
})

describe('confidential text in streams (C7)', () => {
  const text = `${OPEN[0]} ${OPEN[1]} ${SECRET[0]} ${SECRET[1]}\n\nMail jane@example.com! ${OPEN[2]} ${SECRET[2]} ${OPEN[3]}`

  it('puts out the same for every cut in two and for single units, which is what a whole text gives (C7)', () => {
    for (const actions of [
      { CONFIDENTIAL_TEXT: 'mask', default: 'mask' },
      { CONFIDENTIAL_TEXT: 'block', default: 'mask' },
      { CONFIDENTIAL_TEXT: 'log' },
    ] as const) {
      const plan = planOf(actions)
      const whole = counted(scanText(text, plan))
      expect(whole.findings).toHaveProperty('CONFIDENTIAL_TEXT')
      for (let cut = 0; cut <= text.length; cut++) expect(inPieces(text, plan, [cut]), `cut at ${cut}`).toEqual(whole)
      expect(inPieces(text, plan, everyUnit(text))).toEqual(whole)
    }
  })

  it('puts out the same for every chunking of anything', () => {
    const parts = [
      ...SECRET,
      ...OPEN,
      'The lighthouse keepers of the northern islands write a letter to one another on the first day',
      'jane@example.com',
      ' ',
      '\n\n',
      '. ',
      '😀',
      '\ud83d',
      'x'.repeat(700),
    ]
    const texts = fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 9 }).map((some) => some.join(' '))
    for (const actions of [
      { CONFIDENTIAL_TEXT: 'mask', CONFIDENTIAL_DOCUMENT: 'mask', default: 'mask' },
      { CONFIDENTIAL_TEXT: 'mask', CONFIDENTIAL_DOCUMENT: 'block' },
    ] as const) {
      const plan = planOf(actions)
      fc.assert(
        fc.property(texts, fc.array(fc.nat(3_000), { maxLength: 9 }), (some, cuts) => {
          const whole = counted(scanText(some, plan))
          const within = cuts.map((cut) => cut % (some.length + 1)).sort((a, b) => a - b)
          for (const pieces of [within, everyUnit(some)]) expect(inPieces(some, plan, pieces)).toEqual(whole)
        }),
        { numRuns: 100 },
      )
    }
  })

  it('lets nothing of a passage out that is blocked, held back until it is judged (C7)', () => {
    const plan = planOf({ CONFIDENTIAL_TEXT: 'block' })
    const { out, blocked, left } = inPieces(
      `${OPEN[0]} ${OPEN[1]} ${SECRET[0]} ${SECRET[1]}`,
      plan,
      everyUnit(`${OPEN[0]} ${OPEN[1]} ${SECRET[0]}`),
    )
    expect([blocked, left]).toEqual([true, 0])
    expect(`${OPEN[0]} ${OPEN[1]} `.startsWith(out)).toBe(true)
  })

  it('cuts what follows in the mode `cut`, and says how much had left (C7)', () => {
    const plan = planOf({ CONFIDENTIAL_TEXT: 'block' }, 'cut')
    const shown = `${OPEN[0]} ${OPEN[1]} ${SECRET[0]} ${SECRET[1]} ${OPEN[2]}`
    const byUnit = inPieces(shown, plan, everyUnit(shown))
    expect(byUnit.blocked).toBe(true)
    expect(shown.startsWith(byUnit.out)).toBe(true)
    expect(byUnit.out).not.toContain(OPEN[2])
    expect(byUnit.left).toBeGreaterThan(SECRET[0]!.length / 2)
    const { blocked, findings } = inPieces(shown, plan, [40, 200])
    expect({ blocked, findings }).toEqual({ blocked: true, findings: byUnit.findings })
  })

  it('holds back three sentences, and at most the cap whatever stands between the letters (C7)', () => {
    const redactor = createRedactor(planOf())
    let most = 0
    const open = OPEN.join(' ')
    for (const unit of open.repeat(3)) {
      redactor.push(unit)
      most = Math.max(most, redactor.heldBack)
    }
    expect(most).toBeGreaterThan(Math.max(...OPEN.map(({ length }) => length)))
    expect(most).toBeLessThan(4 * Math.max(...OPEN.map(({ length }) => length)))
    const spread = `${OPEN[0]} ${SECRET.slice(0, 3).join(' ')}`.replaceAll(' ', ' '.repeat(400))
    const slow = createRedactor(planOf())
    let out = ''
    for (const unit of spread) {
      out += slow.push(unit)
      expect(slow.heldBack).toBeLessThan(CONFIDENTIAL_HOLD_BACK_CAP + 1_100)
    }
    out += slow.flush()
    expect(slow.findings.get('CONFIDENTIAL_TEXT')).toBeGreaterThan(0)
    expect(slow.left).toBeGreaterThan(0)
    expect(out).toBe(inPieces(spread, planOf(), [900, 7_000]).out)
  })

  it('begins anew after a flush', () => {
    const redactor = createRedactor(planOf())
    const out = redactor.push(SECRET[0]!) + redactor.flush() + redactor.push(OPEN[0]!) + redactor.flush()
    expect(out).toBe(`[CONFIDENTIAL_TEXT].${OPEN[0]}`)
  })
})

describe('bounds of confidential text', () => {
  it('searches half a megabyte of hostile text in bounded time (C7)', { timeout: 200_000 }, () => {
    for (const unit of ['a', 'a ', '. ', 'a. ', SECRET[0]!, '\n\n', '\u200b', '\ufdfa', '社', '。', '\ud83d', 'aaaaaaaa. '.repeat(6)]) {
      const before = process.cpuUsage()
      scanText(unit.repeat(Math.ceil(500_000 / unit.length)), planOf())
      const { user, system } = process.cpuUsage(before)
      expect((user + system) / 1e6, JSON.stringify(unit.slice(0, 9))).toBeLessThan(15)
    }
  })
})
