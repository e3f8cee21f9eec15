/** A value that is cut over the neighbours of one request, or of one answer, is seen as one on every surface of language models: C6. */
import { describe, expect, it } from 'vitest'
import { pass } from './surface.fixture.ts'

const [ONE, TWO] = ['my card is 4111 1111', '1111 1111 until May']
const HALF = /1111|4111/
const says = (role: string, content: unknown) => ({ role, content })

const chatCall = (id: string, value: string) => ({
  id,
  type: 'function',
  function: { name: 'f', arguments: JSON.stringify({ note: value }) },
})
const chatAnswer = (...messages: readonly object[]) => ({
  id: 'c', object: 'chat.completion', created: 1, choices: messages.map((message, index) => ({ index, message: { role: 'assistant', ...message }, finish_reason: 'stop' })),
}) // prettier-ignore
const responsesAnswer = (...output: readonly object[]) => ({ id: 'r', object: 'response', status: 'completed', output })
const outputText = (...texts: readonly string[]) => ({
  type: 'message',
  role: 'assistant',
  content: texts.map((text) => ({ type: 'output_text', text, annotations: [] })),
})
const messagesAnswer = (...content: readonly object[]) => ({
  id: 'm',
  type: 'message',
  role: 'assistant',
  model: 'x',
  stop_reason: 'end_turn',
  content,
  usage: { input_tokens: 1, output_tokens: 1 },
})
const completionsAnswer = (...texts: readonly string[]) => ({
  id: 'c', object: 'text_completion', created: 1, choices: texts.map((text, index) => ({ index, text, finish_reason: 'stop', logprobs: null })),
}) // prettier-ignore
const text = (value: string) => ({ type: 'text', text: value })
const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }]

const OK: Readonly<Record<string, object>> = {
  'chat completions': chatAnswer({ content: 'ok' }),
  completions: completionsAnswer('ok'),
  messages: messagesAnswer(text('ok')),
  responses: responsesAnswer(outputText('ok')),
}

describe('a card that is cut over a request (C6)', () => {
  const chat = (...messages: readonly object[]) => ({ messages })
  const messages = (...said: readonly object[]) => ({ max_tokens: 5, messages: said })
  const use = (id: string, note: string) => ({ type: 'tool_use', id, name: 'f', input: { note } })
  const result = (id: string, content: unknown) => ({ type: 'tool_result', tool_use_id: id, content })
  it.each([
    ['chat completions', 'two messages', chat(says('user', ONE), says('assistant', 'Go on.'), says('user', TWO))],
    ['chat completions', 'two parts', chat(says('user', [text(ONE), text(TWO)]))],
    ['chat completions', 'the arguments of two calls', chat(says('user', 'x'), { role: 'assistant', content: null, tool_calls: [chatCall('a', ONE), chatCall('b', TWO)] })],
    ['chat completions', 'two results of tools', chat({ role: 'assistant', content: null, tool_calls: [chatCall('a', 'x'), chatCall('b', 'y')] }, { role: 'tool', tool_call_id: 'a', content: ONE }, { role: 'tool', tool_call_id: 'b', content: TWO })],
    ['chat completions', 'two system prompts', chat(says('system', ONE), says('developer', TWO), says('user', 'x'))],
    ['completions', 'two prompts', { prompt: [ONE, TWO] }],
    ['completions', 'prompt and suffix', { prompt: ONE, suffix: TWO }],
    ['responses', 'two items', { input: [says('user', ONE), says('user', TWO)] }],
    ['responses', 'two parts', { input: [says('user', [{ type: 'input_text', text: ONE }, { type: 'input_text', text: TWO }])] }],
    ['responses', 'the arguments of two calls', { input: ['a', 'b'].map((id, i) => ({ type: 'function_call', call_id: id, name: 'f', arguments: JSON.stringify({ note: [ONE, TWO][i] }) })) }],
    ['responses', 'two results of tools', { input: ['a', 'b'].map((id, i) => ({ type: 'function_call_output', call_id: id, output: [ONE, TWO][i] })) }],
    ['messages', 'two messages', messages(says('user', ONE), says('assistant', 'Go on.'), says('user', TWO))],
    ['messages', 'two blocks', messages(says('user', [text(ONE), text(TWO)]))],
    ['messages', 'the inputs of two calls', messages(says('user', 'x'), says('assistant', [use('a', ONE), use('b', TWO)]))],
    ['messages', 'two results of tools', messages(says('user', [result('a', ONE), result('b', [text(TWO)])]))],
  ] as const)('does not leave: %s, %s', async (surface, _what, body) => {
    const { sent, refused } = await pass(surface, body, OK[surface]!)
    expect([refused, sent]).toEqual([null, expect.stringContaining('[CREDIT_CARD]')])
    expect(sent).not.toMatch(HALF)
    expect(sent).toContain('until May')
    const blocked = await pass(surface, body, OK[surface]!, { filterInput: { CREDIT_CARD: 'block' } })
    expect([blocked.sent, blocked.refused?.code, blocked.refused?.evidence['entity']]).toEqual([null, 'ERR_FILTER_BLOCKED_INPUT', 'CREDIT_CARD'])
  }) // prettier-ignore
})

describe('a card that is cut over an answer (C6)', () => {
  const ask: Readonly<Record<string, object>> = {
    'chat completions': { messages: [says('user', 'x')], tools },
    messages: { max_tokens: 5, messages: [says('user', 'x')], tools: [{ name: 'f', input_schema: { type: 'object' } }] },
    responses: { input: 'x', tools: [{ type: 'function', name: 'f', parameters: { type: 'object' } }] },
    completions: { prompt: 'x', n: 2 },
  }
  it.each([
    ['chat completions', 'two parts', chatAnswer({ content: [text(ONE), text(TWO)] })],
    ['chat completions', 'the arguments of two calls', chatAnswer({ content: null, tool_calls: [chatCall('a', ONE), chatCall('b', TWO)] })],
    ['responses', 'two items', responsesAnswer(outputText(ONE), outputText(TWO))],
    ['responses', 'two parts', responsesAnswer(outputText(ONE, TWO))],
    ['responses', 'the arguments of two calls', responsesAnswer(...[ONE, TWO].map((note, i) => ({ type: 'function_call', call_id: `c${i}`, name: 'f', arguments: JSON.stringify({ note }) })))],
    ['messages', 'two blocks', messagesAnswer(text(ONE), text(TWO))],
    ['messages', 'the inputs of two calls', messagesAnswer(...[ONE, TWO].map((note, i) => ({ type: 'tool_use', id: `t${i}`, name: 'f', input: { note } })))],
  ] as const)('does not come back: %s, %s', async (surface, _what, answer) => {
    const { got, refused } = await pass(surface, ask[surface]!, answer)
    expect([refused, got]).toEqual([null, expect.stringContaining('[CREDIT_CARD]')])
    expect(got).not.toMatch(HALF)
    const blocked = await pass(surface, ask[surface]!, answer, { filterOutput: { CREDIT_CARD: 'block' } })
    expect([blocked.got, blocked.refused?.code]).toEqual([null, 'ERR_FILTER_BLOCKED_OUTPUT'])
  }) // prettier-ignore

  it.each([
    ['chat completions', chatAnswer({ content: ONE }, { content: TWO })],
    ['completions', completionsAnswer(ONE, TWO)],
  ] as const)('is none where the two stand side by side: choices of %s', async (surface, answer) => {
    const { got } = await pass(surface, { ...ask[surface]!, n: 2 }, answer)
    expect(got).toContain(ONE)
    expect(got).toContain(TWO)
  })
})
