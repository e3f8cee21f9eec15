/** The published clients under a policy that marks what tools and documents say, and plants a marker in system prompts (C7). */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Conformance, openConformance } from './conformance.fixture.ts'

const POLICY = `@id("guarded") @filter_input("PROMPT_INJECTION=log") @mark_untrusted("tool_result, document") @canary("system_prompt")
permit (principal in Role::"application", action == Action::"invoke", resource is Endpoint);
`
const MARKED = /<(untrusted-[a-z2-7]{24})>\\n[^<]*\\n(?:paid in full|a document)\\n<\/\1>/
const MARKER = /never to be written in any form: [a-z2-7]{24}/

let at: Conformance
let anthropic: Anthropic
let openai: OpenAI
beforeAll(async () => {
  at = await openConformance()
  const put = await at.house.call('PUT', '/api/v1/policies/guarded', { token: at.house.token, json: { text: POLICY } })
  expect(put.status, put.text).toBe(200)
  const { fetch, baseURL } = at
  anthropic = new Anthropic({ baseURL: at.house.server.url, apiKey: at.account.token, authToken: null, maxRetries: 0, fetch })
  openai = new OpenAI({ baseURL, apiKey: at.account.token, maxRetries: 0, fetch })
})
afterAll(() => at.close())

const sent = (): string => JSON.stringify(at.mock.getLastRequest()?.body)

it('the openai client goes on after a tool, whole and streamed, and by responses', async () => {
  const messages: OpenAI.ChatCompletionMessageParam[] = [
    { role: 'system', content: 'Be kind.' },
    { role: 'user', content: 'what was paid?' },
    { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } }] },
    { role: 'tool', tool_call_id: 'call_1', content: 'paid in full' },
    { role: 'user', content: 'hello' },
  ]
  const whole = await openai.chat.completions.create({ model: 'mock', messages })
  expect(whole.choices[0]?.message.content).toBe('Hello there, how are you?')
  expect(sent()).toMatch(MARKED)
  expect(sent()).toMatch(MARKER)
  let text = ''
  for await (const chunk of await openai.chat.completions.create({ model: 'mock', messages, stream: true }))
    text += chunk.choices[0]?.delta.content ?? ''
  expect(text).toBe('Hello there, how are you?')

  const response = await openai.responses.create({
    model: 'mock',
    instructions: 'Be kind.',
    input: [
      { type: 'function_call', call_id: 'c1', name: 'look', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c1', output: 'paid in full' },
      { role: 'user', content: 'hello' },
    ],
  })
  expect(response.output_text).toBe('Hello there, how are you?')
  expect(sent()).toMatch(MARKED)
})

it('the anthropic client goes on after a tool and with a document, whole and streamed', async () => {
  const ask: Anthropic.MessageCreateParamsNonStreaming = {
    model: 'claude',
    max_tokens: 50,
    system: [{ type: 'text', text: 'Be kind.', cache_control: { type: 'ephemeral' } }],
    messages: [
      { role: 'user', content: [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'a document' } }, { type: 'text', text: 'what was paid?' }] },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'look', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'paid in full' }] },
      { role: 'user', content: 'hello' },
    ],
  } // prettier-ignore
  const whole = await anthropic.messages.create(ask)
  const streamed = await anthropic.messages.stream(ask).finalMessage()
  for (const message of [whole, streamed]) expect(message.content).toMatchObject([{ type: 'text', text: 'Hello there, how are you?' }])
})
