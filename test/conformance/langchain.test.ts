/** The published `@langchain/openai`, unchanged, over TLS. */
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { API_KEY, type Conformance, failureOf, isMasked, openConformance } from './conformance.fixture.ts'

let at: Conformance
beforeAll(async () => {
  at = await openConformance()
})
afterAll(() => at.close())

const shared = () => ({
  model: 'mock',
  apiKey: at.account.token,
  maxRetries: 0,
  configuration: { baseURL: at.baseURL, fetch: at.fetch as never },
})
const tools = [{ type: 'function' as const, function: { name: 'pay', parameters: { type: 'object', properties: {} } } }]

describe.each([
  ['chat completions', false],
  ['responses', true],
])('LangChain (%s)', (_, useResponsesApi) => {
  const chat = () => new ChatOpenAI({ ...shared(), useResponsesApi })

  it('gets a text masked, whole and streamed (C6)', async () => {
    const whole = await chat().invoke('card please')
    expect(isMasked(whole.text)).toBe(true)
    let streamed = ''
    for await (const chunk of await chat().stream('card please')) streamed += chunk.text
    expect(streamed).toBe(whole.text)
  })

  it('gets tool calls with their arguments masked (C6)', async () => {
    const { tool_calls: calls } = await chat().bindTools(tools).invoke('pay please')
    expect(calls).toMatchObject([{ name: 'pay', args: { card: '[CREDIT_CARD]', amount: 3 } }])
  })

  it('hears of a refusal (C6)', async () => {
    expect(await failureOf(chat().invoke(API_KEY))).toMatchObject({ status: 400, code: 'content_filter' })
  })

  it('sees an answer that was blocked in mid-stream end for the content filter (C6)', async () => {
    const text =
      '@id("strict") @filter_output("CREDIT_CARD=block, default=mask") permit (principal in Role::"application", action == Action::"invoke", resource == Endpoint::"mock");'
    const put = await at.house.call('PUT', '/api/v1/policies/strict', { token: at.house.token, json: { text } })
    expect(put.status, put.text).toBe(200)
    try {
      let streamed = ''
      const ends: unknown[] = []
      for await (const chunk of await chat().stream('card please')) {
        streamed += chunk.text
        const { finish_reason: end, incomplete_details: incomplete } = chunk.response_metadata as Record<string, any>
        ends.push(end ?? incomplete?.reason ?? null)
      }
      expect(streamed).toBe('The card on file is ')
      expect(ends.filter((end) => end !== null)).toContain('content_filter')
    } finally {
      await at.house.call('DELETE', '/api/v1/policies/strict', { token: at.house.token })
    }
  })
})

describe('LangChain, embeddings', () => {
  it('gets vectors', async () => {
    expect(await new OpenAIEmbeddings(shared()).embedDocuments(['hello', 'card'])).toEqual([
      [0.5, -2, 0.25, 1],
      [0.5, -2, 0.25, 1],
    ])
  })
})
