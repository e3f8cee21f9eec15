/** The published `ai` package with both of its OpenAI providers, unchanged, over TLS. */
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { embed, generateText, jsonSchema, type LanguageModel, stepCountIs, streamText, tool, type ToolSet } from 'ai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { API_KEY, type Conformance, failureOf, isMasked, openConformance } from './conformance.fixture.ts'

let at: Conformance
beforeAll(async () => {
  at = await openConformance()
})
afterAll(() => at.close())

const openai = () => createOpenAI({ baseURL: at.baseURL, apiKey: at.account.token, fetch: at.fetch })
const compatible = () => createOpenAICompatible({ name: 'redoubt', baseURL: at.baseURL, apiKey: at.account.token, fetch: at.fetch })
/** The responses API is what the first provider speaks unless told otherwise. */
const PROVIDERS: readonly (readonly [string, (model: string) => LanguageModel])[] = [
  ['openai, responses', (model) => openai()(model)],
  ['openai, chat', (model) => openai().chat(model)],
  ['openai-compatible', (model) => compatible()(model)],
]
// Its types do not know `exactOptionalPropertyTypes`.
const tools: ToolSet = { pay: tool({ description: 'pays', inputSchema: jsonSchema({ type: 'object', properties: {} }) }) as never }

describe.each(PROVIDERS)('the AI SDK (%s)', (_, model) => {
  it('gets a text masked, whole and streamed (C6)', async () => {
    const whole = await generateText({ model: model('mock'), prompt: 'card please', maxRetries: 0 })
    expect(isMasked(whole.text)).toBe(true)
    const streamed = streamText({ model: model('mock'), prompt: 'card please', maxRetries: 0 })
    expect(await streamed.text).toBe(whole.text)
    expect(await streamed.finishReason).toBe('stop')
  })

  it('gets tool inputs masked, whole and streamed (C6)', async () => {
    const ask = { model: model('mock'), prompt: 'pay please', tools, maxRetries: 0, stopWhen: stepCountIs(1) }
    const whole = await generateText(ask)
    const streamed = await streamText(ask).toolCalls
    for (const [call] of [whole.toolCalls, streamed])
      expect(call).toMatchObject({ toolName: 'pay', input: { card: '[CREDIT_CARD]', amount: 3 } })
  })

  it('hears of a refusal with status and code, once (C6)', async () => {
    const error = await failureOf(generateText({ model: model('mock'), prompt: API_KEY, maxRetries: 0 }))
    expect(error).toMatchObject({ statusCode: 400, isRetryable: false })
    expect(String(error.responseBody)).toContain('content_filter')
  })

  it('sees an answer that was blocked in mid-stream end for the content filter (C6)', async () => {
    const text =
      '@id("strict") @filter_output("CREDIT_CARD=block, default=mask") permit (principal in Role::"application", action == Action::"invoke", resource == Endpoint::"mock");'
    const put = await at.house.call('PUT', '/api/v1/policies/strict', { token: at.house.token, json: { text } })
    expect(put.status, put.text).toBe(200)
    try {
      const streamed = streamText({ model: model('mock'), prompt: 'card please', maxRetries: 0 })
      expect(await streamed.finishReason).toBe('content-filter')
      expect(await streamed.text).toBe('The card on file is ')
    } finally {
      await at.house.call('DELETE', '/api/v1/policies/strict', { token: at.house.token })
    }
  })
})

describe('the AI SDK, embeddings', () => {
  it.each([
    ['openai', () => openai().embedding('mock')],
    ['openai-compatible', () => compatible().embeddingModel('mock')],
  ] as const)('gets a vector (%s)', async (_, model) => {
    const { embedding } = await embed({ model: model(), value: 'hello', maxRetries: 0 })
    expect(embedding).toEqual([0.5, -2, 0.25, 1])
  })
})
