import type { IncomingMessage, ServerResponse } from 'node:http'
import { RedoubtError } from '#foundation/core'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maskCards } from '../chat-completions/card-redactor.fixture.ts'
import { CARD, dataOf, encode, eventsOf, runStream, STEPS, STREAM_OPTIONS } from '../routes.fixtures.ts'
import { parseMessageAnswer, parseTokenCount } from './answer.ts'
import { messagesCredentials } from './credentials.ts'
import { renderAnthropicError } from './errors.ts'
import { parseMessagesRequest } from './request.ts'
import { MessagesStream } from './stream.ts'

const messages = [{ role: 'user', content: 'hello' }]
const read = (body: object) => parseMessagesRequest(encode({ model: 'm', max_tokens: 10, messages, ...body }))
const user = (...content: unknown[]): object => ({ messages: [{ role: 'user', content }] })

describe('a request for a message', () => {
  it('reads what the pipeline needs', () => {
    const request = read({ stream: true, metadata: { user_id: 'jane' } })
    expect(request).toMatchObject({ model: 'm', stream: true, subject: 'jane', unreadable: [] })
    expect(request.reservation()).toBe(request.promptTokens + 10)
    expect(parseMessagesRequest(encode({ model: 'm', messages }), true).reservation()).toBe(0)
  })

  it('looks at `top_k` when it is no number (C6)', () => {
    const request = read({ top_k: { a: CARD } })
    request.rewriteTexts(maskCards)
    expect(request.toUpstream('real', null)).not.toContain('4111')
  })

  it('knows an answer in JSON by either name, filters its schema, and refuses a form that no filter could read (C6)', () => {
    const format = { type: 'json_schema', schema: { properties: { a: { description: CARD } } } }
    for (const body of [{ output_config: { format } }, { output_format: format }]) {
      const request = read(structuredClone(body))
      expect(request.jsonAnswer).toBe(true)
      request.rewriteTexts(maskCards)
      expect(request.toUpstream('real', null)).toContain('[CARD]')
      expect(request.toUpstream('real', null)).not.toContain('4111')
    }
    expect(read({ output_config: { effort: 'low', format: null } }).jsonAnswer).toBe(false)
    for (const [body, param] of [
      [{ output_config: { format }, output_format: format }, 'output_format'],
      [{ output_config: { format: { type: 'grammar', schema: {} } } }, 'output_config.format.type'],
      [{ output_config: { format: { type: 'json_schema' } } }, 'output_config.format.schema'],
      [{ output_format: { type: 'base64', schema: {} } }, 'output_format.type'],
    ] as const)
      expect(() => read(body)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID', evidence: { param } }))
  })

  it('reaches every place in which a card number can leave (C6)', () => {
    const everything = {
      system: [{ type: 'text', text: CARD, cache_control: { type: 'ephemeral', x: CARD } }],
      messages: [
        { role: 'user', content: CARD },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: CARD, signature: CARD },
            { type: 'redacted_thinking', data: CARD },
            { type: 'text', text: CARD },
            { type: 'tool_use', id: CARD, name: CARD, input: { a: [CARD], b: 4111111111111111, [CARD]: 1 } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: CARD, content: [{ type: 'text', text: CARD }] },
            { type: 'tool_result', tool_use_id: 'x', content: CARD },
            { type: 'search_result', title: CARD, source: CARD, content: [{ type: 'text', text: CARD }] },
            { type: 'document', title: CARD, source: { type: 'text', data: CARD } },
            { type: 'document', source: { type: 'content', content: [{ type: 'text', text: CARD }] } },
          ],
        },
      ],
      tools: [{ name: CARD, description: CARD, input_schema: { properties: { [CARD]: { description: CARD } } } }],
      tool_choice: { type: 'tool', name: CARD },
      stop_sequences: [CARD],
      metadata: { other: CARD },
    }
    const request = read(everything)
    request.rewriteTexts(maskCards)
    const sent = request.toUpstream('real', null)
    expect(sent).not.toMatch(/4111/)
    expect(sent.match(/\[CARD\]/g)).toHaveLength(JSON.stringify(everything).match(/4111/g)?.length ?? 0)
    expect(JSON.parse(sent)).toMatchObject({ model: 'real', max_tokens: 10 })
  })

  it('names the person by pseudonym alone (A7)', () => {
    const request = read({ metadata: { user_id: 'jane@example.com' } })
    expect(JSON.parse(request.toUpstream('r', 'pseudonym'))['metadata']).toEqual({ user_id: 'pseudonym' })
    expect(request.toUpstream('r', null)).not.toContain('jane')
  })

  it('names what no filter can read, leaves it as it is, and looks at what stands beside it (C6)', () => {
    const source = { type: 'base64', media_type: 'image/png', data: '4111111111111111' }
    const request = read(
      user(
        { type: 'image', source, note: CARD },
        { type: 'document', source, title: CARD },
        { type: 'tool_result', tool_use_id: 'a', content: [{ type: 'image', source }] },
      ),
    )
    expect(request.unreadable).toEqual([
      { kind: 'image', param: 'messages[0].content[0].type' },
      { kind: 'file', param: 'messages[0].content[1].type' },
      { kind: 'image', param: 'messages[0].content[2].content[0].type' },
    ])
    request.rewriteTexts(maskCards)
    const [image, document] = JSON.parse(request.toUpstream('r', null))['messages'][0]['content'] as object[]
    expect(image).toEqual({ type: 'image', source, note: '[CARD]' })
    expect(document).toMatchObject({ source, title: '[CARD]' })
  })

  it.each([
    [{ max_tokens: undefined }, 'max_tokens'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ messages: undefined }, 'messages'],
    [{ messages: [] }, 'messages'],
    [{ messages: [{ role: 'system', content: 'x' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'user' }] }, 'messages[0].content'],
    [user({ type: 'server_tool_use', id: 'x', name: 'computer', input: {} }), 'messages[0].content[0].name'],
    [user({ type: 'mcp_tool_use', id: 'x', name: 'f', input: {} }), 'messages[0].content[0].type'],
    [user({ type: 'web_search_tool_result', tool_use_id: 'x', content: 'x' }), 'messages[0].content[0].content'],
    [user({ type: 'tool_use', id: 'x', name: 'f', input: '{}' }), 'messages[0].content[0].input'],
    [user({ type: 'thinking', thinking: 5, signature: '' }), 'messages[0].content[0].thinking'],
    [{ system: 7 }, 'system'],
    [{ tools: {} }, 'tools'],
    [{ tools: [{ type: 'browser_toolset_20260801', name: 'browser' }] }, 'tools[0].type'],
    [{ tools: [{ type: 'tool_search_tool_bm25_20251119', name: 'x' }] }, 'tools[0].type'],
    [{ tools: [{ type: 'code_execution_20250825', name: 'x' }] }, 'tools[0].name'],
    [{ mcp_servers: [] }, 'body'],
    [{ container: 'x' }, 'body'],
    [{ metadata: { user_id: 7 } }, 'metadata.user_id'],
    [{ stream: 'yes' }, 'stream'],
  ])('refuses %j and names the place', (body, param) => {
    expect(() => read(body)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID', evidence: { param } }))
  })

  it('counts tokens without a bound on an answer that there will not be', () => {
    expect(() => parseMessagesRequest(encode({ model: 'm', messages, max_tokens: 1 }), true)).toThrow(/neither/)
    expect(JSON.parse(parseTokenCount(encode({ input_tokens: 14, note: CARD })).toClient('p', 0))).toEqual({ input_tokens: 14 })
    expect(() => parseTokenCount(encode({ input_tokens: '4111' }))).toThrow(expect.objectContaining({ code: 'ERR_UPSTREAM_PROTOCOL' }))
  })

  it.each([
    [['authorization', 'Bearer a'], 'Bearer a', 1],
    [['x-api-key', 'a'], 'Bearer a', 1],
    [['x-api-key', 'a', 'x-api-key', 'b'], undefined, 2],
    [['authorization', 'Bearer a', 'X-Api-Key', 'b'], 'Bearer a', 2],
    [[], undefined, 0],
  ])('takes the token from %j', (rawHeaders, authorization, authorizationCount) => {
    const headers: Record<string, string> = {}
    for (let i = 0; i < rawHeaders.length; i += 2) headers[rawHeaders[i]!.toLowerCase()] ??= rawHeaders[i + 1]!
    const request = { rawHeaders, headers, url: '/v1/messages', method: 'POST' } as unknown as IncomingMessage
    expect(messagesCredentials(request, {} as ServerResponse)).toMatchObject({
      authorizationCount,
      ...(authorization ? { authorization } : {}),
    })
  })
})

