/** What policies let a model do with tools, over every API that has them, whole and streamed. */
import { RedoubtError, type ToolRules } from '#foundation/core'
import { describe, expect, it } from 'vitest'
import { parseChatRequest } from '../chat-completions/request.ts'
import { parseChatResponse } from '../chat-completions/response.ts'
import { ChatStreamTransformer } from '../chat-completions/stream.ts'
import type { LanguageAnswer, LanguageRequest, LanguageStream, StreamOptions } from '../language-protocol.ts'
import { parseMessageAnswer } from '../messages/answer.ts'
import { parseMessagesRequest } from '../messages/request.ts'
import { MessagesStream } from '../messages/stream.ts'
import { parseResponseAnswer } from '../responses/answer.ts'
import { parseResponsesRequest } from '../responses/request.ts'
import { ResponsesStream } from '../responses/stream.ts'
import { CARD, dataOf, encode, runStream, STEPS, STREAM_OPTIONS } from '../routes.fixtures.ts'
import { ToolGuard } from './tool-guard.ts'

const SCHEMA = {
  type: 'object',
  properties: { to: { type: 'string' }, amount: { type: 'integer' } },
  required: ['to'],
  additionalProperties: false,
}
const PAY: ToolRules = { tools: [['pay', 'search_*']] }
const CHECKED: ToolRules = { ...PAY, toolArguments: 'check' }

interface Api {
  ask(tools: readonly object[], more?: object): LanguageRequest
  tool(name: string, schema?: object): object
  choice(name: string): object
  answer(name: string, args: string): LanguageAnswer
  /** The arguments in pieces of `step` characters. */
  told(name: string, args: string, step: number): string
  stream(options: StreamOptions): LanguageStream
  /** What a blocked stream ends with. */
  readonly blocked: RegExp
}

const cut = (text: string, step: number): readonly string[] => text.match(new RegExp(`[\\s\\S]{1,${step}}`, 'g')) ?? []
const data = (value: object, name?: string): string => `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(value)}\n\n`
const typed = (value: { readonly type: string; readonly [member: string]: unknown }): string => data(value, value.type)

const chat: Api = {
  ask: (tools, more = {}) => parseChatRequest(encode({ model: 'm', messages: [{ role: 'user', content: 'x' }], tools, ...more })),
  tool: (name, parameters) => ({ type: 'function', function: { name, ...(parameters ? { parameters } : {}) } }),
  choice: (name) => ({ tool_choice: { type: 'function', function: { name } } }),
  answer(name, args) {
    const message = { role: 'assistant', content: null, tool_calls: [{ id: 'c', type: 'function', function: { name, arguments: args } }] }
    return parseChatResponse(encode({ choices: [{ index: 0, message, finish_reason: 'tool_calls' }] }))
  },
  told(name, args, step) {
    const delta = (call: object): string =>
      data({ choices: [{ index: 0, delta: { tool_calls: [{ index: 0, ...call }] }, finish_reason: null }] })
    const begin = delta({ id: 'c', type: 'function', function: { name, arguments: '' } })
    const end = data({ choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] })
    return `${begin}${cut(args, step)
      .map((piece) => delta({ function: { arguments: piece } }))
      .join('')}${end}data: [DONE]\n\n`
  },
  stream: (options) => new ChatStreamTransformer({ ...options, includeUsage: false, choices: 1, promptTokens: 1, jsonAnswer: false }),
  blocked: /"finish_reason":"content_filter"/,
}

const messages: Api = {
  ask: (tools, more = {}) =>
    parseMessagesRequest(encode({ model: 'm', max_tokens: 5, messages: [{ role: 'user', content: 'x' }], tools, ...more })),
  tool: (name, schema) => ({ name, ...(schema ? { input_schema: schema } : {}) }),
  choice: (name) => ({ tool_choice: { type: 'tool', name } }),
  answer: (name, args) =>
    parseMessageAnswer(
      encode({
        type: 'message',
        role: 'assistant',
        content: [{ type: 'tool_use', id: 't', name, input: JSON.parse(args) as unknown }],
        stop_reason: 'tool_use',
      }),
      { jsonAnswer: false },
    ),
  told: (name, args, step) =>
    typed({ type: 'message_start', message: { role: 'assistant' } }) +
    typed({ type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 't', name, input: {} } }) +
    cut(args, step)
      .map((piece) => typed({ type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: piece } }))
      .join('') +
    typed({ type: 'content_block_stop', index: 0 }) +
    typed({ type: 'message_delta', delta: { stop_reason: 'tool_use' } }) +
    typed({ type: 'message_stop' }),
  stream: (options) => new MessagesStream({ jsonAnswer: false, promptTokens: 1 }, options),
  blocked: /"stop_reason":"refusal"/,
}

