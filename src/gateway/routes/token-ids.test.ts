/** Texts as numbers, and markers in identifiers: on every surface alike, whole and streamed. */
import { describe, expect, it } from 'vitest'
import { compilePlan, createRedactor, PROMPT_CANARY, type Redactor, withCanary } from '#gateway/filters'
import { ChatStreamTransformer } from './chat-completions/stream.ts'
import { parseChatResponse } from './chat-completions/response.ts'
import { parseCompletionAnswer } from './completions/answer.ts'
import type { LanguageStream, StreamOptions } from './language-protocol.ts'
import { parseMessageAnswer } from './messages/answer.ts'
import { MessagesStream } from './messages/stream.ts'
import { parseResponseAnswer } from './responses/answer.ts'
import { ResponsesStream } from './responses/stream.ts'
import { encode, runStream, STREAM_OPTIONS } from './routes.fixtures.ts'

const IDS = [[71_234, 12, 990], [5]]
/** Wherever an upstream puts them, and under any name. */
const more = { token_ids: [4711, 12], prompt_token_ids: [4711], prompt_logprobs: [null, { 4711: 'x' }], tomorrow: { ids: IDS } }
const typed = (value: { readonly type: string; readonly [member: string]: unknown }): string =>
  `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`
const options: StreamOptions = { ...STREAM_OPTIONS, tools: null }
const part = { type: 'output_text', text: 'ok', annotations: [{ type: 'url_citation', url: 'u', title: 't', ...more }], ...more }
const item = { type: 'message', id: 'm', role: 'assistant', status: 'completed', content: [part], ...more }
const call = { type: 'function_call', id: 'f', call_id: 'c', name: 'pay', arguments: '{"amounts":[1,2]}', status: 'completed' }
const response = { id: 'r', object: 'response', status: 'completed', output: [item, call], ...more }
const blocks = [
  { type: 'text', text: 'ok', ...more },
  { type: 'tool_use', id: 't', name: 'pay', input: { amounts: [1, 2] } },
]

describe('texts as numbers (C6)', () => {
  it.each([
    [
      'chat completions',
      () =>
        parseChatResponse(
          encode({
            choices: [{ index: 0, message: { role: 'assistant', content: 'ok', ...more }, finish_reason: 'stop', ...more }],
            ...more,
          }),
        ),
    ],
    ['completions', () => parseCompletionAnswer(encode({ choices: [{ index: 0, text: 'ok', finish_reason: 'stop', ...more }], ...more }))],
    ['responses', () => parseResponseAnswer(encode(response), { jsonAnswer: false })],
    [
      'messages',
      () =>
        parseMessageAnswer(encode({ type: 'message', role: 'assistant', content: blocks, stop_reason: 'end_turn', ...more }), {
          jsonAnswer: false,
        }),
    ],
  ])('are told in no answer of %s', (name, parse) => {
    const answer = parse()
    answer.rewriteTexts((text) => text)
    const out = answer.toClient('m', 0)
    expect(out).not.toMatch(/4711|71234|990/)
    expect(out).toContain('ok')
    // What a tool is called with stays what it is.
    if (name === 'messages') expect(out).toContain('"amounts":[1,2]')
  })

  it('are told in no stream of responses or messages', () => {
    const at = { item_id: 'm', output_index: 0, content_index: 0 }
    const told =
      typed({ type: 'response.created', response: { ...response, status: 'in_progress' } }) +
      typed({ type: 'response.output_item.added', output_index: 0, item }) +
      typed({ type: 'response.content_part.added', ...at, part }) +
      typed({ type: 'response.output_text.delta', ...at, delta: 'ok', ...more }) +
      typed({ type: 'response.output_text.annotation.added', ...at, annotation_index: 0, annotation: part.annotations[0] }) +
      typed({ type: 'response.output_text.done', ...at, text: 'ok', ...more }) +
      typed({ type: 'response.content_part.done', ...at, part }) +
      typed({ type: 'response.output_item.done', output_index: 0, item }) +
      typed({ type: 'response.completed', response: { ...response, output: [item] } })
    const stream = new ResponsesStream({ jsonAnswer: false, promptTokens: 1 }, options)
    const out = runStream(stream, told)
    expect([stream.error, stream.state]).toEqual([null, 'complete'])
    expect(out).not.toMatch(/4711|71234|990/)
    expect(out).toContain('annotation.added')
    const message = new MessagesStream({ jsonAnswer: false, promptTokens: 1 }, options)
    const events =
      typed({ type: 'message_start', message: { role: 'assistant', ...more } }) +
      typed({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '', ...more } }) +
      typed({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'ok', ...more } }) +
      typed({
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'citations_delta', citation: { type: 'page_location', cited_text: 'x', ...more } },
      }) +
      typed({ type: 'content_block_stop', index: 0 }) +
      typed({ type: 'message_delta', delta: { stop_reason: 'end_turn' } }) +
      typed({ type: 'message_stop' })
    expect(runStream(message, events)).not.toMatch(/4711|71234|990/)
    expect([message.error, message.state]).toEqual([null, 'complete'])
  })
})

