import { describe, expect, it } from 'vitest'
import {
  type Decider,
  type Decision,
  type EntityUid,
  type Obligations,
  RedoubtError,
  type ReviewAsk,
  type ReviewQueue,
  type ReviewState,
} from '#foundation/core'
import { wantsMoreReview, wantsReview } from './review-wish.ts'
import type { WholeServed } from './surface.ts'
import { infer } from './pipeline.ts'
import { type TestHouse, testHouse } from './pipeline.fixtures.ts'

const EMAIL = 'jane.doe@example.com'
const CARD = '4111 1111 1111 1111'

/** A queue that keeps what it is given, decides when it is told, and fails on command. */
class ObedientQueue implements ReviewQueue {
  waitMs = 0
  readonly asks: ReviewAsk[] = []
  readonly uses: { readonly id: string; readonly caller: EntityUid; readonly binding: string }[] = []
  failure: RedoubtError | null = null
  /** What those who wait are told. */
  state: ReviewState | Promise<ReviewState> = 'waiting'
  released: { readonly id: string; readonly binding: string } | null = null

  async ask(ask: ReviewAsk) {
    if (this.failure) throw this.failure
    return { id: `rev_${this.asks.push(ask)}`, dueAt: 0, expiresAt: 0 }
  }

  async decided(): Promise<ReviewState> {
    return this.state
  }

  async use(id: string, by: { caller: EntityUid; binding: string; requestId: string }): Promise<void> {
    if (this.released?.id !== id) throw new RedoubtError('ERR_REVIEW_PENDING')
    if (this.released.binding !== by.binding) throw new RedoubtError('ERR_REVIEW_BINDING')
    this.released = null
    this.uses.push({ id, ...by })
  }
}

const policy = (obligations: Partial<Obligations>): Decision => ({
  effect: 'allow',
  policies: ['p'],
  errors: [],
  code: null,
  obligations: { filterInput: {}, filterOutput: {}, limits: [], maxRowsPerCall: null, ...obligations },
  policySet: 'set',
})

async function room(obligations: Partial<Obligations>): Promise<{ house: TestHouse; queue: ObedientQueue; now: { decision: Decision } }> {
  const queue = new ObedientQueue()
  const now = { decision: policy(obligations) }
  const decider: Decider = { decide: () => now.decision }
  return { house: await testHouse({ decider, reviews: queue }), queue, now }
}

async function sent(house: TestHouse, wish: Parameters<TestHouse['request']>[0], change: Parameters<TestHouse['request']>[1] = {}) {
  const { received, reply } = house.request(wish, change)
  await infer(house.house, received)
  return {
    status: reply.sent?.status,
    body: JSON.parse(reply.sent?.body ?? '{}') as Record<string, string>,
    text: reply.sent?.body ?? '',
    reply,
  }
}

