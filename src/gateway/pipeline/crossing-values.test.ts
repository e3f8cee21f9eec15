import { describe, expect, it } from 'vitest'
import type { FilterAction } from '#foundation/core'
import { compilePlan, createSubstitutes, type FilterPlan, forCall } from '#gateway/filters'
import { filterOutput } from './filter-output.ts'
import type { House } from './house.ts'
import { inspectInput } from './inspect-input.ts'
import { type Inspected, isRefused, type Limited, type Refused, type ServedState } from './states.ts'
import type { TextFilter, TextOrigin } from './surface.ts'

const CARD = '4111 1111 1111 1111'
const MASK = compilePlan({ default: 'mask' })

/** A text of a request: whose it is, the message that it stands in, and what it says; without a message it is an id or a name. */
type Said = readonly [origin: TextOrigin, message: string | null, text: string]

interface Asked {
  readonly texts: string[]
  readonly next: Inspected | Refused
}

async function ask(said: readonly Said[], plan: FilterPlan = MASK, bytes = 10): Promise<Asked> {
  const texts: string[] = said.map(([, , text]) => text)
  const at = (place: string): Said => said[Number(place)]!
  const call = {
    originOf: (place: string) => at(place)[0],
    saidIn: (place: string) => at(place)[1],
    rewriteTexts: (filter: TextFilter) => texts.forEach((text, i) => (texts[i] = filter(text, String(i)))),
  }
  const state = { decision: { obligations: { filterInput: {}, filterOutput: {} } }, inputBytes: bytes, call }
  // The substitutes of a plan are those of the test.
  const next = await inspectInput({ plan: () => ({ ...plan, keyed: false }) } as unknown as House, state as unknown as Limited)
  return { texts, next }
}

const users = (...texts: readonly string[]): readonly Said[] => texts.map((text, i) => ['user', `m${i}`, text])
const found = ({ next }: Asked): Record<string, number> => Object.fromEntries((next as Inspected).inputFindings)
const actions = ({ next }: Asked): Record<string, number> => Object.fromEntries((next as Inspected).inputActions)
const planOf = (action: FilterAction, dryRun = false): FilterPlan => compilePlan({ CREDIT_CARD: action }, { dryRun })

describe.each([
  ['small', 10],
  ['large', 300_000],
])('a value that is cut over neighbouring texts of a %s request', (_, bytes) => {
  it('is masked where it stands, cut anywhere over two messages or parts (C6)', async () => {
    for (const second of ['a', 'b'])
      for (let cut = 1; cut < CARD.length; cut++) {
        const asked = await ask(
          [['user', 'a', `my card is ${CARD.slice(0, cut)}`], ['user', null, 'text'], ['user', second, `${CARD.slice(cut)} until May`]],
          MASK,
          bytes,
        ) // prettier-ignore
        const space = CARD[cut] === ' ' ? ' ' : ''
        const ended = CARD[cut - 1] === ' ' ? ' ' : ''
        expect([cut, ...asked.texts]).toEqual([cut, `my card is [CREDIT_CARD]${ended}`, 'text', `${space}[CREDIT_CARD] until May`])
        expect(found(asked)).toEqual({ CREDIT_CARD: 1 })
      }
  })

  it('is found in many small messages, with what others say in between (C6)', async () => {
    const digits = CARD.replaceAll(' ', '').split('')
    const said = digits.flatMap((digit, i): Said[] => [['user', `m${i}`, digit], ['assistant', `a${i}`, 'Go on.']]) // prettier-ignore
    const asked = await ask(said, MASK, bytes)
    expect(asked.texts.filter((_text, i) => i % 2 === 0)).toEqual(digits.map(() => '[CREDIT_CARD]'))
    expect(found(asked)).toEqual({ CREDIT_CARD: 1 })
  })
})

