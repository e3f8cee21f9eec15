import { beforeEach, describe, expect, it } from 'vitest'
import { type AuditEvent, type Decider, type ErrorCode, RedoubtError } from '#foundation/core'
import { SLICE_UNITS } from '#gateway/filters'
import { LARGE_BYTES } from './inspection.ts'
import { keyedDigest } from './keyed-digest.ts'
import { infer } from './pipeline.ts'
import { principal, testHouse, TOKEN, type TestHouse } from './pipeline.fixtures.ts'
import { type WatchedReply } from './watched.fixtures.ts'
import { MAX_BODY_BYTES, PURPOSE, USED_TOKENS, type Wish } from './wish-surface.fixtures.ts'
import type { Received } from './states.ts'

const CARD = '4111 1111 1111 1111'
/** Built here so that no scanner takes the file for a leak. */
const API_KEY = ['sk', 'proj', 'A1b2C3d4E5f6G7h8'.repeat(3)].join('-')

let test: TestHouse
beforeEach(async () => {
  test = await testHouse()
})

async function ask(wish?: Wish | string, change?: Partial<Received>): Promise<WatchedReply> {
  const { received, reply } = test.request(wish, change)
  await infer(test.house, received)
  return reply
}

/** Starts a request and waits until `what` stands in the trace. */
function begin(wish: Wish, change?: Partial<Received>): { readonly reply: WatchedReply; readonly done: Promise<void> } {
  const { received, reply } = test.request(wish, change)
  return { reply, done: infer(test.house, received) }
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1_000 && !condition(); turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(condition()).toBe(true)
}

/** The one refusal on record. */
function refusal(): AuditEvent {
  const found = test.log.of('inference.refusal')
  expect(found.length).toBe(1)
  return found[0]!
}

/** Asserts the refusal in the surface's shape and on record, with nothing served. */
function expectRefused(reply: WatchedReply, code: ErrorCode): void {
  const { status } = new RedoubtError(code)
  expect(reply.sent?.status).toBe(status)
  expect(JSON.parse(reply.sent?.body ?? '')).toEqual({ error: code, requestId: 'req_1' })
  const event = refusal()
  expect(event).toMatchObject({ code, outcome: status >= 500 ? 'failed' : 'refused', requestId: 'req_1', action: 'invoke' })
  expect(reply.sent?.headers['redoubt-log-index']).toBe(String(test.log.events.indexOf(event)))
  expect(test.trace.indexOf('recorded inference.refusal')).toBeLessThan(test.trace.indexOf(`answered ${status}`))
}

describe('the order of one inference', () => {
  it('authenticates, resolves, decides, limits, inspects, records, serves, filters, records, answers: in this order (B8, E3)', async () => {
    const reply = await ask({ text: 'hello', tokens: 10 })
    expect(test.trace).toEqual([
      'authenticated',
      'body read',
      'resolved',
      'decided',
      'limits taken',
      'input filtered',
      'asked to record inference.admission',
      'recorded inference.admission',
      // Once more, for a body and a record came in between.
      'decided',
      'served',
      'output filtered',
      'asked to record inference.completion',
      'recorded inference.completion',
      'settled',
      'answered 200',
    ])
    expect(JSON.parse(reply.sent?.body ?? '')).toEqual({ answer: 'fine' })
    expect(reply.sent?.headers).toMatchObject({ 'redoubt-log-index': '1', 'x-ratelimit-limit-tokens': '500000' })
  })

  it('writes the facts of the decision, the digests and the usage into both events (E3)', async () => {
    const reply = await ask({ text: `card ${CARD}`, tokens: 10, answer: `again ${CARD}` })
    const [admission, completion] = [test.log.of('inference.admission')[0], test.log.of('inference.completion')[0]]
    for (const event of [admission, completion])
      expect(event).toMatchObject({
        actor: { type: 'ServiceAccount', id: 'app' },
        resource: { type: 'Endpoint', id: 'assistant' },
        outcome: 'success',
        requestId: 'req_1',
        purpose: PURPOSE,
        legalBasis: 'contract',
        decision: { effect: 'allow', policies: ['application-invoke-endpoint'], errors: [] },
        details: { surface: 'test', tokenId: 'token-1', model: 'assistant' },
      })
    expect(admission?.details).toMatchObject({ inputFindings: { CREDIT_CARD: 1 } })
    expect(completion?.details).toMatchObject({
      admission: 0,
      usage: { tokens: USED_TOKENS },
      outputFindings: { CREDIT_CARD: 1 },
      outputDigest: keyedDigest(test.house.digestKey, reply.sent?.body ?? ''),
    })
  })

  it('never writes prompt, answer or subject into the open part of the record', async () => {
    await ask({ text: 'a secret prompt', answer: 'a secret answer', subject: 'secret-person' })
    await ask({ text: `a secret ${API_KEY}`, subject: 'secret-person' })
    for (const event of test.log.events) {
      const { personal, ...open } = event
      expect(JSON.stringify(open)).not.toMatch(/secret/)
      expect(personal === undefined || personal.every(({ subject }) => subject === 'secret-person')).toBe(true)
    }
  })

  it('puts personal fields under the key of a subject, and only when one is named (E5, A7)', async () => {
    await ask({ answer: 'fine' })
    expect(test.log.events.some((event) => event.personal !== undefined)).toBe(false)
    await ask({ answer: 'fine', subject: 'person-7' })
    const [admission, completion] = [test.log.of('inference.admission')[1], test.log.of('inference.completion')[1]]
    expect(admission?.personal).toEqual([{ subject: 'person-7', fields: { role: 'subject of the request' } }])
    expect(completion?.personal).toEqual([{ subject: 'person-7', fields: { answer: 'fine' } }])
  })
})