const item = (name: string, args: string): object => ({
  type: 'function_call',
  id: 'f',
  call_id: 'c',
  name,
  arguments: args,
  status: 'completed',
})
const response = (change: object): object => ({ id: 'r', object: 'response', status: 'completed', output: [], ...change })
const responses: Api = {
  ask: (tools, more = {}) => parseResponsesRequest(encode({ model: 'm', input: 'x', tools, ...more })),
  tool: (name, parameters) => ({ type: 'function', name, ...(parameters ? { parameters } : {}) }),
  choice: (name) => ({ tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name }] } }),
  answer: (name, args) => parseResponseAnswer(encode(response({ output: [item(name, args)] })), { jsonAnswer: false }),
  told(name, args, step) {
    const at = { item_id: 'f', output_index: 0 }
    return (
      typed({ type: 'response.created', response: response({ status: 'in_progress' }) }) +
      typed({ type: 'response.output_item.added', output_index: 0, item: item(name, '') }) +
      cut(args, step)
        .map((delta) => typed({ type: 'response.function_call_arguments.delta', ...at, delta }))
        .join('') +
      typed({ type: 'response.function_call_arguments.done', ...at, arguments: args }) +
      typed({ type: 'response.output_item.done', output_index: 0, item: item(name, args) }) +
      typed({ type: 'response.completed', response: response({ output: [item(name, args)] }) })
    )
  },
  stream: (options) => new ResponsesStream({ jsonAnswer: false, promptTokens: 1 }, options),
  blocked: /"reason":"content_filter"/,
}

