import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TextOrigin } from '#gateway/pipeline'
import { parseChatRequest } from './chat-completions/request.ts'
import { parseCompletionRequest } from './completions/request.ts'
import { parseEmbeddingRequest } from './embeddings/request.ts'
import type { LanguageRequest } from './language-protocol.ts'
import { parseMessagesRequest } from './messages/request.ts'
import { parseResponsesRequest } from './responses/request.ts'
import { answeredIn, endSystemPrompt, markTexts, originOf, saidIn } from './text-origin.ts'

const bytes = (body: object): Uint8Array => Buffer.from(JSON.stringify(body))
const tool = { type: 'function', function: { name: 'look', description: 'DESCRIPTION', parameters: { type: 'object' } } }

const chat = () =>
  parseChatRequest(
    bytes({
      model: 'm',
      messages: [
        { role: 'system', content: 'SYSTEM' },
        { role: 'developer', content: [{ type: 'text', text: 'DEVELOPER' }] },
        { role: 'user', content: [{ type: 'text', text: 'ASKED' }], name: 'anna' },
        { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"a":"ARGUMENT"}' } }] },
        { role: 'tool', tool_call_id: 'call_1', content: '{"result":"TOOL"}' },
        { role: 'tool', tool_call_id: 'call_1', content: [{ type: 'text', text: 'TOOL PART', role: 'system' }] },
        { role: 'user', content: 'ASKED AGAIN' },
      ],
      tools: [tool],
    }),
  ) // prettier-ignore
const messages = () =>
  parseMessagesRequest(
    bytes({
      model: 'm',
      max_tokens: 5,
      system: [{ type: 'text', text: 'SYSTEM', cache_control: { type: 'ephemeral' } }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'ASKED' }, { type: 'document', title: 'TITLE', source: { type: 'text', media_type: 'text/plain', data: 'DOCUMENT' } }] },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'look', input: { a: 'ARGUMENT' } }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: 'TOOL' }] }, { type: 'tool_result', tool_use_id: 'toolu_1', content: 'TOOL TEXT' }] },
        { role: 'user', content: [{ type: 'search_result', title: 'T', source: 'https://x.example', content: [{ type: 'text', text: 'FOUND' }] }, { type: 'text', text: 'ASKED AGAIN' }] },
      ],
    }),
  ) // prettier-ignore
const responses = () =>
  parseResponsesRequest(
    bytes({
      model: 'm',
      instructions: 'SYSTEM',
      input: [
        { role: 'developer', content: [{ type: 'input_text', text: 'DEVELOPER' }] },
        { role: 'user', content: 'ASKED' },
        { type: 'function_call', call_id: 'c1', name: 'look', arguments: '{"a":"ARGUMENT"}' },
        { type: 'function_call_output', call_id: 'c1', output: 'TOOL' },
        { type: 'function_call_output', call_id: 'c1', output: [{ type: 'input_text', text: 'TOOL PART' }] },
      ],
    }),
  ) // prettier-ignore

function origins(request: LanguageRequest): Record<string, TextOrigin> {
  const found: Record<string, TextOrigin> = {}
  request.rewriteTexts((text, place) => {
    const [word] = /[A-Z]{2}[A-Z ]+/.exec(text) ?? []
    if (word !== undefined) found[word] = originOf(request.tree, place)
    return text
  })
  return found
}

/** What is said, by the message that it stands in; what stands beside is left out. */
function said(request: LanguageRequest): Record<string, readonly string[]> {
  const found: Record<string, string[]> = {}
  request.rewriteTexts((text, place) => {
    const message = saidIn(place)
    if (message !== null) (found[message] ??= []).push(text.replaceAll(/[^A-Z ]/gu, '').trim())
    return text
  })
  return found
}

function marked(request: LanguageRequest, of: readonly ('document' | 'tool_result')[]): readonly string[] {
  const texts: string[] = []
  markTexts(request.tree, of, (text) => {
    texts.push(text)
    return `«${text}»`
  })
  return texts
}