describe('each step refuses, on record, in the shape of the surface', () => {
  it('authenticate: without a valid token nothing of the body is read (B8)', async () => {
    for (const [change, code] of [
      [{ authorization: undefined, authorizationCount: 0 }, 'ERR_TOKEN_MISSING'],
      [{ authorization: 'Bearer bad' }, 'ERR_TOKEN_SIGNATURE'],
      [{ authorizationCount: 2 }, 'ERR_TOKEN_SIGNATURE'],
    ] as const) {
      const credentials = { authorization: TOKEN, authorizationCount: 1, url: '/test', ...change }
      const reply = await ask({}, { credentials })
      expect(reply.sent).toMatchObject({ status: 401, headers: { 'x-should-retry': 'false' } })
      expect(reply.sent?.body).toContain(code)
      expect(reply.sent?.headers['www-authenticate']).toMatch(/^Bearer/)
    }
    expect(new Set(test.trace)).toEqual(new Set(['authenticated', 'answered 401']))
  })

  it('resolve: another content type is refused before the body is read', async () => {
    for (const contentType of [undefined, 'text/plain', 'application/jsonp', 'multipart/form-data'])
      expect((await ask({}, { contentType })).sent?.status).toBe(415)
    expect(test.trace).not.toContain('body read')
    expect((await ask({}, { contentType: 'Application/JSON; charset=utf-8' })).sent?.status).toBe(200)
  })

  it('resolve: a body beyond the bound of the surface is refused before it is understood', async () => {
    expectRefused(await ask({ text: 'x'.repeat(MAX_BODY_BYTES + 1) }), 'ERR_INPUT_TOO_LARGE')
    expect(test.trace).not.toContain('resolved')
  })

  it('resolve: a body that is not understood or names no model is refused before any decision', async () => {
    expectRefused(await ask('{'), 'ERR_INPUT_MALFORMED')
    expect((await ask({ model: 'absent' })).sent?.status).toBe(404)
    expect(test.trace).not.toContain('decided')
    expect(test.log.of('inference.refusal')[1]).toMatchObject({ resource: { type: 'Surface', id: 'test' }, purpose: PURPOSE })
  })

  it('decide: what no policy permits is refused with its decision on record (B1, E3)', async () => {
    test = await testHouse({ principal: principal({ facts: { ...principal().facts, parents: [] } }) })
    const reply = await ask({})
    expectRefused(reply, 'ERR_POLICY_DENIED')
    expect(refusal().decision).toMatchObject({ effect: 'deny', errors: [] })
    expect(test.trace).not.toContain('limits taken')
    expect(reply.sent?.headers['x-should-retry']).toBe('false')
  })

  it('decide: a wrong purpose is refused by the policies of the model (B7)', async () => {
    test = await testHouse({ principal: principal({ purpose: 'marketing' }) })
    expectRefused(await ask({ model: 'credit', rows: 1 }), 'ERR_POLICY_PURPOSE')
    expect(test.trace).not.toContain('limits taken')
  })

  it('decide: a call with a fault ends there, and tells it to who may ask the model', async () => {
    test = await testHouse()
    expectRefused(await ask({ model: 'credit', rows: 1, fault: 'ERR_INPUT_INVALID' }), 'ERR_INPUT_INVALID')
    expect(refusal()).toMatchObject({ resource: { type: 'Model', id: 'credit' }, decision: { effect: 'allow' } })
    expect(test.trace).not.toContain('limits taken')
    test = await testHouse({ principal: principal({ purpose: 'marketing' }) })
    expectRefused(await ask({ model: 'credit', rows: 1, fault: 'ERR_INPUT_INVALID' }), 'ERR_POLICY_PURPOSE')
  })

  it('decide: a policy engine that throws refuses (fail closed)', async () => {
    const decider: Decider = {
      decide() {
        throw new TypeError('broken')
      },
    }
    test = await testHouse({ decider })
    expectRefused(await ask({}), 'ERR_INTERNAL')
    expect(test.trace).not.toContain('served')
  })

  it('take limits: an exhausted quota is refused with the time to wait (C4)', async () => {
    expect((await ask({ model: 'small', tokens: 10 })).sent?.status).toBe(200)
    expect((await ask({ model: 'small', tokens: 10 })).sent?.status).toBe(200)
    const reply = await ask({ model: 'small', tokens: 10 })
    expect(reply.sent?.status).toBe(429)
    expect(reply.sent?.headers).toMatchObject({ 'retry-after': '60', 'x-ratelimit-remaining-requests': '0' })
    expect(refusal()).toMatchObject({ code: 'ERR_LIMIT_REQUESTS', details: { limit: 2, windowMs: 60_000 } })
    expect(test.asked.length).toBe(2)
    test.clock.advance(60_001)
    expect((await ask({ model: 'small', tokens: 10 })).sent?.status).toBe(200)
  })

  it('take limits: a call with more rows than one call may carry is refused, and nothing is taken (C4)', async () => {
    expectRefused(await ask({ model: 'credit', rows: 2_001 }), 'ERR_LIMIT_CALL_SIZE')
    expect(test.taken).toEqual([])
    expect((await ask({ model: 'credit', rows: 2_000 })).sent?.status).toBe(200)
  })

  it('inspect input: a value that may not go in is refused and named by kind, never by value (C6)', async () => {
    const reply = await ask({ text: `use ${API_KEY}` })
    expectRefused(reply, 'ERR_FILTER_BLOCKED_INPUT')
    expect(refusal().details).toMatchObject({ entity: 'API_KEY', param: 'text' })
    expect(JSON.stringify(test.log.events)).not.toContain(API_KEY)
    expect(test.asked).toEqual([])
  })

  it('inspect input: a value that is to be masked reaches the model masked (C6)', async () => {
    await ask({ text: `my card is ${CARD}` })
    expect(test.asked).toEqual(['my card is [CREDIT_CARD]'])
  })

  describe('a large text is searched in slices', () => {
    const large = `${'x1 '.repeat(LARGE_BYTES)}${CARD} and ${'2-3 '.repeat(LARGE_BYTES)}${CARD}.`
    const masked = large.replaceAll(CARD, '[CREDIT_CARD]')

    it('so that others go on, with the same result, in and out (C6, C9)', async () => {
      const { reply, done } = begin({ text: large, answer: large })
      let turns = 0
      const count = (): void => {
        turns++
        if (reply.sent === null) setImmediate(count)
      }
      setImmediate(count)
      await done
      expect(test.asked).toEqual([masked])
      expect(JSON.parse(reply.sent?.body ?? '')).toEqual({ answer: masked })
      expect(test.log.of('inference.completion')[0]?.details).toMatchObject({ outputFindings: { CREDIT_CARD: 2 } })
      expect(turns).toBeGreaterThan((2 * large.length) / SLICE_UNITS)
    })

    it.each([
      ['token', 'ERR_TOKEN_REVOKED', (house: TestHouse): void => void (house.invalid = 'ERR_TOKEN_REVOKED')],
      ['account', 'ERR_ACCOUNT_DISABLED', (house: TestHouse): void => void (house.invalid = 'ERR_ACCOUNT_DISABLED')],
      ['model', 'ERR_MODEL_QUARANTINED', (house: TestHouse): void => void (house.unservable = new RedoubtError('ERR_MODEL_QUARANTINED'))],
    ] as const)('and does not leave when the %s ended meanwhile (B8)', async (_what, code, end) => {
      const { reply, done } = begin({ text: 'x', answer: large })
      // The model has answered; the answer is being searched.
      await until(() => test.asked.length > 0)
      await new Promise((resolve) => setImmediate(resolve))
      end(test)
      await done
      expect(JSON.parse(reply.sent?.body ?? '')).toEqual({ error: code, requestId: 'req_1' })
      expect(refusal()).toMatchObject({ code, details: { admission: 0 } })
      expect(test.log.of('inference.completion')).toEqual([])
    })

    it('and refused for a value in its last slice, in and out (C6)', async () => {
      expectRefused(await ask({ text: `${large} ${API_KEY}` }), 'ERR_FILTER_BLOCKED_INPUT')
      expect(test.asked).toEqual([])
      expect((await ask({ model: 'strict', answer: large })).sent?.status).toBe(new RedoubtError('ERR_FILTER_BLOCKED_OUTPUT').status)
    })
  })

  it('inspect input: a filter that fails refuses (fail closed)', async () => {
    const decider: Decider = { decide: () => ({ ...allow(), obligations: { ...allow().obligations, filterInput: { NO_SUCH: 'mask' } } }) }
    test = await testHouse({ decider })
    expectRefused(await ask({}), 'ERR_FILTER_ENTITY')
    expect(test.asked).toEqual([])
  })

  it('serve: a model that fails is a refusal with the code of the failure', async () => {
    expectRefused(await ask({ fail: 'ERR_UPSTREAM_TIMEOUT' }), 'ERR_UPSTREAM_TIMEOUT')
    expect(refusal().details).toMatchObject({ admission: 0 })
    expect(test.log.of('inference.completion')).toEqual([])
  })

  it('filter output: a masked value leaves masked (C6, C9)', async () => {
    const reply = await ask({ answer: `the card is ${CARD}` })
    expect(reply.sent?.body).toBe(JSON.stringify({ answer: 'the card is [CREDIT_CARD]' }))
  })

  it('filter output: a blocked value keeps the whole answer in, and is charged (C6, C9)', async () => {
    const reply = await ask({ model: 'strict', answer: `the card is ${CARD}`, tokens: 50 })
    expectRefused(reply, 'ERR_FILTER_BLOCKED_OUTPUT')
    expect(reply.sent?.body).not.toContain('4111')
    expect(test.settled).toEqual([{ tokens: USED_TOKENS }])
  })

  it('filter output: a filter that throws refuses (fail closed)', async () => {
    const decider: Decider = { decide: () => ({ ...allow(), obligations: { ...allow().obligations, filterOutput: { NO_SUCH: 'mask' } } }) }
    test = await testHouse({ decider })
    const reply = await ask({ answer: 'must not leave' })
    expect(reply.sent?.status).toBe(500)
    expect(reply.sent?.body).not.toContain('must not leave')
    expect(refusal().code).toBe('ERR_FILTER_ENTITY')
  })
})

