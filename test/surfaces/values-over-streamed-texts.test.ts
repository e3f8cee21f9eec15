/** A value that is cut over the texts of a streamed answer is seen as in the whole answer of the same texts, on every surface of language models: C6. */
import { describe, expect, it } from 'vitest'
import type { FilterAction } from '#foundation/core'
import { compilePlan, createRedactor, forReviewer, type FilterPlan, type Redactor } from '#gateway/filters'
import { streamedCrossings } from '#gateway/pipeline'
import { SseParser } from '../../src/gateway/routes/sse.ts'
import { IDENTIFIERS } from '../../src/gateway/filters/identifiers/table.ts'
import { random, valuesOf } from '../../src/gateway/filters/identifiers/values.fixture.ts'
import { pass, SURFACES } from './surface.fixture.ts'
import { type Shape, SHAPES, streamedIn, type Texts, textsIn } from './told-texts.fixture.ts'

const CARD = '4111 1111 1111 1111'
const MASK = compilePlan({ default: 'mask' })
const ASK: Readonly<Record<Shape['surface'], object>> = {
  'chat completions': { messages: [{ role: 'user', content: 'x' }], tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }] },
  messages: { max_tokens: 5, messages: [{ role: 'user', content: 'x' }], tools: [{ name: 'f', input_schema: { type: 'object' } }] },
  responses: { input: 'x', tools: [{ type: 'function', name: 'f', parameters: { type: 'object' } }] },
} // prettier-ignore

interface Outcome {
  readonly out: string
  /** What had left after each event of the upstream. */
  readonly steps: Texts
  readonly state: string
  readonly findings: Readonly<Record<string, number>>
}

/** @param step bytes that the upstream sends at a time; all of an event where it is left out. */
function run({ surface }: Shape, upstream: string, plan: FilterPlan = MASK, step = 0): Outcome {
  const redactors: Redactor[] = []
  const counts = { findings: new Map<string, number>(), actions: new Map<string, number>() }
  const protocol = SURFACES[surface]!
  const body = Buffer.from(JSON.stringify({ model: 'm', stream: true, ...ASK[surface] }))
  const request = protocol.parseRequest(body, { header: () => undefined } as never)
  const stream = protocol.openStream!(request, {
    publicModel: 'm',
    createRedactor: () => (redactors.push(createRedactor(plan)), redactors.at(-1)!),
    createSilentRedactor: () => createRedactor(plan),
    createCrossing: streamedCrossings(plan, counts),
    tools: null,
    requestId: 'r',
    now: 0,
  })
  const bytes = Buffer.from(upstream)
  const chunks =
    step === 0
      ? upstream.split(/(?<=\n\n)/).map((event) => Buffer.from(event))
      : Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) => bytes.subarray(i * step, (i + 1) * step))
  const steps: string[] = []
  for (const chunk of chunks) if (stream.state === 'open') steps.push((steps.at(-1) ?? '') + stream.push(chunk))
  const state = stream.state
  const findings: Record<string, number> = {}
  for (const one of [...redactors, counts]) for (const [entity, count] of one.findings) findings[entity] = (findings[entity] ?? 0) + count
  return { out: (steps.at(-1) ?? '') + stream.closing(), steps, state, findings }
}

// oxlint-disable-next-line typescript/no-explicit-any -- what a test reads of JSON
const eventsOf = (out: string): any[] =>
  new SseParser().push(Buffer.from(out)).flatMap(({ data }) => (data === '[DONE]' ? [] : [JSON.parse(data)]))

async function wholeOf(shape: Shape, texts: Texts): Promise<Texts> {
  const { got } = await pass(shape.surface, ASK[shape.surface], shape.whole(texts))
  return textsIn(shape, got!)
}

/** Cuts `value` into as many pieces as there are texts, with words around. */
function cutOver(shape: Shape, value: string, at: number): Texts {
  const count = shape.json.length
  const cuts = Array.from({ length: count - 1 }, (_, i) => Math.min(value.length, at + i * 3))
  return Array.from({ length: count }, (_, i) => {
    const piece = value.slice(i === 0 ? 0 : cuts[i - 1], i === count - 1 ? value.length : cuts[i])
    return `${i === 0 ? 'so my card is ' : ''}${piece}${i === count - 1 ? ' until May' : ''}`
  })
}

