/** Tools that the upstream runs, on the surfaces that have them: allowed by name, their results filtered like all that leaves, and untrusted when they come back. */
import { describe, expect, it } from 'vitest'
import type { LanguageAnswer, LanguageRequest, LanguageStream } from '../language-protocol.ts'
import { parseMessageAnswer } from '../messages/answer.ts'
import { parseMessagesRequest } from '../messages/request.ts'
import { MessagesStream } from '../messages/stream.ts'
import { parseResponseAnswer } from '../responses/answer.ts'
import { parseResponsesRequest } from '../responses/request.ts'
import { ResponsesStream } from '../responses/stream.ts'
import { CARD, dataOf, encode, runStream, STEPS, STREAM_OPTIONS } from '../routes.fixtures.ts'
import { markTexts, originOf } from '../text-origin.ts'
import { ToolGuard } from './tool-guard.ts'

const typed = (value: { readonly type: string; readonly [member: string]: unknown }): string =>
  `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`
const mask = (text: string): string => text.replaceAll(CARD, '[CARD]')

const RESPONSE_TOOLS = [
  { type: 'web_search' },
  { type: 'file_search', vector_store_ids: ['vs_1'] },
  { type: 'code_interpreter', container: { type: 'auto' } },
  { type: 'mcp', server_label: 'crm', server_url: 'https://crm.example/sse' },
]
const RESPONSE_ITEMS = [
  { type: 'web_search_call', id: 'w', status: 'completed', action: { type: 'search', query: `about ${CARD}`, sources: [{ type: 'url', url: `https://x.example/${CARD}` }] } },
  { type: 'file_search_call', id: 'f', status: 'completed', queries: [CARD], results: [{ file_id: 'a', filename: 'b', score: 1, text: `FILE ${CARD}` }] },
  { type: 'code_interpreter_call', id: 'c', container_id: 'n', status: 'completed', code: `print("${CARD}")`, outputs: [{ type: 'logs', logs: `LOGS ${CARD}` }] },
  { type: 'mcp_list_tools', id: 'l', server_label: 'crm', tools: [{ name: 'find', description: `DESCRIPTION ${CARD}`, input_schema: { type: 'object' } }] },
  { type: 'mcp_call', id: 'm', server_label: 'crm', name: 'find', arguments: `{"q":"${CARD}"}`, output: `OUTPUT ${CARD}`, error: null },
  { type: 'mcp_approval_request', id: 'q', server_label: 'crm', name: 'find', arguments: `{"q":"${CARD}"}` },
] // prettier-ignore
const MESSAGE_TOOLS = [
  { type: 'web_search_20250305', name: 'web_search' },
  { type: 'web_fetch_20250910', name: 'web_fetch' },
  { type: 'code_execution_20250825', name: 'code_execution' },
]
const MESSAGE_BLOCKS = [
  { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: CARD } },
  { type: 'web_search_tool_result', tool_use_id: 's', content: [{ type: 'web_search_result', url: 'https://x.example', title: `TITLE ${CARD}`, page_age: null }] },
  { type: 'server_tool_use', id: 't', name: 'bash_code_execution', input: { command: `echo ${CARD}` } },
  { type: 'bash_code_execution_tool_result', tool_use_id: 't', content: { type: 'bash_code_execution_result', stdout: `STDOUT ${CARD}`, stderr: '', return_code: 0, content: [] } },
  { type: 'web_fetch_tool_result', tool_use_id: 'u', content: { type: 'web_fetch_result', url: 'https://x.example', content: { type: 'document', source: { type: 'text', media_type: 'text/plain', data: `PAGE ${CARD}` } } } },
] // prettier-ignore

interface Api {
  readonly tools: readonly object[]
  /** What policies call them. */
  readonly names: readonly string[]
  readonly parts: readonly object[]
  ask(tools: readonly object[], history?: readonly object[]): LanguageRequest
  answer(parts: readonly object[], request: LanguageRequest): LanguageAnswer
  told(parts: readonly object[]): string
  stream(request: LanguageRequest, tools: ToolGuard | null): LanguageStream
}

