/** What no filter can read, on every surface of language models: refused unless policy lets that kind pass unread, in answers never let out. C6, C9. */
import { describe, expect, it } from 'vitest'
import { UNREADABLE_KINDS, type UnreadableKind } from '#foundation/core'
import { pass } from './surface.fixture.ts'

/** Stands for the bytes of a picture or a recording; letters alone, so that no recogniser touches it. */
const BYTES = 'cGljdHVyZWJ5dGVz'
const CARD = '4111 1111 1111 1111'
const url = `data:image/png;base64,${BYTES}`
const says = (content: unknown) => ({ role: 'user', content })
const chat = (part: object) => ({ messages: [says([{ type: 'text', text: `card ${CARD}` }, part])] })
const input = (part: object) => ({ input: [says([{ type: 'input_text', text: `card ${CARD}` }, part])] })
const toolOutput = (part: object) => ({
  input: [{ type: 'function_call_output', call_id: 'c', output: [{ type: 'input_text', text: `card ${CARD}` }, part] }],
})
const blocks = (block: object) => ({ max_tokens: 5, messages: [says([{ type: 'text', text: `card ${CARD}` }, block])] })
const source = { type: 'base64', media_type: 'image/png', data: BYTES }
const pdf = { type: 'document', source: { ...source, media_type: 'application/pdf' } }
const result = (block: object) => blocks({ type: 'tool_result', tool_use_id: 't', content: [block] })

const chatAnswer = (message: object) => ({
  id: 'c', object: 'chat.completion', created: 1, choices: [{ index: 0, message: { role: 'assistant', content: 'ok', ...message }, finish_reason: 'stop' }],
}) // prettier-ignore
const responsesAnswer = (...items: readonly object[]) => ({
  id: 'r', object: 'response', status: 'completed', output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'ok', annotations: [] }] }, ...items],
}) // prettier-ignore
const messagesAnswer = (...more: readonly object[]) => ({
  id: 'm', type: 'message', role: 'assistant', model: 'x', stop_reason: 'end_turn', content: [{ type: 'text', text: 'ok' }, ...more], usage: { input_tokens: 1, output_tokens: 1 },
}) // prettier-ignore
const ANSWERS: Readonly<Record<string, object>> = {
  'chat completions': chatAnswer({}),
  completions: {
    id: 'c',
    object: 'text_completion',
    created: 1,
    choices: [{ index: 0, text: 'ok', finish_reason: 'stop', logprobs: null }],
  },
  embeddings: { object: 'list', data: [{ object: 'embedding', index: 0, embedding: [0.5] }], usage: { prompt_tokens: 1, total_tokens: 1 } },
  messages: messagesAnswer(),
  responses: responsesAnswer(),
}

describe('a part of a request that no filter can read (C6)', () => {
  const rows: readonly (readonly [surface: string, what: string, kind: UnreadableKind, body: object, shown: string])[] = [
    ['chat completions', 'image_url', 'image', chat({ type: 'image_url', image_url: { url } }), BYTES],
    ['chat completions', 'input_audio', 'audio', chat({ type: 'input_audio', input_audio: { data: BYTES, format: 'wav' } }), BYTES],
    ['chat completions', 'video_url', 'video', chat({ type: 'video_url', video_url: { url } }), BYTES],
    ['chat completions', 'file', 'file', chat({ type: 'file', file: { file_data: BYTES, filename: 'a.pdf' } }), BYTES],
    ['completions', 'token ids', 'token_ids', { prompt: [11, 22] }, '[11,22]'],
    ['embeddings', 'token ids', 'token_ids', { input: [[11, 22]] }, '[11,22]'],
    ['responses', 'input_image', 'image', input({ type: 'input_image', image_url: url }), BYTES],
    ['responses', 'input_audio', 'audio', input({ type: 'input_audio', input_audio: { data: BYTES, format: 'wav' } }), BYTES],
    ['responses', 'input_file', 'file', input({ type: 'input_file', file_data: BYTES }), BYTES],
    ['responses', 'input_image of a tool', 'image', toolOutput({ type: 'input_image', image_url: url }), BYTES],
    ['messages', 'image', 'image', blocks({ type: 'image', source }), BYTES],
    ['messages', 'document', 'file', blocks(pdf), BYTES],
    ['messages', 'image of a tool', 'image', result({ type: 'image', source }), BYTES],
    ['messages', 'document of a tool', 'file', result(pdf), BYTES],
  ]
  it.each(rows)('is refused unless policy lets its kind pass: %s, %s', async (surface, _what, kind, body, shown) => {
    const answer = ANSWERS[surface]!
    const others = UNREADABLE_KINDS.filter((other) => other !== kind)
    for (const unreadInput of [undefined, [], others])
      expect(await pass(surface, body, answer, unreadInput === undefined ? {} : { unreadInput })).toMatchObject({
        sent: null,
        refused: { code: 'ERR_FILTER_UNREADABLE', evidence: { kind } },
      })
    const { sent, refused } = await pass(surface, body, answer, { unreadInput: [kind] })
    expect([refused, sent]).toEqual([null, expect.stringContaining(shown)])
    // What stands beside it is read all the same.
    expect(sent).not.toContain(CARD)
  })
})

describe('what an answer holds that no filter can read (C6)', () => {
  const ask: Readonly<Record<string, object>> = {
    'chat completions': { messages: [says('x')] },
    messages: { max_tokens: 5, messages: [says('x')] },
    responses: { input: 'x' },
  }
  it.each([
    ['chat completions', 'audio', chatAnswer({ audio: { id: 'a', data: BYTES, transcript: 'ok' } })],
    ['chat completions', 'images', chatAnswer({ images: [{ type: 'image_url', image_url: { url } }] })],
    ['chat completions', 'a part that is an image', chatAnswer({ content: [{ type: 'image_url', image_url: { url } }] })],
    ['responses', 'a generated image', responsesAnswer({ type: 'image_generation_call', id: 'i', status: 'completed', result: BYTES })],
    ['responses', 'a screenshot', responsesAnswer({ type: 'computer_call_output', call_id: 'c', output: { type: 'computer_screenshot', image_url: url } })],
    ['responses', 'a part that is audio', responsesAnswer({ type: 'message', role: 'assistant', content: [{ type: 'output_audio', data: BYTES, transcript: 'ok' }] })],
    ['responses', 'a part that is an image', responsesAnswer({ type: 'message', role: 'assistant', content: [{ type: 'output_image', image_url: url }] })],
    ['messages', 'an image', messagesAnswer({ type: 'image', source })],
    ['messages', 'a document', messagesAnswer(pdf)],
    ['messages', 'an image in a result', messagesAnswer({ type: 'web_fetch_tool_result', tool_use_id: 't', content: { type: 'web_fetch_result', url: 'https://x.example', content: pdf } })],
  ] as const)('does not go out, even where its kind may come in: %s, %s', async (surface, _what, answer) => {
    for (const obligations of [{}, { unreadInput: UNREADABLE_KINDS }]) {
      const { got } = await pass(surface, ask[surface]!, answer, obligations)
      expect(got ?? '').not.toContain(BYTES)
    }
  }) // prettier-ignore
})
