/** The published `@anthropic-ai/sdk`, unchanged, over TLS. */
import Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { annotate, API_KEY, CARD, type Conformance, failureOf, isMasked, openConformance } from './conformance.fixture.ts'

let at: Conformance
let client: Anthropic
beforeAll(async () => {
  at = await openConformance()
  client = clientWith({ apiKey: at.account.token })
})
afterAll(() => at.close())

const clientWith = (credentials: { readonly apiKey?: string | null; readonly authToken?: string | null }): Anthropic =>
  new Anthropic({ baseURL: at.house.server.url, apiKey: null, authToken: null, ...credentials, maxRetries: 0, fetch: at.fetch })
const ask = (content: string, model = 'claude') => ({ model, max_tokens: 50, messages: [{ role: 'user' as const, content }] })
const textOf = (message: Anthropic.Message): string => message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')

describe('the anthropic client', () => {
  it('gets a message masked, whole and streamed, with either of its credentials (C6)', async () => {
    for (const credentials of [{ apiKey: at.account.token }, { authToken: at.account.token }]) {
      const whole = await clientWith(credentials).messages.create(ask('card please'))
      expect(isMasked(textOf(whole))).toBe(true)
      expect(whole).toMatchObject({ model: 'claude', role: 'assistant', stop_reason: 'end_turn' })
      const streamed = await clientWith(credentials).messages.stream(ask('card please')).finalMessage()
      expect(textOf(streamed)).toBe(textOf(whole))
      expect(streamed.usage.output_tokens).toBeGreaterThan(0)
    }
  })

  it('gets tool inputs masked, whole and streamed (C6)', async () => {
    const tools = [{ name: 'pay', input_schema: { type: 'object' as const } }]
    const whole = await client.messages.create({ ...ask('pay please'), tools })
    const streamed = await client.messages.stream({ ...ask('pay please'), tools }).finalMessage()
    for (const { content, stop_reason: reason } of [whole, streamed]) {
      expect(content.find(({ type }) => type === 'tool_use')).toMatchObject({ name: 'pay', input: { card: '[CREDIT_CARD]', amount: 3 } })
      expect(reason).toBe('tool_use')
    }
  })

  it('may ask for tools that the upstream runs where a policy names them, and gets what they bring masked, whole and streamed (C6)', async () => {
    const search = {
      ...ask('who has it?', 'scriptedclaude'),
      tools: [{ type: 'web_search_20250305' as const, name: 'web_search' as const }],
    }
    const before = at.scripted.asked.length
    for (const names of [null, 'none', 'web_search', 'hosted:web_fetch_20250910']) {
      const restore = names === null ? null : await annotate(at, `@tools("${names}")`)
      expect(await failureOf(client.messages.create(search))).toMatchObject({ status: 403, error: { error: { type: 'permission_error' } } })
      await restore?.()
    }
    expect(at.scripted.asked.length).toBe(before)

    const restore = await annotate(at, '@tools("hosted:web_search_20250305")')
    const whole = await client.messages.create(search)
    const streamed = await client.messages.stream(search).finalMessage()
    expect(at.scripted.asked.at(-1)).toContain('"web_search_20250305"')
    await restore()
    for (const message of [whole, streamed]) {
      expect(message.content.map(({ type }) => type)).toEqual(['server_tool_use', 'web_search_tool_result', 'text'])
      expect(message.content[0]).toMatchObject({ name: 'web_search', input: { query: 'who has [CREDIT_CARD]' } })
      expect(message.content[1]).toMatchObject({ content: [{ title: 'Page of [CREDIT_CARD]' }] })
      expect(textOf(message)).toBe('The page says [CREDIT_CARD], no more.')
    }
  })

  it('gets an answer in JSON masked and still JSON, whole and streamed (C6)', async () => {
    const format = { type: 'json_schema' as const, schema: { type: 'object', properties: { card: { type: 'string' } } } }
    const body = { ...ask('json please'), output_config: { format } }
    const whole = await client.messages.create(body)
    const streamed = await client.messages.stream(body).finalMessage()
    for (const message of [whole, streamed]) expect(JSON.parse(textOf(message))).toEqual({ card: '[CREDIT_CARD]', ok: true })
  })

  it('gets thinking masked, whole and streamed (C6)', async () => {
    const thinking = { type: 'enabled' as const, budget_tokens: 1024 }
    const whole = await client.messages.create({ ...ask('think hard'), max_tokens: 2000, thinking })
    const streamed = await client.messages.stream({ ...ask('think hard'), max_tokens: 2000, thinking }).finalMessage()
    for (const { content } of [whole, streamed]) {
      const block = content.find(({ type }) => type === 'thinking') as { thinking: string } | undefined
      expect(isMasked(block?.thinking ?? '')).toBe(true)
    }
  })

  it('sends inputs masked and a person as pseudonym, and its version of the API goes on (C6, A7)', async () => {
    await client.messages.create({ ...ask(`hello ${CARD}`), metadata: { user_id: 'alice@example.com' } })
    const last = at.mock.getLastRequest()
    const sent = JSON.stringify(last?.body)
    expect(sent).toContain('[CREDIT_CARD]')
    expect(sent).not.toMatch(/4111|alice/)
    const count = await client.messages.countTokens({ model: 'scriptedclaude', messages: [{ role: 'user', content: `hello ${CARD}` }] })
    expect(count).toEqual({ input_tokens: 14 })
    expect(at.scripted.asked.at(-1)).toMatch(/^\/v1\/messages\/count_tokens .*\[CREDIT_CARD\]/)
    expect(at.scripted.headers.at(-1)).toMatchObject({ 'anthropic-version': expect.stringMatching(/^\d{4}-\d\d-\d\d$/) })
    expect(JSON.stringify(at.scripted.headers.at(-1))).not.toContain(at.account.token)
  })

  it('hears of refusals in its own words', async () => {
    for (const [call, status, type] of [
      [() => client.messages.create(ask(API_KEY)), 400, 'invalid_request_error'],
      [() => client.messages.create(ask('hello', 'absent')), 404, 'not_found_error'],
      [() => clientWith({ apiKey: 'garbage' }).messages.create(ask('hello')), 401, 'authentication_error'],
      [() => client.messages.create(ask('hello'), { headers: { authorization: 'Bearer another' } }), 401, 'authentication_error'],
      [() => client.messages.create({ ...ask('hello'), mcp_servers: [] } as never), 400, 'invalid_request_error'],
    ] as const) {
      const error = await failureOf(call())
      expect(error).toMatchObject({ status, error: { type: 'error', error: { type } } })
      expect(error.requestID).toMatch(/^req_/)
    }
  })

  it('sees a message that was blocked in mid-stream end with the stop reason `refusal` (C6)', async () => {
    const text =
      '@id("strict") @filter_output("CREDIT_CARD=block, default=mask") permit (principal in Role::"application", action == Action::"invoke", resource == Endpoint::"claude");'
    const put = await at.house.call('PUT', '/api/v1/policies/strict', { token: at.house.token, json: { text } })
    expect(put.status, put.text).toBe(200)
    const message = await client.messages.stream(ask('card please')).finalMessage()
    expect(message.stop_reason).toBe('refusal')
    expect(textOf(message)).toBe('The card on file is ')
    await at.house.call('DELETE', '/api/v1/policies/strict', { token: at.house.token })
  })

  it('is told which endpoint serves a model, and so is a client of the other API', async () => {
    const error = await failureOf(client.messages.create(ask('hello', 'mock')))
    expect(error).toMatchObject({ status: 400, error: { error: { message: expect.stringContaining('/v1/chat/completions') } } })
    const other = await at.house.call('POST', '/v1/chat/completions', {
      token: at.account.token,
      json: { model: 'claude', messages: [{ role: 'user', content: 'x' }] },
    })
    expect(other.status).toBe(400)
    expect(other.json.error).toMatchObject({ code: 'err_model_surface', message: expect.stringContaining('/v1/messages') })
  })

  it('is on record like every other inference (E3)', async () => {
    const { request_id: requestId } = await client.messages.create(ask('hello')).withResponse()
    const entries = await at.house.entries({ requestId: requestId ?? '' })
    expect(entries.map(({ event }) => event['type'])).toEqual(['inference.completion', 'inference.admission'])
    expect(entries[0]?.event['details']).toMatchObject({ surface: 'anthropic.messages', model: 'claude', upstream: 'claude' })
  })
})