const allow = (): ReturnType<Decider['decide']> => ({
  effect: 'allow',
  policies: ['test'],
  errors: [],
  code: null,
  obligations: { filterInput: {}, filterOutput: {}, limits: [], maxRowsPerCall: null },
  policySet: 'test',
})

describe('the record comes first (E3, E5)', () => {
  it('asks the model only when the admission is durable', async () => {
    test.log.held.add('inference.admission')
    const { reply, done } = begin({ text: 'hello' })
    await until(() => test.trace.includes('asked to record inference.admission'))
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(test.asked).toEqual([])
    test.log.release()
    await done
    expect(reply.sent?.status).toBe(200)
    expect(test.asked).toEqual(['hello'])
  })

  it('answers only when the completion is durable', async () => {
    test.log.held.add('inference.completion')
    const { reply, done } = begin({})
    await until(() => test.trace.includes('asked to record inference.completion'))
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(reply.sent).toBeNull()
    test.log.release()
    await done
    expect(reply.sent?.status).toBe(200)
  })

  it('sends the closing event of a stream only when the completion is durable', async () => {
    test.log.held.add('inference.completion')
    const { reply, done } = begin({ stream: true, answer: 'words' })
    await until(() => test.trace.includes('asked to record inference.completion'))
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect({ written: reply.written, closing: reply.closing }).toEqual({ written: 'words', closing: null })
    test.log.release()
    await done
    expect(reply.closing).toBe('event: done\n')
    expect(test.trace.indexOf('recorded inference.admission')).toBeLessThan(test.trace.indexOf('stream started'))
  })

  it('serves nothing and answers 503 while the log is down', async () => {
    for (const type of ['inference.admission', 'inference.refusal']) test.log.broken.add(type)
    const reply = await ask({ tokens: 10 })
    expect(reply.sent?.status).toBe(503)
    expect(JSON.parse(reply.sent?.body ?? '')).toMatchObject({ error: 'ERR_AUDIT_UNAVAILABLE' })
    expect(reply.sent?.headers['redoubt-log-index']).toBeUndefined()
    expect(test.asked).toEqual([])
    expect(test.settled).toEqual([{ tokens: 0, rows: 0 }])
  })

  it('keeps the answer in when the completion cannot be written', async () => {
    test.log.broken.add('inference.completion')
    const reply = await ask({ answer: 'must not leave', tokens: 10 })
    expect(reply.sent?.status).toBe(503)
    expect(reply.sent?.body).not.toContain('must not leave')
    expect(test.settled).toEqual([{ tokens: USED_TOKENS }])
  })

  it('ends a stream with an error in place of its closing event when the completion cannot be written', async () => {
    test.log.broken.add('inference.completion')
    const reply = await ask({ stream: true, answer: 'words', tokens: 10 })
    expect(reply.closing).toBe('event: error ERR_AUDIT_UNAVAILABLE\n')
    expect(test.settled).toEqual([{ tokens: USED_TOKENS }])
    expect(refusal()).toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE', details: { admission: 0 } })
  })

  it('answers the failure of the log in place of a refusal that cannot be written: still no', async () => {
    test.log.broken.add('inference.refusal')
    const reply = await ask({ text: API_KEY })
    expect(reply.sent?.status).toBe(503)
    expect(JSON.parse(reply.sent?.body ?? '')).toMatchObject({ error: 'ERR_AUDIT_UNAVAILABLE' })
  })

  it('takes any failure of the log, also one that is none of ours, for no', async () => {
    test.log.failure = new TypeError('broken')
    test.log.broken.add('inference.admission')
    const reply = await ask({})
    expect(reply.sent?.status).toBe(503)
    expect(test.asked).toEqual([])
  })
})