describe('where a text comes from (C7)', () => {
  it('is told by role and part in every API', () => {
    expect(origins(chat())).toEqual({
      SYSTEM: 'system', DEVELOPER: 'system', ASKED: 'user', ARGUMENT: 'assistant', TOOL: 'tool_result', 'TOOL PART': 'tool_result', 'ASKED AGAIN': 'user', DESCRIPTION: 'system',
    }) // prettier-ignore
    expect(origins(messages())).toEqual({
      SYSTEM: 'system', ASKED: 'user', TITLE: 'document', DOCUMENT: 'document', ARGUMENT: 'assistant', TOOL: 'tool_result', 'TOOL TEXT': 'tool_result', FOUND: 'document', 'ASKED AGAIN': 'user',
    }) // prettier-ignore
    expect(origins(responses())).toEqual({
      SYSTEM: 'system', DEVELOPER: 'system', ASKED: 'user', ARGUMENT: 'assistant', TOOL: 'tool_result', 'TOOL PART': 'tool_result',
    }) // prettier-ignore
    expect(origins(parseResponsesRequest(bytes({ model: 'm', input: 'ASKED' })))).toEqual({ ASKED: 'user' })
    expect(origins(parseCompletionRequest(bytes({ model: 'm', prompt: ['ASKED'] })))).toEqual({ ASKED: 'user' })
    expect(origins(parseEmbeddingRequest(bytes({ model: 'm', input: 'ASKED' })))).toEqual({ ASKED: 'user' })
  })

  it('is told with the message that it stands in, without ids, names and types, for whoever looks over its borders (C7)', () => {
    expect(said(chat())).toEqual({
      'messages[0]': ['SYSTEM'], 'messages[1]': ['DEVELOPER'], 'messages[2]': ['ASKED'], 'messages[3]': ['ARGUMENT'], 'messages[4]': ['TOOL'], 'messages[5]': ['TOOL PART'], 'messages[6]': ['ASKED AGAIN'],
    }) // prettier-ignore
    expect(said(messages())).toEqual({
      'messages[0]': ['ASKED', 'TITLE', 'DOCUMENT'], 'messages[1]': ['', 'ARGUMENT'], 'messages[2]': ['TOOL', 'TOOL TEXT'], 'messages[3]': ['T', '', 'FOUND', 'ASKED AGAIN'],
    }) // prettier-ignore
    expect(said(responses())).toEqual({
      'input[0]': ['DEVELOPER'], 'input[1]': ['ASKED'], 'input[2]': ['ARGUMENT'], 'input[3]': ['TOOL'], 'input[4]': ['TOOL PART'],
    }) // prettier-ignore
    expect(said(parseResponsesRequest(bytes({ model: 'm', input: 'ASKED', instructions: 'SYSTEM' })))).toEqual({ input: ['ASKED'] })
  })

  it.each([
    ['saidIn', saidIn, 'messages[0].content.'],
    ['answeredIn', answeredIn, 'content.'],
  ] as const)('is told at once where a caller chose a long name: %s', (_name, told, before) => {
    // A few milliseconds; the square of the length takes several seconds.
    const started = performance.now()
    for (const name of [`${'a'.repeat(50_000)}.`, '[1]'.repeat(15_000) + 'x]', 'a[1]'.repeat(12_000) + ']', `[${'1'.repeat(50_000)}`])
      expect(told(before + name)).not.toBeNull()
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  it('is told by the last name, whatever indexes stand behind it', () => {
    for (const [place, message] of [
      ['messages[1].content[0].text', 'messages[1]'],
      ['messages[1].content[0].type', null],
      ['messages[1].content[0].name[2][3]', null],
      ['messages[1].name.x', 'messages[1]'],
      ['prompt[2]', 'prompt[2]'],
      ['prompt', 'prompt'],
      ['model', null],
    ] as const)
      expect(saidIn(place), place).toBe(message)
  })

  it('is the untrusted one for whatever a tool result calls itself', () => {
    const tree = {
      messages: [{ role: 'user', content: [{ type: 'tool_result', content: [{ type: 'function_call', role: 'system', text: 'x' }] }] }],
    }
    expect(originOf(tree, 'messages[0].content[0].content[0].text')).toBe('tool_result')
    expect(originOf(tree, 'messages[0].content[0].*')).toBe('tool_result')
    expect(originOf(tree, 'body')).toBe('system')
    expect(originOf(tree, 'messages[7].content')).toBe('user')
    expect(originOf(tree, 'messages[0].constructor.name')).toBe('user')
  })
})

describe('what stands beside a conversation, or calls itself otherwise (C7)', () => {
  const ask = (message: object, more: object = {}) => parseChatRequest(bytes({ model: 'm', messages: [message], ...more }))

  it('is of a document, or of the user', () => {
    const request = () =>
      ask({ role: 'user', content: 'ASKED' }, { documents: [{ title: 'TITLE', text: 'BROUGHT', made: { up: 'FREE' } }, 'WHOLE'] })
    expect(origins(request())).toEqual({ ASKED: 'user', TITLE: 'document', BROUGHT: 'document', FREE: 'document', WHOLE: 'document' })
    expect(marked(request(), ['document'])).toEqual(['TITLE', 'BROUGHT', 'WHOLE'])
    expect(marked(request(), ['tool_result'])).toEqual([])
    expect(marked(ask({ role: 'user', content: 'ASKED' }, { documents: 'WHOLE' }), ['document'])).toEqual(['WHOLE'])
    expect(origins(parseCompletionRequest(bytes({ model: 'm', prompt: 'ASKED', suffix: 'AFTER' })))).toEqual({
      ASKED: 'user',
      AFTER: 'user',
    })
  })

  it('is of its role where it has one, unless its type is trusted less', () => {
    for (const [role, type, origin] of [
      ['user', 'function_call', 'user'],
      ['user', 'reasoning', 'user'],
      ['system', 'reasoning', 'system'],
      ['user', 'document', 'document'],
      ['system', 'tool_result', 'tool_result'],
    ] as const)
      expect(origins(ask({ role, type, content: 'ASKED' }))).toEqual({ ASKED: origin })
  })

  it('is marked in every member that a tool result or a document says something in', () => {
    const content = [
      { type: 'refusal', refusal: 'REFUSED' },
      { type: 'thinking', thinking: 'THOUGHT', signature: 'sig' },
      { type: 'search_result', title: 'TITLE', source: 'https://x.example', content: [{ type: 'text', text: 'FOUND' }] },
      { type: 'document', context: 'CONTEXT', title: 'NAME', source: { type: 'text', media_type: 'text/plain', data: 'DATA' } },
    ]
    const tree = { messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', title: 'no text', content }] }] }
    const texts: string[] = []
    markTexts(tree, ['tool_result', 'document'], (text) => (texts.push(text), text))
    expect(texts).toEqual(['REFUSED', 'THOUGHT', 'TITLE', 'FOUND', 'CONTEXT', 'NAME', 'DATA'])
  })
})

describe('marking what nobody vouches for (C7)', () => {
  it('marks texts of the origins asked for, and neither ids nor names nor anything else', () => {
    expect(marked(chat(), ['tool_result'])).toEqual(['{"result":"TOOL"}', 'TOOL PART'])
    expect(marked(chat(), ['document'])).toEqual([])
    expect(marked(messages(), ['tool_result'])).toEqual(['TOOL', 'TOOL TEXT'])
    expect(marked(messages(), ['document'])).toEqual(['TITLE', 'DOCUMENT', 'T', 'FOUND'])
    expect(marked(responses(), ['document', 'tool_result'])).toEqual(['TOOL', 'TOOL PART'])
    const request = chat()
    markTexts(request.tree, ['tool_result'], (text) => `«${text}»`)
    const sent = JSON.parse(request.toUpstream('up')) as { messages: { content: unknown; tool_call_id: string }[] }
    expect(sent.messages[4]).toEqual({ role: 'tool', tool_call_id: 'call_1', content: '«{"result":"TOOL"}»' })
    expect(sent.messages.filter((_, i) => i !== 4 && i !== 5)).toEqual(
      (JSON.parse(chat().toUpstream('up')) as { messages: unknown[] }).messages.filter((_, i) => i !== 4 && i !== 5),
    )
  })

  it('leaves pictures and files inside of tool results as they are', () => {
    const tree = { messages: [{ role: 'user', content: [{ type: 'tool_result', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } }] }] }] } // prettier-ignore
    const before = JSON.stringify(tree)
    markTexts(tree, ['tool_result', 'document'], () => 'MARKED')
    expect(JSON.stringify(tree)).toBe(before)
  })

  it('takes any body that a request can be', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (json) => {
        const tree = { messages: JSON.parse(json) as never, input: JSON.parse(json) as never }
        markTexts(tree, ['tool_result', 'document'], (text) => text)
        endSystemPrompt(tree, 'x')
        originOf(tree, 'messages[0].content')
      }),
      { seed: 20_261_127, numRuns: 300 },
    )
  })
})

describe('the end of the system prompt', () => {
  it('is found in every API, once in each prompt', () => {
    for (const [request, places] of [
      [chat(), ['DEVELOPER|x']],
      [messages(), ['SYSTEM|x']],
      [responses(), ['SYSTEM|x', 'DEVELOPER|x']],
    ] as const) {
      expect(endSystemPrompt(request.tree, '|x')).toBe(true)
      const sent = request.toUpstream('up', null)
      for (const place of places) expect(sent).toContain(`"${place}"`)
      expect(sent.split('|x').length - 1).toBe(places.length)
    }
    expect(endSystemPrompt(parseChatRequest(bytes({ model: 'm', messages: [{ role: 'user', content: 'hi' }] })).tree, 'x')).toBe(false)
    expect(endSystemPrompt(parseCompletionRequest(bytes({ model: 'm', prompt: 'hi' })).tree, 'x')).toBe(false)
  })
})