describe.each(SHAPES.map((shape) => [shape.surface, shape.what, shape] as const))(
  'a value cut over %s, %s, in a stream',
  (_s, _w, shape) => {
    // Groups that are cut again are groups of none.
    const card = shape.json.length === 2 ? CARD : CARD.replaceAll(' ', '')
    const last = card.length - 1 - (shape.json.length - 2) * 3

    it('is taken out as in the whole answer, wherever it is cut and however it comes (C6)', async () => {
      for (let at = 1; at <= last; at++) {
        const texts = cutOver(shape, card, at)
        const whole = await wholeOf(shape, texts)
        expect(whole.join('|')).toContain('[CREDIT_CARD]')
        for (const size of [1, 3, 1000]) {
          const { out, state, findings } = run(shape, shape.stream(texts, size))
          const { told, repeated } = streamedIn(shape, eventsOf(out))
          expect([state, at, size, told, findings]).toEqual(['complete', at, size, whole, { CREDIT_CARD: 1 }])
          for (const again of repeated) for (const text of again) expect(whole).toContain(text)
        }
      }
    })

    it('gives the same bytes for every chunking (C6)', () => {
      const upstream = shape.stream(cutOver(shape, card, 9), 2)
      const { out } = run(shape, upstream)
      for (const step of [1, 7, 64, 100_000]) expect(run(shape, upstream, MASK, step).out).toBe(out)
    })

    it('ends the stream where it may not leave, before it (C6)', () => {
      const plan = (action: FilterAction): FilterPlan => compilePlan({ CREDIT_CARD: action })
      for (const action of ['block', 'review'] as const) {
        const { out, state, findings } = run(shape, shape.stream(cutOver(shape, card, 9), 2), plan(action))
        expect([state, findings]).toEqual(['blocked', { CREDIT_CARD: 1 }])
        expect(out).not.toMatch(/1111|4111|until May/)
        expect(streamedIn(shape, eventsOf(out)).told.join('')).toContain('so my card is ')
      }
      const shown = run(shape, shape.stream(cutOver(shape, card, 9), 2), forReviewer(plan('review')))
      expect([shown.state, streamedIn(shape, eventsOf(shown.out)).told]).toEqual(['complete', cutOver(shape, card, 9)])
    })

    it('is counted and passes where it is only logged, or in a dry run', () => {
      const texts = cutOver(shape, card, 9)
      for (const plan of [compilePlan({ CREDIT_CARD: 'log' }), compilePlan({ CREDIT_CARD: 'block' }, { dryRun: true })]) {
        const { out, findings } = run(shape, shape.stream(texts, 2), plan)
        expect([streamedIn(shape, eventsOf(out)).told, findings]).toEqual([texts, { CREDIT_CARD: 1 }])
      }
    })

    it('lets what stands before leave before the border, and the last word behind it before the end', () => {
      const words = 'The quick brown fox jumps over the lazy dog and runs away from it'
      const texts = shape.json.map(() => words)
      const { steps, out } = run(shape, shape.stream(texts, 4))
      expect(streamedIn(shape, eventsOf(out)).told).toEqual(texts)
      const half = steps[Math.floor(steps.length / 2) - 1]!
      expect(half.length).toBeGreaterThan(0)
      expect(half).toContain('fox')
      // Before the last event all but the last word has left.
      expect(streamedIn(shape, eventsOf(steps.at(-3)!)).told.join('')).toContain('runs away from')
    })
  },
)