describe('an answer of messages', () => {
  const answer = (change: object = {}, jsonAnswer = false) =>
    parseMessageAnswer(
      encode({
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'real',
        content: [{ type: 'text', text: 'fine' }],
        stop_reason: 'end_turn',
        stop_sequence: null,
        usage: { input_tokens: 3, output_tokens: 4, cache_read_input_tokens: 5, server: CARD },
        ...change,
      }),
      { jsonAnswer },
    )

  it('in JSON is filtered by what it means, stays JSON, and hides nothing where it was cut off (C6)', () => {
    for (const text of [
      String.raw`{"to":"4111\u0020111111111111","n":4111111111111111}`,
      String.raw`{"to":"4111\u0020111111111111","n":41`,
    ]) {
      const parsed = answer({ content: [{ type: 'text', text }] }, true)
      parsed.rewriteTexts(maskCards)
      const body = JSON.parse(parsed.toClient('public', 0)) as { content: [{ text: string }] }
      expect(body.content[0].text).not.toMatch(/4111/)
      if (text.endsWith('}')) expect(JSON.parse(body.content[0].text)).toEqual({ to: '[CARD]', n: '[CARD]' })
    }
  })

  it('is filtered everywhere and keeps its shape (C6)', () => {
    const parsed = answer({
      content: [
        { type: 'thinking', thinking: CARD, signature: 'sig' },
        { type: 'text', text: CARD, citations: [{ cited_text: CARD }] },
        { type: 'tool_use', id: 't', name: 'f', input: { to: CARD, amount: 4111111111111111 } },
      ],
      stop_sequence: CARD,
      tomorrow: CARD,
    })
    parsed.rewriteTexts(maskCards)
    const body = parsed.toClient('public', 0)
    expect(body).not.toMatch(/4111|real/)
    expect(JSON.parse(body)).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'public',
      content: [{ thinking: '[CARD]', signature: 'sig' }, { text: '[CARD]' }, { input: { to: '[CARD]', amount: '[CARD]' } }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 3, output_tokens: 4 },
    })
    expect(parsed.usage(99)).toMatchObject({ promptTokens: 8, completionTokens: 4, exact: true })
  })

  it.each([
    { type: 'completion' },
    { role: 'user' },
    { content: 'x' },
    { content: ['x'] },
    { stop_reason: null },
    { stop_reason: '4111 1' },
  ])('refuses %j', (change) => {
    expect(() => answer(change)).toThrow(expect.objectContaining({ code: 'ERR_UPSTREAM_PROTOCOL' }))
  })
})