describe('what is done to a cut value', () => {
  const halves = users('card 4111 1111', '1111 1111')

  it('is a refusal where policy blocks it (C6)', async () => {
    const { next } = await ask(halves, planOf('block'))
    expect(isRefused(next) && next.refused).toMatchObject({
      code: 'ERR_FILTER_BLOCKED_INPUT',
      evidence: { entity: 'CREDIT_CARD', param: '0' },
    })
  })

  it('is counted in a dry run and where it is only logged, and nothing is changed', async () => {
    for (const plan of [planOf('mask', true), planOf('block', true), planOf('log')]) {
      const asked = await ask(halves, plan)
      expect([asked.texts, found(asked)]).toEqual([halves.map(([, , text]) => text), { CREDIT_CARD: 1 }])
    }
  })

  it('is one token, which stands for all of it, and no digit of it anywhere (C6)', async () => {
    const kept: string[] = []
    const mint = (entity: string, value: string): string => `[[${entity}_${kept.push(value)}]]`
    const plan = forCall(planOf('tokenise'), createSubstitutes({ hashKey: new Uint8Array(32), mint }), null)
    const asked = await ask(halves, plan)
    expect([asked.texts, kept]).toEqual([['card [[CREDIT_CARD_1]]', '[CREDIT_CARD]'], [CARD]])
    expect(actions(asked)).toEqual({ 'CREDIT_CARD=tokenise': 1 })
  })

  it('is the hash of all of it, as where it stands in one text', async () => {
    const plan = forCall(planOf('hash'), createSubstitutes({ hashKey: new Uint8Array(32) }), null)
    const [whole] = (await ask(users(CARD), plan)).texts
    expect((await ask(halves, plan)).texts).toEqual([`card ${whole}`, '[CREDIT_CARD]'])
  })

  it('shows no part of it', async () => {
    for (const action of ['partial', 'surrogate'] as const) {
      const plan = forCall(planOf(action), createSubstitutes({ hashKey: new Uint8Array(32) }), null)
      expect((await ask(halves, plan)).texts).toEqual(['card [CREDIT_CARD]', '[CREDIT_CARD]'])
    }
  })

  it('is the strictest of what is asked for it and for what a piece of it is by itself (C6)', async () => {
    const said = users('call 4111 1111', '1111 1111')
    const plan = (card: FilterAction, phone: FilterAction): FilterPlan => compilePlan({ CREDIT_CARD: card, PHONE_NUMBER: phone })
    expect((await ask(users('call 4111 1111'), plan('mask', 'mask'))).texts).toEqual(['call [PHONE_NUMBER]'])
    expect((await ask(said, plan('log', 'mask'))).texts).toEqual(['call [CREDIT_CARD]', '1111 1111'])
    expect(isRefused((await ask(said, plan('mask', 'block'))).next)).toBe(true)
    expect(isRefused((await ask(said, plan('block', 'log'))).next)).toBe(true)
  })
})

describe('what is made of two texts, and is no value', () => {
  const untouched = async (...texts: readonly string[]): Promise<void> => expect((await ask(users(...texts))).texts).toEqual(texts)

  it('is left alone: plain digits, days, codes behind words, passwords, names', async () => {
    await untouched('there were 12345', '6789 of them')
    await untouched('it begins on 12.', '05.2026 at the latest')
    await untouched('sort code 12-34', '-56 and so on')
    await untouched('password: Kx7', '9!qT2m is not it')
    await untouched('the sum is 069873', '320224 were left')
    // Eleven digits with a right check digit, which are a PESEL only where they are all of a text.
    expect((await ask(users('44051401359'))).texts).toEqual(['[PL_PESEL]'])
    await untouched('44051401', '359')
    await untouched('574174542', '2026-03-01 INFO started')
  })

  it('is a whole value in one text, beside a word or a number of the other', async () => {
    expect((await ask(users('my address is', 'jane.doe@example.com'))).texts).toEqual(['my address is', '[EMAIL_ADDRESS]'])
    expect((await ask(users('write to jane.doe@example.com', 'today'))).texts).toEqual(['write to [EMAIL_ADDRESS]', 'today'])
    expect((await ask(users('10.20.30.40', '2 hosts'))).texts).toEqual(['[IP_ADDRESS]', '2 hosts'])
    expect((await ask(users('write to jane.d', 'oe@example.com'))).texts).toEqual(['write to [EMAIL_ADDRESS]', '[EMAIL_ADDRESS]'])
  })

  it('is what two origins say, or an id beside a text', async () => {
    const origins: readonly (readonly [Said, Said])[] = [
      [['user', 'a', 'card 4111 1111'], ['tool_result', 'b', '1111 1111']],
      [['user', 'a', 'card 4111 1111'], ['user', null, '1111 1111']],
    ] // prettier-ignore
    for (const said of origins) expect((await ask(said)).texts).toEqual(said.map(([, , text]) => text))
  })
})