describe('limits are settled on every path (C4)', () => {
  it('with what was used when all goes well', async () => {
    await ask({ tokens: 50 })
    await ask({ tokens: 50, stream: true })
    expect(test.settled).toEqual([{ tokens: USED_TOKENS }, { tokens: USED_TOKENS }])
  })

  it('with nothing when the input is refused, the record fails or the model fails', async () => {
    await ask({ text: API_KEY, tokens: 50 })
    await ask({ fail: 'ERR_UPSTREAM_RESET', tokens: 50 })
    test.log.broken.add('inference.admission')
    await ask({ tokens: 50 })
    expect(test.settled).toEqual([
      { tokens: 0, rows: 0 },
      { tokens: 0, rows: 0 },
      { tokens: 0, rows: 0 },
    ])
  })

  it('with the whole reservation when the client leaves while the model is at work', async () => {
    const { reply, done } = begin({ hang: true, tokens: 50 })
    await until(() => test.trace.includes('served'))
    reply.leave()
    await done
    expect(test.settled).toEqual([{}])
    expect(refusal()).toMatchObject({ code: 'ERR_CLIENT_GONE', details: { admission: 0 } })
  })

  it('exactly once for each request', async () => {
    for (const wish of [
      {},
      { stream: true },
      { fail: 'ERR_UPSTREAM_RESET' },
      { text: API_KEY },
      { model: 'strict', answer: CARD },
    ] as const) {
      test = await testHouse()
      await ask(wish)
      expect(test.trace.filter((entry) => entry === 'settled').length).toBe(test.taken.length)
    }
  })
})