describe('D10: an answer with a value that a person has to look at', () => {
  const filterOutput = { EMAIL_ADDRESS: 'review', CREDIT_CARD: 'mask' } as const
  const answer = `write to ${EMAIL}, card ${CARD}`

  it('does not leave: it is held with the value in it, all else done, and the refusal is on record', async () => {
    const { house, queue } = await room({ filterOutput })
    const { status, text, body } = await sent(house, { answer, text: 'who is it', subject: 'ann' })
    expect([status, body['error']]).toEqual([403, 'ERR_REVIEW_PENDING'])
    expect(text).not.toContain('jane')
    expect(queue.asks).toMatchObject([
      {
        kind: 'output',
        requestId: 'req_1',
        subject: 'ann',
        caller: { type: 'ServiceAccount', id: 'app' },
        findings: { EMAIL_ADDRESS: 1, CREDIT_CARD: 1 },
        content: {
          answer: JSON.stringify({ answer: `write to ${EMAIL}, card [CREDIT_CARD]` }),
          asked: [{ place: 'text', text: 'who is it' }],
        },
      },
    ])
    expect(house.log.of('inference.refusal')).toMatchObject([{ code: 'ERR_REVIEW_PENDING', details: { review: 'rev_1' } }])
    expect(house.log.of('inference.completion')).toEqual([])
    expect(house.settled).toEqual([{ tokens: 7 }])
    expect(JSON.stringify(house.log.events)).not.toContain('jane')
  })

  it('leaves as usual when it is released while the call waits', async () => {
    const { house, queue } = await room({ filterOutput })
    queue.state = 'released'
    const { status, text } = await sent(house, { answer })
    expect([status, text]).toEqual([200, JSON.stringify({ answer: `write to ${EMAIL}, card [CREDIT_CARD]` })])
    expect(house.log.of('inference.completion')).toMatchObject([{ outcome: 'success' }])
  })

  it('does not leave for a decision other than a release', async () => {
    for (const [state, code] of [
      ['rejected', 'ERR_REVIEW_REJECTED'],
      ['overridden', 'ERR_REVIEW_OVERRIDDEN'],
      ['expired', 'ERR_REVIEW_EXPIRED'],
      ['waiting', 'ERR_REVIEW_PENDING'],
    ] as const) {
      const { house, queue } = await room({ filterOutput })
      queue.state = state
      expect((await sent(house, { answer })).body['error']).toBe(code)
    }
  })

  it('does not leave when what let it in has ended while a person looked', async () => {
    const released = () => {
      let release: (state: ReviewState) => void = () => undefined
      return { state: new Promise<ReviewState>((resolve) => (release = resolve)), release: () => release('released') }
    }
    const change: readonly ((house: TestHouse, now: { decision: Decision }) => void)[] = [
      (house) => (house.invalid = 'ERR_TOKEN_REVOKED'),
      (house) => (house.unservable = new RedoubtError('ERR_MODEL_QUARANTINED')),
      (_house, now) => (now.decision = { ...policy({}), effect: 'deny', code: 'ERR_POLICY_DENIED' }),
      (_house, now) => (now.decision = policy({ filterOutput: { EMAIL_ADDRESS: 'block' } })),
      (_house, now) => (now.decision = policy({ filterOutput, review: 'always' })),
    ]
    for (const turn of change) {
      const { house, queue, now } = await room({ filterOutput })
      const waiting = released()
      queue.state = waiting.state
      const answered = sent(house, { answer })
      while (queue.asks.length === 0) await new Promise(setImmediate)
      turn(house, now)
      waiting.release()
      const { status, text } = await answered
      expect(status).not.toBe(200)
      expect(text).not.toContain('jane')
    }
  })

  it('does not leave when it finds no place, or the log is down', async () => {
    for (const code of ['ERR_REVIEW_FULL', 'ERR_AUDIT_UNAVAILABLE', 'ERR_STORAGE_IO', 'ERR_REVIEW_TOO_LARGE'] as const) {
      const { house, queue } = await room({ filterOutput })
      queue.failure = new RedoubtError(code)
      const { text, body } = await sent(house, { answer })
      expect(body['error']).toBe(code)
      expect(text).not.toContain('jane')
    }
  })

  it('is not held when there is nothing to look at, or when it is blocked', async () => {
    const { house, queue } = await room({ filterOutput: { EMAIL_ADDRESS: 'review', CREDIT_CARD: 'block' } })
    expect((await sent(house, { answer: 'fine' })).status).toBe(200)
    expect((await sent(house, { answer })).body['error']).toBe('ERR_FILTER_BLOCKED_OUTPUT')
    expect(queue.asks).toEqual([])
  })

  it('is held when it is a large one, too', async () => {
    const { house, queue } = await room({ filterOutput })
    expect((await sent(house, { answer: `${'plain words '.repeat(10_000)} ${answer}` })).body['error']).toBe('ERR_REVIEW_PENDING')
    expect(queue.asks).toHaveLength(1)
  })

  it('is held whatever it says where policy wants every answer looked at', async () => {
    const { house, queue } = await room({ review: 'always' })
    expect((await sent(house, { answer: 'fine' })).body['error']).toBe('ERR_REVIEW_PENDING')
    expect(queue.asks).toMatchObject([{ kind: 'decision', findings: {} }])
  })

  it('is held where an answer does not tell whether it is one that policy names', async () => {
    const { house, queue } = await room({ review: [{ output: 'label', value: '1' }] })
    expect((await sent(house, { answer: 'fine' })).body['error']).toBe('ERR_REVIEW_PENDING')
    expect(queue.asks).toHaveLength(1)
  })
})