describe('values of every kind that is joined, cut at random', () => {
  const GENERAL: readonly string[] = [
    'jane.doe@example.com', '+49 30 901820', 'DE89 3704 0044 0532 0130 00', '00:1B:44:11:3A:B7', '192.168.20.41', '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2',
    'sk-ant-api03-aB3dE5fG7hJ9kL1mN2pQ4aB3dE5fG7hJ9kL1mN2pQ4', 'ghp_aB3dE5fG7hJ9kL1mN2pQ4aB3dE5fG7hJ9kL1', '521-44-9382', '%B4111111111111111^DOE/JANE^29051010000?',
  ] // prettier-ignore
  const kinds = [...GENERAL.map((value) => ['', value] as const), ...IDENTIFIERS.flatMap((one) => valuesOf(one, 7).slice(0, 2).map(({ value }) => [one.context?.[0] ?? '', value] as const))] // prettier-ignore
  const FRAMES = [
    ['Please note: ', ' and so on, as agreed.'],
    ['', ''],
    ['it is (', ') here'],
    ['a 12, b 7 x', '. 20 of them'],
  ] as const

  it.each(SHAPES.map((shape) => [shape.surface, shape.what, shape] as const))(
    'are taken out as in the whole answer: %s, %s (C6)',
    async (_s, _w, shape) => {
      const draw = random(shape.what.length)
      let found = 0
      const share = kinds.filter((_kind, i) => (i + SHAPES.indexOf(shape)) % 4 === 0)
      for (const [i, [word, value]] of share.entries()) {
        const [before, after] = FRAMES[draw(FRAMES.length)]!
        const text = `${before}${word} ${value}${after}`
        const start = before.length + word.length + 1
        const cuts = shape.json
          .slice(1)
          .map(() => start + 1 + draw(value.length - 1))
          .sort((a, b) => a - b)
        const texts = shape.json.map((_json, k) => text.slice(cuts[k - 1] ?? 0, cuts[k] ?? text.length))
        const whole = await wholeOf(shape, texts)
        if (texts.some((one) => one === '')) continue
        found += Number(whole.join('') !== text)
        const { out, state } = run(shape, shape.stream(texts, 1 + (i % 5)))
        expect([state, streamedIn(shape, eventsOf(out)).told, texts]).toEqual(['complete', whole, texts])
      }
      expect(found).toBeGreaterThan(share.length / 3)
    },
  )
})

const shapeOf = (surface: Shape['surface'], what: string): Shape =>
  SHAPES.find((shape) => shape.surface === surface && shape.what === what)!

it('is told to the record of a whole call, and leaves no piece of itself (C6)', async () => {
  for (const shape of SHAPES.filter(({ json }) => json.length === 2)) {
    const upstream = shape.stream(cutOver(shape, CARD, 9), 4)
    const { got, findings } = await pass(shape.surface, { ...ASK[shape.surface], stream: true }, upstream)
    expect([shape.what, findings]).toEqual([shape.what, { CREDIT_CARD: 1 }])
    expect(got).not.toMatch(/1111|4111/)
  }
})

it('is told by a word in the text before those that it is cut over, whose end is closed (C6)', async () => {
  const shape = shapeOf('messages', 'thoughts, a text and a call')
  const texts = ['the BSN is "', '111222', '333 of today']
  const whole = await wholeOf(shape, texts)
  expect(whole).toEqual(['the BSN is "', '[NL_BSN]', '[NL_BSN] of today'])
  expect(streamedIn(shape, eventsOf(run(shape, shape.stream(texts, 2)).out)).told).toEqual(whole)
})

it.each(['11 ', '1', 'A1-', '   ', '[', '\n'])('never waits for more than a bounded beginning of the next text, of %j (C6)', (unit) => {
  const shape = shapeOf('messages', 'two text blocks')
  const long = `${unit.repeat(6_000)}.`
  const { steps, out, state } = run(shape, shape.stream(['my card is 4111', long], 16))
  expect(state).toBe('complete')
  // Of what came, all but a bounded rest has left after each event.
  const left = steps.map((step) => streamedIn(shape, eventsOf(step)).told.join('').length)
  const came = steps.map((_step, i) => Math.min(i, 3) + 16 * (i - 3))
  expect(Math.max(...came.map((units, i) => units - left[i]!))).toBeLessThan(3_000)
  expect(out.length).toBeGreaterThan(long.length)
})

it('lets the events of many short texts go as far as they are decided, in their order (C6)', () => {
  const shape = shapeOf('messages', 'two text blocks')
  const event = (data: { readonly type: string }): string => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
  const [start] = shape.stream(['', ''], 1).split(/(?<=\n\n)/)
  const blocks = Array.from({ length: 900 }, (_, index) => [
    event({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } } as never),
    event({ type: 'content_block_delta', index, delta: { type: 'text_delta', text: '12 34' } } as never),
    event({ type: 'content_block_stop', index } as never),
  ]) // prettier-ignore
  const { steps } = run(shape, [start, ...blocks.flat()].join(''))
  const events = eventsOf(steps.at(-1)!)
  expect(events.length).toBeGreaterThan(1_500)
  expect(events.slice(1).map(({ type, index }) => `${index} ${type}`)).toEqual(
    events.slice(1).map((_event, i) => `${Math.floor(i / 3)} content_block_${['start', 'delta', 'stop'][i % 3]}`),
  )
})