describe.each([
  ['chat completions', chat],
  ['messages', messages],
  ['responses', responses],
])('tools of %s', (_, api) => {
  const guard = (rules: ToolRules, request = api.ask([api.tool('pay', SCHEMA), api.tool('search_web', SCHEMA)])): ToolGuard =>
    new ToolGuard(rules, request.tools ?? [])
  const run = (rules: ToolRules, name: string, args: string, step = 3, size?: number) => {
    const tools = guard(rules)
    const stream = api.stream({ ...STREAM_OPTIONS, tools })
    return { out: runStream(stream, api.told(name, args, step), size), stream, tools }
  }

  it('that no policy names are not offered to the model, nor chosen for it (C6)', () => {
    for (const request of [
      api.ask([api.tool('pay'), api.tool('delete_all')]),
      api.ask([api.tool('pay')], api.choice('delete_all')),
      api.ask([api.tool('hosted:web_search')]),
    ])
      expect(() => guard(PAY, request)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_TOOL', status: 403 }))
    expect(() => guard(PAY)).not.toThrow()
    expect(() => guard({}, api.ask([api.tool('delete_all')]))).not.toThrow()
  })

  it('are offered only with schemas that can be checked, where arguments have to be (C6)', () => {
    expect(() => guard(CHECKED, api.ask([api.tool('pay', { type: 'object', patternProperties: {} })]))).toThrow(
      expect.objectContaining({ code: 'ERR_INPUT_INVALID', evidence: { param: 'tools[0]' } }),
    )
    expect(() => guard(CHECKED, api.ask([api.tool('pay', SCHEMA), api.tool('pay', {})]))).toThrow(/one name/)
    expect(() => guard(PAY, api.ask([api.tool('pay', { type: 'object', patternProperties: {} })]))).not.toThrow()
  })

  it('are called whole only as policy and schema let them (C6)', () => {
    const check = (rules: ToolRules, name: string, args: string): unknown =>
      guard(rules).checkAll(api.answer(name, args).toolCalls?.() ?? [])
    const blocked = expect.objectContaining({ code: 'ERR_FILTER_TOOL_CALL', status: 400 })
    expect(() => check(PAY, 'delete_all', '{}')).toThrow(blocked)
    expect(() => check(PAY, 'pay', '{"any":1}')).not.toThrow()
    expect(() => check(CHECKED, 'pay', '{"to":"jane","amount":3}')).not.toThrow()
    for (const args of ['{"amount":3}', '{"to":"jane","amount":"3"}', '{"to":"jane","more":1}', '[]', '"x"'])
      expect(() => check(CHECKED, 'pay', args)).toThrow(blocked)
    // Allowed by name, but not among those that were offered.
    expect(() => check(CHECKED, 'search_mail', '{"to":"jane"}')).toThrow(blocked)
  })

  it('are called in a stream only as policy lets them: nothing of another call leaves (C6)', () => {
    for (const size of [undefined, ...STEPS]) {
      const { out, stream, tools } = run(PAY, 'delete_all', '{"to":"jane"}', 3, size)
      expect(stream.state).toBe('blocked')
      expect(tools.refused).toBeInstanceOf(RedoubtError)
      expect(out).toMatch(api.blocked)
      expect(out).not.toMatch(/delete_all|jane/)
    }
    expect(run(PAY, 'pay', '{"any":1}').stream.state).toBe('complete')
  })

  it('are called in a stream with arguments that were checked before any of them leaves, and filtered (C6)', () => {
    for (const args of ['{"to":"jane","amount":"3"}', '{"to":"jane","to":1}', '{"to":"jane"', '{"to":"jane"}}', '[]', ''])
      for (const step of [1, 4, 100]) {
        const { out, stream } = run(CHECKED, 'pay', args, step)
        // A call without arguments lacks what its tool requires.
        expect(stream.state, args).toBe('blocked')
        expect(out).toMatch(api.blocked)
        expect(out).not.toContain('jane')
      }
    const { out, stream } = run(CHECKED, 'pay', `{"to":"${CARD}","amount":3}`, 2)
    expect(stream.state).toBe('complete')
    expect(out).not.toContain('4111')
    expect(JSON.stringify(dataOf(out))).toContain('[CARD]')
  })
})

describe('tools that the upstream runs', () => {
  const web: readonly [object, string][] = [
    [{ tools: [{ type: 'web_search' }] }, 'web_search'],
    [{ tools: [{ type: 'mcp', server_url: 'https://Example.com:443/sse' }] }, 'mcp/example.com'],
    [{ tools: [{ type: 'mcp', connector_id: 'connector_gmail' }] }, 'mcp/connector_gmail'],
    [{ web_search_options: {} }, 'web_search'],
    [{ tool_choice: { type: 'code_interpreter' } }, 'code_interpreter'],
    ...['search_parameters', 'plugins', 'chat_template_kwargs', 'extra_body', 'mcp_servers'].map((member): [object, string] => [
      { [member]: {} },
      member,
    ]),
    [{ enable_search: true }, 'enable_search'],
  ]
  it.each(web)('are refused unless they are named: %j (C6)', (more, type) => {
    const request = parseChatRequest(encode({ model: 'm', messages: [{ role: 'user', content: 'x' }], ...more }))
    for (const rules of [{}, { tools: [['*']] }, { tools: [[type]] }, { tools: [[`hosted:${type}`], ['*']] }])
      expect(() => new ToolGuard(rules, request.tools)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_TOOL' }))
    expect(() => new ToolGuard({ tools: [[`hosted:${type}`]] }, request.tools)).not.toThrow()
  })

  it('do not show in an answer where policy speaks of tools and does not name them (C6)', () => {
    const tools = new ToolGuard(PAY, [])
    const answer = parseResponseAnswer(encode(response({ output: [{ type: 'web_search_call', id: 'w' }] })), { jsonAnswer: false })
    expect(() => tools.checkAll(answer.toolCalls?.() ?? [])).toThrow(expect.objectContaining({ code: 'ERR_FILTER_TOOL_CALL' }))
  })
})

describe('a tool or call in the form of another API', () => {
  const flat = { type: 'function', name: 'pay', parameters: SCHEMA }
  const nested = { type: 'function', function: { name: 'pay', parameters: SCHEMA } }
  const denied = expect.objectContaining({ code: 'ERR_POLICY_TOOL' })
  const twice = (param: string): unknown => expect.objectContaining({ code: 'ERR_INPUT_INVALID', evidence: { param } })

  it('counts for nothing, and in both forms is refused: an upstream could read the other (C6)', () => {
    for (const [api, good, bad] of [
      [chat, nested, flat],
      [responses, flat, nested],
    ] as const) {
      expect(() => new ToolGuard(CHECKED, api.ask([good]).tools ?? [])).not.toThrow()
      expect(() => new ToolGuard(PAY, api.ask([bad]).tools ?? [])).toThrow(denied)
      expect(() => new ToolGuard(PAY, api.ask([good], { tool_choice: bad }).tools ?? [])).toThrow(denied)
      for (const both of [
        { ...flat, function: { name: 'delete_all' } },
        { ...nested, name: 'delete_all' },
      ]) {
        expect(() => api.ask([both])).toThrow(twice('tools[0]'))
        expect(() => api.ask([good], { tool_choice: both })).toThrow(twice('tool_choice'))
      }
      const choice = { type: 'allowed_tools', tools: [good], allowed_tools: { tools: [{ ...good, name: 'delete_all' }] } }
      expect(() => api.ask([good], { tool_choice: choice })).toThrow(twice('tool_choice'))
    }
  })

  it('of two kinds at once, or in no list, is no answer (C6)', () => {
    const answered = (calls: unknown) => () =>
      parseChatResponse(
        encode({ choices: [{ index: 0, message: { role: 'assistant', content: null, tool_calls: calls }, finish_reason: 'tool_calls' }] }),
      )
    const call = { id: 'c', type: 'custom', function: { name: 'pay', arguments: '{}' } }
    const protocol = expect.objectContaining({ code: 'ERR_UPSTREAM_PROTOCOL' })
    expect(answered([{ ...call, custom: { name: 'delete_all', input: 'x' } }])).toThrow(protocol)
    expect(answered({ 0: call })).toThrow(protocol)
    expect(answered([call])).not.toThrow()
    expect(answered(null)).not.toThrow()
  })

  it('does not change its name where its arguments end (C6)', () => {
    for (const [name, state] of [
      ['delete_all', 'failed'],
      ['pay', 'complete'],
    ] as const) {
      const upstream = responses
        .told('pay', '{"to":"jane"}', 3)
        .replace('"arguments":"{\\"to\\":\\"jane\\"}"}', (all) => `${all.slice(0, -1)},"name":"${name}"}`)
      expect(upstream).toContain(`,"name":"${name}"}`)
      const stream = responses.stream({ ...STREAM_OPTIONS, tools: new ToolGuard(PAY, []) })
      const out = runStream(stream, upstream)
      expect(stream.state).toBe(state)
      expect(out).not.toContain('delete_all')
    }
  })
})

describe('a function call of the former kind', () => {
  it('is held to the same (C6)', () => {
    const delta = (call: object, reason: string | null = null): string =>
      data({ choices: [{ index: 0, delta: { function_call: call }, finish_reason: reason }] })
    for (const [name, args, state] of [
      ['delete_all', '{}', 'blocked'],
      ['pay', '{"to":1}', 'blocked'],
      ['pay', '{"to":"jane"}', 'complete'],
    ] as const) {
      const request = parseChatRequest(
        encode({
          model: 'm',
          messages: [{ role: 'user', content: 'x' }],
          functions: [{ name: 'pay', parameters: SCHEMA }],
          function_call: { name: 'pay' },
        }),
      )
      const stream = chat.stream({ ...STREAM_OPTIONS, tools: new ToolGuard(CHECKED, request.tools) })
      const out = runStream(stream, `${delta({ name })}${delta({ arguments: args }, 'function_call')}data: [DONE]\n\n`)
      expect(stream.state).toBe(state)
      if (state === 'blocked') expect(out).not.toMatch(/delete_all|arguments":"\{/)
      const message = { role: 'assistant', content: null, function_call: { name, arguments: args } }
      const whole = parseChatResponse(encode({ choices: [{ index: 0, message, finish_reason: 'function_call' }] }))
      const check = (): void => new ToolGuard(CHECKED, request.tools).checkAll(whole.toolCalls())
      if (state === 'blocked') expect(check).toThrow(/call/)
      else expect(check).not.toThrow()
    }
  })

  it('does not begin with its arguments, whose tool is not known yet (C6)', () => {
    const stream = chat.stream({ ...STREAM_OPTIONS, tools: new ToolGuard(PAY, []) })
    const call = { tool_calls: [{ index: 0, id: 'c', type: 'function', function: { arguments: '{"to":"jane"}' } }] }
    const out = runStream(stream, data({ choices: [{ index: 0, delta: call, finish_reason: null }] }))
    expect(stream.state).toBe('failed')
    expect(out).not.toContain('jane')
  })
})