describe('an error of messages', () => {
  it.each([
    ['ERR_TOKEN_MISSING', 'authentication_error'],
    ['ERR_POLICY_DENIED', 'permission_error'],
    ['ERR_MODEL_UNKNOWN', 'not_found_error'],
    ['ERR_INPUT_TOO_LARGE', 'request_too_large'],
    ['ERR_LIMIT_TOKENS', 'rate_limit_error'],
    ['ERR_FILTER_BLOCKED_INPUT', 'invalid_request_error'],
    ['ERR_UPSTREAM_TIMEOUT', 'timeout_error'],
    ['ERR_INTERNAL', 'api_error'],
  ] as const)('%s is of type %s', (code, type) => {
    const { status, headers, body } = renderAnthropicError(new RedoubtError(code), 'req_1')
    expect(status).toBe(new RedoubtError(code).status)
    expect(JSON.parse(body)).toMatchObject({ type: 'error', error: { type, message: expect.stringContaining(code) }, request_id: 'req_1' })
    expect(headers).toMatchObject({ 'request-id': 'req_1', 'redoubt-code': code })
    expect(headers['x-should-retry']).toBe(/POLICY|LIMIT|FILTER/.test(code) ? 'false' : undefined)
  })
})

describe('a stream of a message', () => {
  const masks = (item: unknown): unknown => {
    const masked = maskCards(String(item))
    return typeof item === 'string' || (typeof item === 'number' && masked !== String(item)) ? masked : item
  }
  const event = (data: { readonly type: string }): string => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
  const start = event({
    type: 'message_start',
    message: { id: 'msg_1', role: 'assistant', model: 'real', content: [], usage: { input_tokens: 3, output_tokens: 1 }, x: CARD },
  } as { type: string })
  const begin = (index: number, block: object): string =>
    event({ type: 'content_block_start', index, content_block: block } as { type: string })
  const delta = (index: number, type: string, rest: object): string =>
    event({ type: 'content_block_delta', index, delta: { type, ...rest } } as { type: string })
  const stop = (index: number): string => event({ type: 'content_block_stop', index } as { type: string })
  const end = (reason = 'end_turn'): string =>
    event({ type: 'message_delta', delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: 9 } } as { type: string }) +
    event({ type: 'message_stop' })
  const pieces = (index: number, type: string, member: string, text: string, step = 1): string =>
    (text.match(new RegExp(`[\\s\\S]{1,${step}}`, 'gu')) ?? []).map((piece) => delta(index, type, { [member]: piece })).join('')
  const run = (upstream: string, step?: number, jsonAnswer = false): { out: string; stream: MessagesStream } => {
    const stream = new MessagesStream({ jsonAnswer, promptTokens: 10 }, STREAM_OPTIONS)
    return { out: runStream(stream, upstream, step), stream }
  }
  /** The blocks as a client puts them together. */
  const blocks = (out: string): any[] => {
    const found: any[] = []
    for (const data of dataOf(out)) {
      if (data.type === 'content_block_start') found.push({ ...data.content_block, json: '' })
      if (data.type !== 'content_block_delta') continue
      const block = found[data.index]
      const { type: _type, ...rest } = data.delta
      for (const [member, piece] of Object.entries(rest)) {
        const to = member === 'partial_json' ? 'json' : member
        block[to] = typeof piece === 'string' ? (block[to] ?? '') + piece : piece
      }
    }
    return found
  }

  const everything =
    start +
    event({ type: 'ping' }) +
    begin(0, { type: 'thinking', thinking: '', signature: '' }) +
    pieces(0, 'thinking_delta', 'thinking', `The card is ${CARD}`) +
    delta(0, 'signature_delta', { signature: 'c2ln' }) +
    stop(0) +
    begin(1, { type: 'text', text: 'First ' }) +
    pieces(1, 'text_delta', 'text', `pay with ${CARD}, 😀`) +
    stop(1) +
    begin(2, { type: 'tool_use', id: 'toolu_1', name: 'pay', input: {} }) +
    pieces(2, 'input_json_delta', 'partial_json', String.raw`{"to":"4111\u0020111111111111","n":4111111111111111}`) +
    stop(2) +
    end('tool_use')

  it('masks texts, thoughts and tool inputs, byte for byte the same for every chunking (C6)', () => {
    const whole = run(everything)
    expect(whole.stream.state).toBe('complete')
    expect(whole.out).not.toMatch(/4111|real/)
    const [thinking, text, tool] = blocks(whole.out)
    expect(thinking).toMatchObject({ thinking: 'The card is [CARD]', signature: 'c2ln' })
    expect(text.text).toBe('First pay with [CARD], 😀')
    expect(tool).toMatchObject({ id: 'toolu_1', name: 'pay', input: {} })
    expect(JSON.parse(tool.json)).toEqual({ to: '[CARD]', n: '[CARD]' })
    expect(eventsOf(whole.out).every(({ event, data }) => event === JSON.parse(data).type)).toBe(true)
    expect(dataOf(whole.out).slice(-2)).toEqual([
      { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage: { input_tokens: 3, output_tokens: 9 } },
      { type: 'message_stop' },
    ])
    expect(whole.stream.usage()).toMatchObject({ promptTokens: 3, completionTokens: 9, exact: true })
    for (const step of STEPS) expect(run(everything, step).out).toBe(whole.out)
  })

  it('filters an answer in JSON by what it means, and never breaks it, however it is cut (C6)', () => {
    const leaf = fc.oneof(
      fc.constantFrom<string | number | boolean | null>(CARD, 'a"b\\', '\n\u0000', '😀', 4111111111111111, 12, true, null),
      fc.string({ maxLength: 8 }),
    )
    const document = fc.oneof(fc.array(leaf, { maxLength: 5 }), fc.dictionary(fc.string({ maxLength: 4 }), leaf, { maxKeys: 5 }))
    fc.assert(
      fc.property(document, fc.integer({ min: 1, max: 9 }), fc.boolean(), (value, step, escaped) => {
        const plain = JSON.stringify(value)
        const text = escaped ? plain.replaceAll('1111 1', String.raw`\u0031111\u00201`) : plain
        const block = (size: number): string =>
          start + begin(0, { type: 'text', text: '' }) + pieces(0, 'text_delta', 'text', text, size) + stop(0) + end()
        const out = blocks(run(block(step), undefined, true).out)[0].text as string
        const masked: unknown = JSON.parse(plain, (_, item: unknown) => (typeof item === 'object' ? item : masks(item)))
        expect(JSON.parse(out)).toEqual(masked)
        expect(blocks(run(block(1000), undefined, true).out)[0].text).toBe(out)
      }),
      { numRuns: 200 },
    )
  })

  it('gives the same texts for every way of cutting them into deltas (C6)', () => {
    const words = fc
      .array(fc.constantFrom('4111', '1', ' ', '-', 'x', '\\', '"', '{', ',', '😀', 'FORBIDDE', 'N', '5555555555554444'), { maxLength: 20 })
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(words, words, fc.integer({ min: 1, max: 9 }), (text, json, step) => {
        const build = (size: number): string =>
          start +
          begin(0, { type: 'text', text: '' }) +
          pieces(0, 'text_delta', 'text', text, size) +
          stop(0) +
          begin(1, { type: 'tool_use', id: 't', name: 'f', input: {} }) +
          pieces(1, 'input_json_delta', 'partial_json', json, size) +
          stop(1) +
          end()
        const whole = blocks(run(build(1000)).out)
        expect(blocks(run(build(step)).out)).toEqual(whole)
        expect(whole[0]?.text ?? '').toBe(maskCards(text).split('FORBIDDEN')[0])
      }),
      { numRuns: 200 },
    )
  })

  it('ends a blocked message with the stop reason `refusal`, visibly closed, and nothing after the value (C6)', () => {
    for (const text of ['so FORBIDDEN secret', 'so FORBIDDEN']) {
      const { out, stream } = run(start + begin(0, { type: 'text', text: '' }) + pieces(0, 'text_delta', 'text', text, 3) + stop(0) + end())
      expect(stream.state).toBe('blocked')
      expect(blocks(out)).toMatchObject([{ text: 'so ' }])
      expect(out).not.toMatch(/FORB|secret/)
      expect(dataOf(out).slice(-3)).toMatchObject([
        { type: 'content_block_stop', index: 0 },
        { type: 'message_delta', delta: { stop_reason: 'refusal' } },
        { type: 'message_stop' },
      ])
    }
  })

  it('drops events and deltas that it does not know, for they could carry a text in pieces', () => {
    const { out, stream } = run(
      start +
        event({ type: 'tomorrow', text: CARD } as { type: string }) +
        begin(0, { type: 'text', text: '' }) +
        delta(0, 'surprise_delta', { text: CARD }) +
        delta(0, 'citations_delta', { citation: { cited_text: CARD } }) +
        stop(0) +
        end(),
    )
    expect(stream.state).toBe('complete')
    expect(out).not.toMatch(/4111|surprise|tomorrow/)
    expect(out).toContain('"cited_text":"[CARD]"')
  })

  it.each([
    ['just stops', start + begin(0, { type: 'text', text: '' }), 'ERR_UPSTREAM_RESET'],
    ['says nothing', '', 'ERR_UPSTREAM_RESET'],
    ['ends without a stop reason', start + event({ type: 'message_stop' }), 'ERR_UPSTREAM_PROTOCOL'],
    ['begins twice', start + start, 'ERR_UPSTREAM_PROTOCOL'],
    [
      'goes on with a text after its block',
      start + begin(0, { type: 'text' }) + stop(0) + delta(0, 'text_delta', { text: 'x' }),
      'ERR_UPSTREAM_PROTOCOL',
    ],
    ['opens two blocks', start + begin(0, { type: 'text' }) + begin(1, { type: 'text' }), 'ERR_UPSTREAM_PROTOCOL'],
    ['leaves an index out', start + begin(1, { type: 'text' }), 'ERR_UPSTREAM_PROTOCOL'],
    ['runs tools of its own', start + begin(0, { type: 'server_tool_use', id: 'x', name: 'y', input: {} }), 'ERR_UPSTREAM_PROTOCOL'],
    [
      'returns to its thoughts',
      start +
        begin(0, { type: 'thinking' }) +
        delta(0, 'thinking_delta', { thinking: '4111 1111 ' }) +
        delta(0, 'signature_delta', { signature: 's' }) +
        delta(0, 'thinking_delta', { thinking: '1111 1111' }),
      'ERR_UPSTREAM_PROTOCOL',
    ],
    [
      'fits no delta to its block',
      start + begin(0, { type: 'text' }) + delta(0, 'input_json_delta', { partial_json: '{' }),
      'ERR_UPSTREAM_PROTOCOL',
    ],
    ['sends what is not JSON', 'event: ping\ndata: {\n\n', 'ERR_UPSTREAM_PROTOCOL'],
    ['gives an event two names', `event: ping\ndata: ${JSON.stringify({ type: 'message_stop' })}\n\n`, 'ERR_UPSTREAM_PROTOCOL'],
    [
      'sends an error',
      start + event({ type: 'error', error: { type: 'overloaded_error', message: CARD } } as { type: string }),
      'ERR_UPSTREAM_REFUSED',
    ],
  ])('makes an error event of an upstream that %s: a stream never just stops', (_, upstream, code) => {
    const { out, stream } = run(upstream)
    expect(stream.state).toBe('failed')
    expect(stream.error?.code).toBe(code)
    expect(eventsOf(out).at(-1)?.event).toBe('error')
    expect(dataOf(out).at(-1)).toMatchObject({ type: 'error', error: { message: expect.stringContaining(code) } })
    expect(out).not.toMatch(/4111 1111 1111|"message_stop"/)
  })

  it('withstands any events, and always ends in one of its ways', () => {
    const type = fc.constantFrom(
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
      'x',
    )
    const any = fc.jsonValue({ maxDepth: 3 })
    const anyEvent = fc
      .record(
        { type, index: fc.constantFrom(0, 1, '0'), message: any, content_block: any, delta: any, usage: any },
        { requiredKeys: ['type'] },
      )
      .map((data) => event(data))
    fc.assert(
      fc.property(
        fc.array(fc.oneof(anyEvent, fc.string({ unit: 'binary' }), fc.constant(start)), { maxLength: 8 }),
        fc.integer({ min: 1, max: 40 }),
        (parts, step) => {
          const whole = run(parts.join(''))
          expect(run(parts.join(''), step).out).toBe(whole.out)
          expect(['error', 'message_stop']).toContain(dataOf(whole.out).at(-1)?.type)
        },
      ),
      { numRuns: 150 },
    )
  })
})