const response = (change: object): object => ({ id: 'r', object: 'response', status: 'completed', output: [], ...change })
const responses: Api = {
  tools: RESPONSE_TOOLS,
  names: ['web_search', 'file_search', 'code_interpreter', 'mcp/crm.example'],
  parts: RESPONSE_ITEMS,
  ask: (tools, history = []) => parseResponsesRequest(encode({ model: 'm', input: [{ role: 'user', content: 'x' }, ...history], tools })),
  answer: (output, request) => parseResponseAnswer(encode(response({ output })), request as never),
  told: (items) =>
    typed({ type: 'response.created', response: response({ status: 'in_progress' }) }) +
    items
      .map((item, i) => {
        const { type, code, arguments: args } = item as { readonly type: string; readonly code?: string; readonly arguments?: string }
        const at = { item_id: 'x', output_index: i }
        const cut = (text: string, name: string, member: string): string =>
          (text.match(/[\s\S]{1,3}/g) ?? []).map((delta) => typed({ type: `${name}.delta`, ...at, delta })).join('') +
          typed({ type: `${name}.done`, ...at, [member]: text })
        return (
          typed({ type: 'response.output_item.added', output_index: i, item }) +
          typed({ type: `response.${type}.in_progress`, ...at, hint: CARD }) +
          (code === undefined ? '' : cut(code, 'response.code_interpreter_call_code', 'code')) +
          (type !== 'mcp_call' || args === undefined ? '' : cut(args, 'response.mcp_call_arguments', 'arguments')) +
          typed({ type: 'response.output_item.done', output_index: i, item })
        )
      })
      .join('') +
    typed({ type: 'response.completed', response: response({ output: items }) }),
  stream: (request, tools) => new ResponsesStream({ ...request, jsonAnswer: false, promptTokens: 1 }, { ...STREAM_OPTIONS, tools }),
}
const messages: Api = {
  tools: MESSAGE_TOOLS,
  names: ['web_search_20250305', 'web_fetch_20250910', 'code_execution_20250825'],
  parts: MESSAGE_BLOCKS,
  ask: (tools, history = []) =>
    parseMessagesRequest(encode({ model: 'm', max_tokens: 5, messages: [{ role: 'user', content: 'x' }, ...(history.length === 0 ? [] : [{ role: 'assistant', content: history }])], tools })),
  answer: (content, request) => parseMessageAnswer(encode({ type: 'message', role: 'assistant', content, stop_reason: 'end_turn' }), request as never),
  told: (blocks) =>
    typed({ type: 'message_start', message: { role: 'assistant' } }) +
    blocks
      .map((block, index) => {
        const { type, input } = block as { readonly type: string; readonly input?: object }
        const deltas = input === undefined ? [] : (JSON.stringify(input).match(/[\s\S]{1,3}/g) ?? [])
        return (
          typed({ type: 'content_block_start', index, content_block: type === 'server_tool_use' ? { ...block, input: {} } : block }) +
          deltas.map((piece) => typed({ type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json: piece } })).join('') +
          typed({ type: 'content_block_stop', index })
        )
      })
      .join('') +
    typed({ type: 'message_delta', delta: { stop_reason: 'end_turn' } }) +
    typed({ type: 'message_stop' }),
  stream: (request, tools) => new MessagesStream({ ...request, jsonAnswer: false, promptTokens: 1 }, { ...STREAM_OPTIONS, tools }),
} // prettier-ignore