describe('running requests are looked at again and again (B8)', () => {
  async function running(wish: Wish): Promise<{ readonly reply: WatchedReply; readonly done: Promise<void> }> {
    const started = begin({ hang: true, tokens: 50, ...wish })
    await until(() => test.house.streams.size === 1 && (wish.stream !== true || started.reply.started))
    return started
  }

  it('a client that leaves cancels the model and is charged for what was used', async () => {
    const { reply, done } = await running({ stream: true })
    reply.leave()
    await done
    expect(test.settled).toEqual([{ tokens: USED_TOKENS }])
    expect(test.log.of('inference.completion')[0]).toMatchObject({ outcome: 'refused', code: 'ERR_CLIENT_GONE' })
    expect(test.house.streams.size).toBe(0)
  })

  it('a client that left while the admission was written cancels the model at once', async () => {
    test.log.held.add('inference.admission')
    const { reply, done } = begin({ hang: true })
    await until(() => test.trace.includes('asked to record inference.admission'))
    reply.leave()
    test.log.release()
    await done
    expect(refusal().code).toBe('ERR_CLIENT_GONE')
  })

  it('a revoked token cuts a running stream at the next sweep, with the error event and on record', async () => {
    const { reply, done } = await running({ stream: true })
    test.house.streams.sweep()
    expect(reply.closing).toBeNull()
    test.invalid = 'ERR_TOKEN_REVOKED'
    test.house.streams.sweep()
    await done
    expect(reply.closing).toBe('event: error ERR_TOKEN_REVOKED\n')
    expect(test.log.of('inference.completion')[0]).toMatchObject({ outcome: 'refused', code: 'ERR_TOKEN_REVOKED' })
    expect(test.trace.indexOf('recorded inference.completion')).toBeLessThan(test.trace.indexOf('stream ended'))
  })

  it('a quarantined model cuts a running stream at the next sweep', async () => {
    const { reply, done } = await running({ stream: true })
    test.unservable = new RedoubtError('ERR_MODEL_QUARANTINED')
    test.house.streams.sweep()
    await done
    expect(reply.closing).toBe('event: error ERR_MODEL_QUARANTINED\n')
    expect(test.log.of('inference.completion')[0]).toMatchObject({ code: 'ERR_MODEL_QUARANTINED' })
  })

  it('a revoked token ends a request whose answer has not begun, without the answer', async () => {
    const { reply, done } = await running({})
    test.invalid = 'ERR_TOKEN_REVOKED'
    test.house.streams.sweep()
    await done
    expect(reply.sent?.status).toBe(401)
    expect(refusal().code).toBe('ERR_TOKEN_REVOKED')
  })

  it('the end of the server cuts every stream with an event that says so', async () => {
    const { reply, done } = await running({ stream: true })
    test.house.streams.cutAll()
    await done
    expect(reply.closing).toBe('event: error ERR_DRAINING\n')
    expect(test.log.of('inference.completion')[0]).toMatchObject({ code: 'ERR_DRAINING', outcome: 'failed' })
  })
})

