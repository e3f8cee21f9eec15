import { compilePlan, createRedactor, RECOGNISERS, scanText } from '#gateway/filters'
import { ENTITY_EXPRESSIONS } from './entity-expressions.ts'
import type { Row } from './row.ts'

const PROSE =
  'The patient was admitted on Monday with mild symptoms; blood pressure and pulse were normal, and the second examination in March 2024 showed no change. ' +
  'Please forward the report to the department, which will answer within 14 days (see section 3.2 of the agreement), and keep a copy for the file. '
/** One in about seven characters belongs to a value or a look-alike. */
const VALUES =
  'Contact jane.doe@example.com or +44 20 7946 0958, card 4111 1111 1111 1111, IBAN GB29 NWBK 6016 1331 9268 19, SSN 521-44-9382, host 192.168.0.1, order 4111111111111112. '
/** What fifty recognisers cost as expressions that are run one after the other: bounded, of the kinds that are looked for here. */
const SEQUENTIAL: readonly RegExp[] = [
  /[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}/g, /\b(?:\d[ -]?){12,18}\d\b/g, /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}\b/g, /\b\d{3}-\d{2}-\d{4}\b/g, /\b(?:\d{1,3}\.){3}\d{1,3}\b/g, /\b\+?\d[\d ()-]{7,16}\d\b/g,
  /\bsk-[A-Za-z0-9]{20,64}\b/g, /\bAKIA[A-Z2-7]{16}\b/g, /\beyJ[\w-]{10,500}\.[\w-]{10,500}\.[\w-]{10,500}\b/g, /https?:\/\/[^\s]{1,200}/g, /\b\d{4}-\d{2}-\d{2}\b/g, /\b\d{1,2}\/\d{1,2}\/\d{2,4}\b/g,
  /\b(?:January|February|March|April|May|June|July|August|September|October|November|December) \d{1,2}, \d{4}\b/g, /\b\d{1,5} [A-Z][a-z]{2,20} (?:Street|Road|Avenue|Lane)\b/g, /\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b/g, /\b(?:[0-9A-F]{2}:){5}[0-9A-F]{2}\b/gi,
  ...Array.from({ length: 34 }, (_, i) => new RegExp(`\\b[A-Z]{${i % 3}}\\d{${4 + (i % 9)}}[-. ]?\\d{${2 + (i % 5)}}[A-Z]{${i % 2}}\\b`, 'g')),
] // prettier-ignore
/** What those expressions are about, as far as they are about something: their entities, and as many of the tables as there are made ones. */
const FIFTY: readonly string[] = (() => {
  const named =
    'EMAIL_ADDRESS CREDIT_CARD IBAN_CODE US_SSN IP_ADDRESS PHONE_NUMBER API_KEY URL DATE_TIME ADDRESS UK_POSTCODE MAC_ADDRESS'.split(' ')
  const numbers = RECOGNISERS.flatMap(({ entities }) => [...entities]).filter(
    (entity) => /^[A-Z]{2}_/u.test(entity) && !named.includes(entity),
  )
  return [...named, ...numbers.slice(0, 50 - named.length)]
})()
const SIZE = 10_000_000
const DELTA_UNITS = 20
const REPETITIONS = 5

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!
}

/** Milliseconds of CPU, median of `REPETITIONS` after one to warm up. */
function cost(run: () => void): number {
  run()
  const times: number[] = []
  for (let i = 0; i < REPETITIONS; i++) {
    const before = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(before)
    times.push((user + system) / 1000)
  }
  return median(times)
}

