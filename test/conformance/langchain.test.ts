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
})

describe('LangChain, embeddings', () => {
  it('gets vectors', async () => {
    expect(await new OpenAIEmbeddings(shared()).embedDocuments(['hello', 'card'])).toEqual([
      [0.5, -2, 0.25, 1],
      [0.5, -2, 0.25, 1],
    ])
  })
})