describe('what the headers may say', () => {
  it('the purpose header cannot widen: any other purpose than the account’s is refused (B7)', async () => {
    expect((await ask({}, { purposeHeader: PURPOSE })).sent?.status).toBe(200)
    const reply = await ask({}, { purposeHeader: 'marketing' })
    expect(reply.sent?.status).toBe(403)
    expect(refusal().code).toBe('ERR_POLICY_PURPOSE')
    expect((await ask({}, { purposeHeader: '' })).sent?.status).toBe(403)
    expect((await ask({}, { purposeHeader: `${PURPOSE},marketing` })).sent?.status).toBe(403)
    expect(test.asked.length).toBe(1)
  })

  it('the subject header names the person when the body does not', async () => {
    await ask({}, { subjectHeader: 'person-1' })
    expect(test.log.of('inference.admission')[0]?.personal?.[0]?.subject).toBe('person-1')
    await ask({ subject: 'person-2' }, { subjectHeader: 'person-2' })
    expect(test.log.of('inference.admission')[1]?.personal?.[0]?.subject).toBe('person-2')
  })

  it('a subject of the body that differs from the header’s is refused', async () => {
    expectRefused(await ask({ subject: 'person-1' }, { subjectHeader: 'person-2' }), 'ERR_INPUT_INVALID')
  })

  it('a subject is a text of 1 to 512 characters', async () => {
    for (const subjectHeader of ['', 'x'.repeat(513), '\ud800']) expect((await ask({}, { subjectHeader })).sent?.status).toBe(400)
    expect((await ask({}, { subjectHeader: 'x'.repeat(512) })).sent?.status).toBe(200)
  })
})