describe.each([
  ['responses', responses],
  ['messages', messages],
])('tools that the upstream of %s runs', (_, api) => {
  const allowed = { tools: [api.names.map((name) => `hosted:${name}`)] }
  const request = (tools: readonly object[] = api.tools): LanguageRequest => {
    const asked = api.ask(tools)
    // Getters of a class do not spread.
    return { tools: asked.tools, jsonAnswer: false } as unknown as LanguageRequest
  }

  it('are refused unless a policy names each of them (C6)', () => {
    const asked = api.ask(api.tools).tools!
    expect(asked.map(({ name, hosted }) => [name, hosted])).toEqual(api.names.map((name) => [name, true]))
    expect(() => new ToolGuard(allowed, asked)).not.toThrow()
    for (const rules of [{}, { tools: [['*']] }, { tools: [api.names] }, ...api.names.map((_name, i) => ({ tools: [allowed.tools[0]!.toSpliced(i, 1)] }))])
      expect(() => new ToolGuard(rules, asked)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_TOOL' }))
  }) // prettier-ignore

  it('bring what is filtered like the rest of an answer (C6)', () => {
    const answer = api.answer(api.parts, request())
    expect(() => new ToolGuard(allowed, api.ask(api.tools).tools!).checkAll(answer.toolCalls!())).not.toThrow()
    answer.rewriteTexts(mask)
    const out = answer.toClient('m', 0)
    expect(out).not.toContain('4111')
    expect(out.split('[CARD]').length).toBeGreaterThan(api.parts.length)
  })

  it('bring it in a stream too, however it is cut (C6)', () => {
    for (const step of [undefined, ...STEPS]) {
      const stream = api.stream(request(), new ToolGuard(allowed, api.ask(api.tools).tools!))
      const out = runStream(stream, api.told(api.parts), step)
      expect([stream.error, stream.state]).toEqual([null, 'complete'])
      expect(out).not.toContain('4111')
      expect(JSON.stringify(dataOf(out)).split('[CARD]').length).toBeGreaterThan(api.parts.length)
    }
  })

  it('show in no answer that did not ask for them, whether or not a policy speaks of tools (C6)', () => {
    for (const part of api.parts) {
      const answer = api.answer([part], request([]))
      expect(() => answer.rewriteTexts(mask)).toThrow(expect.objectContaining({ code: 'ERR_UPSTREAM_PROTOCOL' }))
      expect(() => new ToolGuard(allowed, []).checkAll(answer.toolCalls!())).toThrow(expect.objectContaining({ code: 'ERR_FILTER_TOOL_CALL' }))
      const stream = api.stream(request([]), null)
      const out = runStream(stream, api.told([part]))
      expect(stream.state).toBe('failed')
      expect(out).not.toMatch(/4111|crm|x\.example/)
    }
  }) // prettier-ignore

  it('bring what is untrusted when it comes back, filtered and marked (C7)', () => {
    const asked = api.ask([], api.parts)
    const origins = new Map<string, string>()
    asked.rewriteTexts((text, place) => {
      const [word] = /[A-Z]{4,}/.exec(text) ?? []
      if (word !== undefined) origins.set(word, originOf(asked.tree, place))
      return mask(text)
    })
    expect(origins.size).toBeGreaterThan(2)
    // A page that was fetched is a document.
    for (const [word, origin] of origins) expect([word, origin]).toEqual([word, word === 'PAGE' ? 'document' : 'tool_result'])
    expect(asked.toUpstream('m', null)).not.toContain('4111')
    const marked: string[] = []
    markTexts(asked.tree, ['tool_result', 'document'], (text) => {
      marked.push(text)
      return text
    })
    const texts = [...origins.keys()].filter((word) => word !== 'DESCRIPTION' && word !== 'TITLE')
    for (const word of texts) expect(marked.some((text) => text.includes(word))).toBe(true)
  })
})

it('pictures of a program do not leave, and pass as input only where policy lets them pass unread (C6)', () => {
  const item = { type: 'code_interpreter_call', id: 'c', container_id: 'n', code: '1', outputs: [{ type: 'image', url: 'data:image/png;base64,aGk=' }] } // prettier-ignore
  const { tools } = responses.ask(RESPONSE_TOOLS)
  const answer = responses.answer([item], { tools, jsonAnswer: false } as never)
  answer.rewriteTexts(mask)
  expect(answer.toClient('m', 0)).not.toContain('aGk=')
  const back = responses.ask([], [item])
  expect(back.unreadable).toEqual([{ kind: 'image', param: 'input[1].outputs[0].type' }])
})

it('pages that come back as cipher pass only where policy lets files pass unread, and fetched files do not leave (C6)', () => {
  const cipher = { type: 'web_search_tool_result', tool_use_id: 's', content: [{ type: 'web_search_result', url: 'https://x.example', title: 'T', encrypted_content: 'abc' }] } // prettier-ignore
  expect(messages.ask([], [cipher]).unreadable).toEqual([{ kind: 'file', param: 'messages[1].content[0].content[0].type' }])
  const file = { type: 'web_fetch_tool_result', tool_use_id: 'u', content: { type: 'web_fetch_result', url: 'https://x.example', content: { type: 'document', source: { type: 'base64', data: 'aGk=' } } } } // prettier-ignore
  const { tools } = messages.ask(MESSAGE_TOOLS)
  const request = { tools, jsonAnswer: false } as never
  expect(() => messages.answer([file], request)).toThrow(expect.objectContaining({ code: 'ERR_UPSTREAM_PROTOCOL' }))
  const stream = messages.stream(request, null)
  expect(runStream(stream, messages.told([file]))).not.toContain('aGk=')
  expect(stream.state).toBe('failed')
})