it('values are joined over the texts of JSON, and at the end of a long text (C6)', async () => {
  // As tool calls are shown to filters: decoded, with a mark on both sides of a number.
  const json = users('{"note":"card 4111 1111"}', '{"more":["1111 1111"]}')
  expect((await ask(json)).texts).toEqual(['{"note":"card [CREDIT_CARD]"}', '{"more":["[CREDIT_CARD]"]}'])
  const numbers = users('{"a":\uFDD341111111\uFDD3}', '{"b":\uFDD311111111\uFDD3}')
  expect((await ask(numbers)).texts).toEqual(['{"a":\uFDD3[CREDIT_CARD]\uFDD3}', '{"b":\uFDD3[CREDIT_CARD]\uFDD3}'])
  const long = 'The quick brown fox jumps over the lazy dog. '.repeat(200)
  expect((await ask(users(`${long}4111 1111`, `1111 1111 ${long}`))).texts).toEqual([`${long}[CREDIT_CARD]`, `[CREDIT_CARD] ${long}`])
})

it.each([' ', '"', ']', '}', '{', '[', '":', '\\"'])(
  'values are looked for in linear time in JSON that holds a long run of %j (C6)',
  async (unit) => {
    const run = `{"a":"${unit.repeat(300_000 / unit.length)}b"}`
    // Tried anew at each unit of the run, this would take a minute.
    const { texts } = await ask(users('my card is 4111 1111', run, '1111 1111'), MASK, 1_000_000)
    expect(texts[1]).toBe(run)
  },
)

describe('an answer of several parts', () => {
  async function answer(
    parts: readonly (readonly [sequence: string | null, text: string])[],
    bytes: number,
    plan = MASK,
  ): Promise<unknown> {
    const texts = parts.map(([, text]) => text)
    const served = {
      kind: 'whole',
      bytes,
      usage: {},
      visitTexts: (look: TextFilter) => texts.forEach((text, i) => void look(text, String(i))),
      saidIn: (place: string) => parts[Number(place)]![0],
      render: (filter: TextFilter) => ({ status: 200, headers: {}, body: JSON.stringify(texts.map((text, i) => filter(text, String(i)))) }),
    }
    const state = {
      served,
      filters: { kept: null, output: plan },
      decision: { obligations: {} },
      canary: null,
      received: {},
      cancellation: {},
    }
    const house = { digestKey: new Uint8Array(32), streams: { reasonToEnd: () => null } } as unknown as House
    const done = await filterOutput(house, state as unknown as ServedState)
    if (isRefused(done)) return done.refused.code
    return [JSON.parse(done.rendered!.body), Object.fromEntries(done.outputFindings)]
  }

  it.each([10, 300_000])('is searched over their borders, its choices each for itself, of %s bytes (C6)', async (bytes) => {
    const cut = [['one', 'card 4111 1111'], [null, 'text'], ['one', '1111 1111']] as const // prettier-ignore
    expect(await answer(cut, bytes)).toEqual([['card [CREDIT_CARD]', 'text', '[CREDIT_CARD]'], { CREDIT_CARD: 1 }])
    expect(await answer(cut, bytes, planOf('block'))).toBe('ERR_FILTER_BLOCKED_OUTPUT')
    const side = [['one', 'card 4111 1111'], ['two', '1111 1111']] as const // prettier-ignore
    expect(await answer(side, bytes)).toEqual([['card 4111 1111', '1111 1111'], {}])
  })
})