export const benchmark = {
  name: 'filters',
  async run(): Promise<readonly Row[]> {
    const plan = compilePlan({ default: 'mask' })
    const block = PROSE.repeat(3) + VALUES
    const mixed = block.repeat(Math.ceil(SIZE / block.length)).slice(0, SIZE)
    const prose = PROSE.repeat(Math.ceil(SIZE / PROSE.length)).slice(0, SIZE)
    const perSecond = (text: string): number => text.length / 1e6 / (cost(() => void scanText(text, plan)) / 1000)
    const deltas: string[] = []
    for (let at = 0; at < SIZE / 5; at += DELTA_UNITS) deltas.push(mixed.slice(at, at + DELTA_UNITS))
    const perDelta = cost(() => {
      const redactor = createRedactor(plan)
      for (const delta of deltas) redactor.push(delta)
      redactor.flush()
    })
    const held: number[] = []
    const redactor = createRedactor(plan)
    for (const delta of deltas) {
      redactor.push(delta)
      held.push(redactor.heldBack)
    }
    held.sort((a, b) => a - b)
    const oneByOne = (expressions: readonly RegExp[]): number =>
      cost(() => {
        let found = 0
        for (const pattern of expressions) for (const _match of mixed.slice(0, SIZE / 5).matchAll(pattern)) found++
        if (found === 0) throw new Error('the expressions find nothing')
      })
    const sequential = oneByOne(SEQUENTIAL)
    const written = oneByOne(ENTITY_EXPRESSIONS)
    const entities = RECOGNISERS.flatMap((recogniser) => recogniser.entities)
    const everything = compilePlan(Object.fromEntries(entities.map((entity) => [entity, 'mask'])))
    const message = block.repeat(3).slice(0, 2_000)
    const messages = 2_000
    const perMessage = cost(() => {
      for (let i = 0; i < messages; i++) scanText(PROSE.repeat(7).slice(i % 7, 2_000 + (i % 7)), everything)
    })
    const perMixedMessage = cost(() => {
      for (let i = 0; i < messages; i++) scanText(`${i % 10}${message}`, everything)
    })
    const part = mixed.slice(0, SIZE / 5)
    const own = cost(() => void scanText(part, plan))
    const ratio = sequential / own
    const fifty = compilePlan(Object.fromEntries(FIFTY.map((entity) => [entity, 'mask'])))
    const likeRatio = sequential / cost(() => void scanText(part, fifty))
    const note = `${entities.length} entities, all on, one core`
    return [
      {
        what: 'filters: whole text, 85 % prose and 15 % values',
        value: perSecond(mixed),
        unit: 'MB/s',
        target: 20,
        comparator: '>=',
        note,
      },
      { what: 'filters: whole text, prose', value: perSecond(prose), unit: 'MB/s', target: 20, comparator: '>=', note },
      {
        what: 'filters: whole text, of what fifty expressions one after the other take, mixed text',
        value: ratio,
        unit: 'times',
        target: 3,
        comparator: '>=',
        note: `${entities.length} entities with check digits, context, overlaps and masks, against ${SEQUENTIAL.length} bounded expressions that only match`,
      },
      {
        what: 'filters: whole text, of what an expression for each of fifty entities takes, one after the other, mixed text',
        value: written / own,
        unit: 'times',
        target: 3,
        comparator: '>=',
        note: `${entities.length} entities as above, against ${ENTITY_EXPRESSIONS.length} expressions as rule lists have them (bench/entity-expressions.ts)`,
      },
      {
        what: 'filters: whole text, fifty entities, of what fifty expressions one after the other take, mixed text',
        value: likeRatio,
        unit: 'times',
        target: 3,
        comparator: '>=',
        note: `${FIFTY.length} entities with check digits, context, overlaps and masks, against ${SEQUENTIAL.length} bounded expressions that only match`,
      },
      {
        what: 'filters: a message of 2 KB of prose, everything looked for',
        value: (perMessage * 1000) / messages,
        unit: 'µs',
        target: 60,
        comparator: '<=',
        note,
      },
      {
        what: 'filters: a message of 2 KB with thirteen values, everything looked for',
        value: (perMixedMessage * 1000) / messages,
        unit: 'µs',
        target: 60,
        comparator: '<=',
        note,
      },
      {
        what: `filters: stream, CPU a delta of ${DELTA_UNITS} characters`,
        value: (perDelta * 1000) / deltas.length,
        unit: 'µs',
        target: 10,
        comparator: '<=',
        note,
      },
      {
        what: 'filters: stream, characters held back after a delta, p99',
        value: held[Math.floor(held.length * 0.99)]!,
        unit: 'chars',
        target: 64,
        comparator: '<=',
      },
    ]
  },
}