describe('a marker in an identifier', () => {
  const MARKER = 'abcdefghijklmnop23456723'
  const plan = withCanary(compilePlan({}), MARKER)
  const chat = (tool: object): string =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: { tool_calls: [{ index: 0, type: 'function', ...tool }] } }] })}\n\n`
  const begun = typed({ type: 'response.created', response: { id: 'r', object: 'response', status: 'in_progress', output: [] } })
  const added = (change: object): string =>
    begun + typed({ type: 'response.output_item.added', output_index: 0, item: { ...call, ...change } })
  const block = (change: object): string =>
    typed({ type: 'message_start', message: { role: 'assistant' } }) +
    typed({ type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 't', name: 'pay', input: {}, ...change } })
  const open: Readonly<Record<string, (all: StreamOptions) => LanguageStream>> = {
    chat: (all) => new ChatStreamTransformer({ ...all, includeUsage: false, choices: 1, promptTokens: 1, jsonAnswer: false }),
    responses: (all) => new ResponsesStream({ jsonAnswer: false, promptTokens: 1 }, all),
    messages: (all) => new MessagesStream({ jsonAnswer: false, promptTokens: 1 }, all),
  }

  it.each([
    ['chat', 'the name of a tool', chat({ id: 'c', function: { name: MARKER, arguments: '' } })],
    ['chat', 'an id', chat({ id: MARKER, function: { name: 'pay', arguments: '' } })],
    ['responses', 'the name of a tool', added({ name: MARKER })],
    ['responses', 'an id', added({ call_id: `call_${MARKER}` })],
    ['responses', 'the id of an item', begun + typed({ type: 'response.output_text.delta', item_id: MARKER, output_index: 0, delta: 'x' })],
    [
      'responses',
      'what repeats a text',
      added({}) + typed({ type: 'response.function_call_arguments.done', item_id: 'f', output_index: 0, name: MARKER, arguments: '' }),
    ],
    ['messages', 'the name of a tool', block({ name: MARKER })],
    ['messages', 'an id', block({ id: MARKER })],
  ])('ends a stream of %s and is counted, as %s (C7)', (name, _, upstream) => {
    const counted: Redactor[] = []
    const counting = (): Redactor => {
      const redactor = createRedactor(plan)
      counted.push(redactor)
      return redactor
    }
    const stream = open[name]!({ ...options, createRedactor: counting, createSilentRedactor: () => createRedactor(plan) })
    const out = runStream(stream, upstream)
    expect([stream.error, stream.state]).toEqual([null, 'blocked'])
    expect(out).not.toContain(MARKER)
    expect(counted.reduce((sum, { findings }) => sum + (findings.get(PROMPT_CANARY) ?? 0), 0)).toBe(1)
  })
})