describe('D10: a request with a value that a person has to look at', () => {
  const filterInput = { EMAIL_ADDRESS: 'review', CREDIT_CARD: 'mask' } as const
  const wish = { text: `ask ${EMAIL} for ${CARD}` }
  const naming = (review: string) => ({ header: (name: string) => (name === 'redoubt-review' ? review : undefined) })

  it('waits before it goes to the model', async () => {
    const { house, queue } = await room({ filterInput })
    expect((await sent(house, wish)).body['error']).toBe('ERR_REVIEW_PENDING')
    expect(house.asked).toEqual([])
    expect(house.log.of('inference.admission')).toEqual([])
    expect(house.settled).toEqual([{ tokens: 0, rows: 0 }])
    expect(queue.asks).toMatchObject([
      { kind: 'input', findings: { EMAIL_ADDRESS: 1 }, content: { asked: [{ place: 'text', text: `ask ${EMAIL} for [CREDIT_CARD]` }] } },
    ])
  })

  it('goes on once when it names the review that released exactly it', async () => {
    const { house, queue } = await room({ filterInput })
    await sent(house, wish)
    queue.released = { id: 'rev_1', binding: queue.asks[0]!.binding }
    expect((await sent(house, wish, naming('rev_1'))).status).toBe(200)
    expect(house.asked).toEqual([`ask ${EMAIL} for [CREDIT_CARD]`])
    expect((await sent(house, wish, naming('rev_1'))).body['error']).toBe('ERR_REVIEW_PENDING')
    expect(house.asked).toHaveLength(1)
  })

  it('does not go on by the release of another: not with other words, for another person, purpose or model', async () => {
    const { house, queue } = await room({ filterInput })
    await sent(house, wish)
    for (const other of [
      { ...wish, text: `${wish.text}!` },
      { ...wish, subject: 'ann' },
      { ...wish, model: 'other' },
    ]) {
      queue.released = { id: 'rev_1', binding: queue.asks[0]!.binding }
      expect((await sent(house, other, naming('rev_1'))).body['error']).toBe('ERR_REVIEW_BINDING')
    }
    queue.released = { id: 'rev_1', binding: queue.asks[0]!.binding }
    expect((await sent(house, wish, { ...naming('rev_1'), subjectHeader: 'ann' })).body['error']).toBe('ERR_REVIEW_BINDING')
    expect(house.asked).toEqual([])
  })

  it('goes on while it waits when it is released, and the release is spent', async () => {
    const { house, queue } = await room({ filterInput })
    const ask = queue.ask.bind(queue)
    queue.ask = async (what) => {
      const ticket = await ask(what)
      queue.released = { id: ticket.id, binding: what.binding }
      return ticket
    }
    queue.state = 'released'
    expect((await sent(house, wish)).status).toBe(200)
    expect(queue.uses).toHaveLength(1)
    expect(queue.released).toBeNull()
  })

  it('does not go on when the token was revoked, or policy changed, while a person looked', async () => {
    for (const turn of ['ERR_TOKEN_REVOKED', 'ERR_POLICY_DENIED'] as const) {
      const { house, queue, now } = await room({ filterInput })
      queue.state = Promise.resolve('released')
      queue.use = async () => {
        if (turn === 'ERR_TOKEN_REVOKED') house.invalid = turn
        else now.decision = { ...policy({}), effect: 'deny', code: turn }
      }
      expect((await sent(house, wish)).body['error']).toBe(turn)
      expect(house.asked).toEqual([])
    }
  })

  it('does not go on when it finds no place, or the log is down', async () => {
    const { house, queue } = await room({ filterInput })
    for (const code of ['ERR_REVIEW_FULL', 'ERR_AUDIT_UNAVAILABLE'] as const) {
      queue.failure = new RedoubtError(code)
      expect((await sent(house, wish)).body['error']).toBe(code)
    }
    expect(house.asked).toEqual([])
  })
})

describe('D10: what policy wants looked at', () => {
  it('is an answer of which an output has such a value, and one of which it cannot be told', () => {
    const served = (hasValue?: WholeServed['hasValue']) =>
      ({ kind: 'whole', ...(hasValue === undefined ? {} : { hasValue }) }) as unknown as WholeServed
    const refusals = [
      { output: 'label', value: '1' },
      { output: 'grade', value: 'D' },
    ]
    const says = (label: string, grade: string) => served((output, value) => (output === 'label' ? label === value : grade === value))
    expect(wantsReview(undefined, says('1', 'D'))).toBe(false)
    expect(wantsReview(refusals, says('0', 'A'))).toBe(false)
    expect(wantsReview(refusals, says('1', 'A'))).toBe(true)
    expect(wantsReview(refusals, says('0', 'D'))).toBe(true)
    expect(wantsReview('always', says('0', 'A'))).toBe(true)
    // No such output, and no outputs at all.
    expect(
      wantsReview(
        refusals,
        served(() => null),
      ),
    ).toBe(true)
    expect(wantsReview(refusals, served())).toBe(true)
  })

  it('is more than before when anything new is', () => {
    const wish = (review?: Obligations['review']): Obligations => policy(review === undefined ? {} : { review }).obligations
    const [one, two] = [
      { output: 'a', value: '1' },
      { output: 'b', value: '1' },
    ]
    expect(wantsMoreReview(wish(), wish())).toBe(false)
    expect(wantsMoreReview(wish('always'), wish())).toBe(true)
    expect(wantsMoreReview(wish([one]), wish())).toBe(true)
    expect(wantsMoreReview(wish([one, two]), wish([one]))).toBe(true)
    expect(wantsMoreReview(wish('always'), wish([one]))).toBe(true)
    expect(wantsMoreReview(wish([one]), wish([one, two]))).toBe(false)
    expect(wantsMoreReview(wish([one]), wish('always'))).toBe(false)
    expect(wantsMoreReview(wish(), wish([one]))).toBe(false)
  })
})
