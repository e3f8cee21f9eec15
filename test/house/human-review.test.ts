/** Human review against the whole server: what waits, who decides, what comes of it, on every surface and by the command line. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type House, type HouseAccount, openHouse, starterRow } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'

const EMAIL = 'jane.doe@example.com'
const POLICIES = `
@id("looked-at") @filter_output("EMAIL_ADDRESS=review") @filter_input("IBAN_CODE=review")
permit (principal in Role::"application", action == Action::"invoke", resource is Endpoint);
@id("decisions") @review("label=0, label=1")
permit (principal in Role::"business-user", action == Action::"invoke", resource is Model);
`
const folder = mkdtempSync(join(tmpdir(), 'redoubt-house-review-'))

let house: House
let app: HouseAccount
let other: HouseAccount
let clerk: HouseAccount
let officer: HouseAccount
beforeAll(async () => {
  writeFileSync(join(folder, 'review.cedar'), POLICIES)
  house = await openHouse((configuration) => ({ ...configuration, policies: folder }))
  app = await house.account('app')
  other = await house.account('other')
  clerk = await house.account('clerk', 'business-user')
  officer = await house.account('officer', 'privacy-officer')
}, 60_000)
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

const api = (method: string, path: string, { token }: { token: string }, json?: object): Promise<Answer> =>
  house.call(method, `/api/v1${path}`, { token, ...(json === undefined ? {} : { json }) })
const chat = (content: string, rest: object = {}, headers: Record<string, string> = {}, by = app) =>
  house.call('POST', '/v1/chat/completions', {
    token: by.token,
    headers,
    json: { model: 'assistant', messages: [{ role: 'user', content }], ...rest },
  })
const predict = (by = clerk, subject?: string) =>
  house.call('POST', '/v2/models/credit/infer', {
    token: by.token,
    json: { ...starterRow(), ...(subject === undefined ? {} : { parameters: { subject } }) },
  })
const reviewIn = (text: string): string => /rev_[A-Za-z0-9_-]{22}/.exec(text)?.[0] ?? 'none'
/** The words of a stream of chat, joined. */
const wordsIn = (stream: string): string =>
  [...stream.matchAll(/"content":("(?:[^"\\]|\\.)*")/g)].map(([, text]) => JSON.parse(text!) as string).join('')
const codeIn = ({ json }: Answer): string => json.code as string

const redoubt = (...args: readonly string[]) => runRedoubt(house, args)

describe('D10: an answer that waits for a person', () => {
  it('is refused in a way that no client repeats, looked at by another, released, and fetched by who asked alone', async () => {
    const refused = await chat(`say write to ${EMAIL}`)
    expect(refused.status).toBe(403)
    expect(refused.headers['x-should-retry']).toBe('false')
    expect(refused.json.error).toMatchObject({ code: 'err_review_pending', type: 'permission_error' })
    expect(refused.text).not.toContain('jane')
    const id = reviewIn(refused.text)

    expect(codeIn(await api('GET', `/reviews/${id}/answer`, app))).toBe('ERR_REVIEW_PENDING')
    expect((await api('GET', `/reviews/${id}`, app)).json).toMatchObject({ state: 'waiting', content: null })
    expect((await api('GET', '/reviews', other)).json.reviews).toEqual([])
    for (const by of [other, clerk]) {
      expect(codeIn(await api('GET', `/reviews/${id}`, by))).toBe('ERR_POLICY_DENIED')
      expect(codeIn(await api('POST', `/reviews/${id}/release`, by, {}))).toBe('ERR_POLICY_DENIED')
      expect(codeIn(await api('GET', `/reviews/${id}/answer`, by))).toBe('ERR_NOT_FOUND')
    }
    expect(codeIn(await api('POST', `/reviews/${id}/release`, app, {}))).toBe('ERR_POLICY_DENIED')

    const shown = (await api('GET', `/reviews/${id}`, officer)).json
    expect(shown).toMatchObject({ kind: 'output', findings: { EMAIL_ADDRESS: 1 }, caller: { id: 'app' } })
    expect(shown.content.answer).toContain(EMAIL)
    expect((await house.entries({ type: 'review.open' }))[0]?.event).toMatchObject({ actor: { id: 'officer' }, details: { review: id } })
    expect((await api('POST', `/reviews/${id}/release`, officer, { comment: 'known to the customer' })).json.state).toBe('released')
    expect(codeIn(await api('POST', `/reviews/${id}/reject`, officer, { reason: 'late' }))).toBe('ERR_REVIEW_STATE')

    const answer = (await api('GET', `/reviews/${id}/answer`, app)).json
    expect(answer).toMatchObject({ state: 'released', decidedBy: 'person', reason: 'known to the customer' })
    expect(JSON.parse(answer.answer).choices[0].message.content).toBe(`write to ${EMAIL}`)
    expect(codeIn(await api('GET', `/reviews/${id}/answer`, officer))).toBe('ERR_NOT_FOUND')
    const types = (await house.entries({ requestId: refused.headers['x-request-id'] as string })).map(({ event }) => event['type'])
    expect(types.toReversed().slice(0, 3)).toEqual(['inference.admission', 'review.ask', 'inference.refusal'])
  })

  it('is cut out of a stream: what stands before it leaves, the rest is for the reviewer', async () => {
    const stream = await chat(`say first words, mail ${EMAIL} and the end`, { stream: true })
    expect(stream.status).toBe(200)
    expect(wordsIn(stream.text)).toBe('first words, mail ')
    const id = reviewIn(stream.text)
    expect(stream.text).toContain('err_review_pending')
    const { content } = (await api('GET', `/reviews/${id}`, officer)).json
    expect(content.contentType).toBe('text/event-stream')
    expect(wordsIn(content.answer)).toBe(`first words, mail ${EMAIL} and the end`)
    await api('POST', `/reviews/${id}/release`, officer, {})
    expect((await api('GET', `/reviews/${id}/answer`, app)).json.answer).toContain('[DONE]')
  })

  it('is overridden by a person, who is named to nobody and says why', async () => {
    const id = reviewIn((await chat(`say it is ${EMAIL}`)).text)
    expect(codeIn(await api('POST', `/reviews/${id}/override`, officer, { override: { outputs: { a: [1] } }, reason: 'r' }))).toBe(
      'ERR_INPUT_INVALID',
    )
    await api('POST', `/reviews/${id}/override`, officer, { override: { text: 'ask at the counter' }, reason: 'not known to them' })
    const answer = await api('GET', `/reviews/${id}/answer`, app)
    expect(answer.json).toMatchObject({ state: 'overridden', decidedBy: 'person', answer: { text: 'ask at the counter' } })
    expect(answer.text).not.toContain('officer')
    for (const path of ['/reviews', `/reviews/${id}`]) {
      const told = (await api('GET', path, app)).text
      expect(told).toContain('overridden')
      expect(told).not.toContain('officer')
    }
  })

  it('of a person whose key is destroyed is gone', async () => {
    const refused = await chat(`say it is ${EMAIL}`, {}, { 'redoubt-subject': 'erased-42' })
    const id = reviewIn(refused.text)
    expect((await api('POST', '/subjects/destroy-key', officer, { subject: 'erased-42' })).status).toBe(200)
    expect((await api('GET', `/reviews/${id}`, officer)).json.content).toBeNull()
    expect(codeIn(await api('POST', `/reviews/${id}/release`, officer, {}))).toBe('ERR_KEYS_DESTROYED')
  })
})

describe('D10: a request that waits for a person', () => {
  it('goes to the model once, as it was looked at, with the id of its review', async () => {
    const words = 'pay GB29 NWBK 6016 1331 9268 19'
    const before = house.upstream.bodies.length
    const id = reviewIn((await chat(words)).text)
    const named = { 'redoubt-review': id }
    expect((await chat(words, {}, named)).json.error.code).toBe('err_review_pending')
    await api('POST', `/reviews/${id}/release`, officer, {})
    expect((await chat(`${words}!`, {}, named)).json.error.code).toBe('err_review_binding')
    expect((await chat(words, {}, named, other)).status).toBe(404)
    expect(house.upstream.bodies).toHaveLength(before)
    expect((await chat(words, {}, named)).status).toBe(200)
    expect((await chat(words, {}, named)).json.error.code).toBe('err_review_state')
    expect(house.upstream.bodies).toHaveLength(before + 1)
  })
})

describe('D10: a decision about a person', () => {
  it('waits where policy wants it looked at, with what it was made from, and is decided otherwise', async () => {
    const refused = await predict()
    expect([refused.status, refused.json.error]).toEqual([403, expect.stringContaining('ERR_REVIEW_PENDING')])
    const id = reviewIn(refused.text)
    const { content, kind } = (await api('GET', `/reviews/${id}`, officer)).json
    expect(kind).toBe('decision')
    expect(content.inputs).toContainEqual({ name: 'income', rows: 1, data: ['38000'] })
    const held = JSON.parse(content.answer).outputs.find(({ name }: { name: string }) => name === 'label')
    const turned = 1 - held.data[0]
    await api('POST', `/reviews/${id}/override`, officer, { override: { outputs: { label: [turned] } }, reason: 'the income is old' })
    expect((await api('GET', `/reviews/${id}/answer`, clerk)).json.answer.outputs).toMatchObject([{ name: 'label', data: [turned] }])
  })

  it('is not told by an explanation of the same row, past the person who looks at it', async () => {
    const row = { age: 41, income: 38_000, amount: 9_500, duration_months: 36, employment: 'permanent', purpose: 'car', late_payments: 1 }
    const explained = await api('POST', '/models/credit/explain', clerk, { row })
    expect([explained.status, codeIn(explained)]).toEqual([403, 'ERR_POLICY_DENIED'])
    expect(explained.text).toContain('a person looks at')
    expect(explained.text).not.toMatch(/probability|contribution/)
    const [entry] = await house.entries({ type: 'inference.explanation', limit: '1' })
    expect(entry?.event).toMatchObject({ actor: { id: 'clerk' }, outcome: 'refused', code: 'ERR_POLICY_DENIED' })
  })

  it('that was answered is contested by who asked, and for a person by who answers for data, once at a time', async () => {
    const answered = await predict(app, 'ann-77')
    expect(answered.status).toBe(200)
    const requestId = answered.headers['x-request-id'] as string
    const contest = (by: HouseAccount, more: object = {}) => api('POST', '/reviews', by, { requestId, reason: 'she has paid', ...more })
    expect(codeIn(await contest(other, { subject: 'ann-77' }))).toBe('ERR_POLICY_DENIED')
    expect(codeIn(await contest(officer))).toBe('ERR_INPUT_INVALID')
    expect(codeIn(await contest(officer, { subject: 'someone' }))).toBe('ERR_NOT_FOUND')
    expect(codeIn(await api('POST', '/reviews', app, { requestId: `req_${'A'.repeat(22)}`, reason: 'x' }))).toBe('ERR_NOT_FOUND')
    // May have decisions explained, and reads no record: whom the call was about is not told, right or wrong.
    const scientist = await house.account('scientist', 'data-scientist')
    for (const subject of ['ann-77', 'someone']) expect(codeIn(await contest(scientist, { subject })), subject).toBe('ERR_POLICY_DENIED')
    const made = await contest(officer, { subject: 'ann-77' })
    expect(made.json).toMatchObject({ kind: 'contest', caller: { id: 'app' }, asker: { id: 'officer' } })
    expect(codeIn(await contest(app))).toBe('ERR_CONFLICT')
    // Who contests it does not decide it.
    expect(codeIn(await api('POST', `/reviews/${made.json.id}/release`, officer, {}))).toBe('ERR_REVIEW_SELF')
    const second = await house.account('second-officer', 'privacy-officer')
    const shown = (await api('GET', `/reviews/${made.json.id}`, second)).json
    expect(shown.content).toMatchObject({ reason: 'she has paid', subject: 'ann-77' })
    expect(shown.content.explanation.prediction.map(({ name }: { name: string }) => name)).toContain('label')
    await api('POST', `/reviews/${made.json.id}/override`, second, { override: { outputs: { label: [0] } }, reason: 'she had' })
    expect((await api('GET', `/reviews/${made.json.id}/answer`, officer)).json).toMatchObject({ state: 'overridden', reason: 'she had' })
  })
})

describe('redoubt review', () => {
  it('lists, shows, releases, rejects, overrides and contests', { timeout: 120_000 }, async () => {
    const [first, second, third] = [await chat(`say ${EMAIL}`), await chat(`say ${EMAIL}`), await predict()].map(({ text }) =>
      reviewIn(text),
    )
    const listed = JSON.parse((await redoubt('review', 'list', '--waiting', '--json')).out) as { id: string }[]
    expect(listed.map(({ id }) => id)).toEqual(expect.arrayContaining([first, second, third]))
    expect((await redoubt('review', 'list')).out).toContain('EMAIL_ADDRESS 1')
    expect((await redoubt('review', 'show', first!)).out).toContain(EMAIL)
    expect((await redoubt('review', 'release', first!, '--comment', 'fine')).out).toBe(`${first} is released\n`)
    expect((await redoubt('review', 'reject', second!, '--reason', 'no')).out).toBe(`${second} is rejected\n`)
    expect((await redoubt('review', 'override', third!, '--output', 'label=0', '--reason', 'r')).out).toBe(`${third} is overridden\n`)
    expect((await redoubt('review', 'answer', first!)).err).toContain('ERR_NOT_FOUND')
    expect((await redoubt('review', 'contest', `req_${'A'.repeat(22)}`, '--reason', 'r')).err).toContain('ERR_NOT_FOUND')
  })
})
