import { RedoubtError } from '#foundation/core'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SseParser } from '../sse.ts'
import { CardRedactor, maskCards } from './card-redactor.fixture.ts'
import { type ChatStreamOptions, ChatStreamTransformer } from './stream.ts'

const CARD = '4111 1111 1111 1111'
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const options: ChatStreamOptions = {
  publicModel: 'public',
  includeUsage: false,
  choices: 1,
  promptTokens: 10,
  jsonAnswer: false,
  createRedactor: () => new CardRedactor(),
  requestId: 'req_1',
  now: 0,
}

const top = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'real', system_fingerprint: 'fp_1' }
const event = (data: unknown): string => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
const chunk = (delta: object, finish: string | null = null, index = 0, more: object = {}): string =>
  event({ ...top, choices: [{ index, delta, finish_reason: finish, ...more }] })
const usageChunk = event({ ...top, choices: [], usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } })
const DONE = event('[DONE]')

/** Runs a whole stream, cut into pieces of `step` bytes. */
function run(
  upstream: string,
  change: Partial<ChatStreamOptions> = {},
  step = Number.MAX_SAFE_INTEGER,
): { out: string; stream: ChatStreamTransformer } {
  const stream = new ChatStreamTransformer({ ...options, ...change })
  const bytes = encode(upstream)
  let out = ''
  for (let from = 0; from < bytes.length; from += step) out += stream.push(bytes.subarray(from, from + step))
  if (stream.state === 'open') stream.end()
  return { out: out + stream.closing(), stream }
}

interface ClientChunk {
  readonly id: string
  readonly model: string
  readonly usage?: unknown
  readonly error?: { readonly code: string; readonly type: string }
  readonly choices?: readonly { index: number; delta: Record<string, any>; finish_reason: string | null; logprobs: unknown }[]
}

function read(out: string): { chunks: ClientChunk[]; done: boolean } {
  const events = new SseParser().push(encode(out)).map(({ data }) => data)
  const done = events.at(-1) === '[DONE]'
  return { chunks: events.filter((data) => data !== '[DONE]').map((data) => JSON.parse(data) as ClientChunk), done }
}

/** What a client has in hand at the end, by place. */
function collect(out: string): Record<string, string> {
  const texts: Record<string, string> = {}
  const add = (place: string, text: unknown): void => {
    if (typeof text === 'string') texts[place] = (texts[place] ?? '') + text
  }
  for (const { choices } of read(out).chunks) {
    for (const { index, delta, finish_reason } of choices ?? []) {
      for (const [member, value] of Object.entries(delta)) if (member !== 'role') add(`${index}.${member}`, value)
      for (const call of (delta['tool_calls'] ?? []) as Record<string, any>[]) {
        add(`${index}.tool.${call['index']}.name`, call['function']?.name ?? call['custom']?.name)
        add(`${index}.tool.${call['index']}.text`, call['function']?.arguments ?? call['custom']?.input)
      }
      add(`${index}.legacy`, delta['function_call']?.arguments)
      add(`${index}.finish`, finish_reason)
    }
  }
  return texts
}

const text = `${chunk({ role: 'assistant', content: '' })}${Array.from(`Pay with ${CARD} please, 😀.`)
  .map((unit) => chunk({ content: unit }))
  .join('')}${chunk({}, 'stop')}`

describe('ChatStreamTransformer', () => {
  it('masks a number that arrives character by character (C6)', () => {
    const { out, stream } = run(text + usageChunk + DONE)
    expect(collect(out)).toEqual({ '0.content': 'Pay with [CARD] please, 😀.', '0.finish': 'stop' })
    expect(read(out).done).toBe(true)
    expect(stream.state).toBe('complete')
    expect(stream.finishReasons).toEqual(['stop'])
    expect(stream.usage()).toEqual({ promptTokens: 3, completionTokens: 4, totalTokens: 7, exact: true })
  })

  it('lets the first byte out before the last is in, and holds back only what may still become a value (C6)', () => {
    const stream = new ChatStreamTransformer(options)
    expect(read(stream.push(encode(chunk({ role: 'assistant', content: '' })))).chunks).toHaveLength(1)
    expect(collect(stream.push(encode(chunk({ content: 'Pay with 4111' }))))).toEqual({ '0.content': 'Pay with ' })
    expect(stream.push(encode(chunk({ content: ' 1111' })))).toBe('')
    expect(collect(stream.push(encode(chunk({ content: '. Thanks' }))))).toEqual({ '0.content': '4111 1111. Thanks' })
  })

  it('writes all complete events of one upstream chunk in one piece', () => {
    const stream = new ChatStreamTransformer(options)
    const out = stream.push(encode(chunk({ content: 'a' }) + chunk({ content: 'b' }) + chunk({ content: 'c' }).slice(0, 20)))
    expect(read(out).chunks).toHaveLength(2)
  })

  it('gives byte-identical output for every chunking of the upstream bytes (C6)', () => {
    const upstream = text.replace('please', 'pleas\u00e9') + usageChunk + DONE
    const whole = run(upstream, { includeUsage: true }).out
    for (let step = 1; step < 400; step += step < 20 ? 1 : 37) expect(run(upstream, { includeUsage: true }, step).out).toBe(whole)
    const crlf = upstream.replaceAll('\n', '\r\n')
    for (const step of [1, 2, 3, 7, 1000]) expect(run(crlf, { includeUsage: true }, step).out).toBe(whole)
  })

  it('gives the same texts for every way of cutting contents and arguments into deltas (C6)', () => {
    const alphabet = fc.constantFrom(
      '4111',
      '1',
      ' ',
      '-',
      'x',
      '\\',
      '"',
      '\\u0034',
      '{',
      '}',
      ',',
      ':',
      '😀',
      '\n',
      'FORBIDDE',
      'N',
      '5555555555554444',
    )
    const words = fc.array(alphabet, { maxLength: 24 }).map((parts) => parts.join(''))
    const cut = (all: string, step: number): string[] => all.match(new RegExp(`[\\s\\S]{1,${step}}`, 'g')) ?? []
    fc.assert(
      fc.property(words, words, fc.integer({ min: 1, max: 9 }), (content, args, step) => {
        const build = (size: number): string => {
          const call = (piece: string): string => chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] })
          const begin = chunk({ tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '' } }] })
          const pieces = cut(content, size).map((piece) => chunk({ content: piece }))
          return [...pieces, begin, ...cut(args, size).map(call), chunk({}, 'tool_calls'), DONE].join('')
        }
        const whole = collect(run(build(1000)).out)
        expect(collect(run(build(step)).out)).toEqual(whole)
        expect(whole['0.content'] ?? '').toBe(maskCards(content).split('FORBIDDEN')[0]?.toWellFormed())
      }),
      { numRuns: 400 },
    )
  })

  it('keeps interleaved choices and parallel tool calls apart (C6)', () => {
    const halves = ['4111 1111 ', '1111 1111']
    const call = (index: number, piece: string, more: object = {}): object => ({ index, ...more, function: { arguments: piece } })
    const upstream = [
      chunk({ content: halves[0] }, null, 0),
      chunk({ content: halves[0] }, null, 1),
      chunk({ content: halves[1] }, null, 0),
      chunk({ content: 'x' }, null, 1),
      chunk({}, 'stop', 0),
      chunk(
        { tool_calls: [call(0, '{"a":"4111', { id: 'a', type: 'function' }), call(1, '{"b":4111111111', { id: 'b', type: 'function' })] },
        null,
        1,
      ),
      chunk({ tool_calls: [call(1, '111111')] }, null, 1),
      chunk({ tool_calls: [call(0, String.raw`\u0020111111111111"}`), call(1, '}')] }, null, 1),
      chunk({}, 'tool_calls', 1),
      DONE,
    ].join('')
    const texts = collect(run(upstream, { choices: 2 }).out)
    expect(texts).toMatchObject({
      '0.content': '[CARD]',
      '1.content': '4111 1111 x',
      '1.tool.0.text': '{"a":"[CARD]"}',
      '1.tool.1.text': '{"b":"[CARD]"}',
    })
  })

  it('sends held text before a tool call, and masks a value that a tool call interrupts', () => {
    const begin = chunk({ tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }] })
    const { out } = run(chunk({ content: 'see 4111 1111' }) + begin + chunk({ content: ' 1111 1111.' }) + chunk({}, 'tool_calls') + DONE)
    const order = read(out).chunks.map(({ choices }) => Object.keys(choices?.[0]?.delta ?? {}).join())
    expect(order.slice(0, 3)).toEqual(['content', 'content', 'tool_calls'])
    expect(collect(out)['0.content']).toBe('see 4111 1111[CARD].')
    const twice = run(
      chunk({ content: '4111 1111' }) +
        begin +
        chunk({ content: ' 1111' }) +
        begin +
        chunk({ content: ' 1111.' }) +
        chunk({}, 'stop') +
        DONE,
    )
    expect(collect(twice.out)['0.content']).toBe('4111 1111 1111[CARD].')
  })

  it('filters reasoning, refusals and texts of unknown name, and drops structures it cannot follow (C6)', () => {
    const delta = {
      reasoning_content: CARD,
      refusal: CARD,
      tomorrow: CARD,
      reasoning_details: [{ text: CARD }],
      audio: { transcript: CARD },
    }
    const { out } = run(chunk(delta) + chunk({ content: CARD }) + chunk({}, 'stop', 0, { note: CARD }) + DONE)
    expect(out).not.toMatch(/4111|1111/)
    expect(collect(out)).toEqual({
      '0.reasoning_content': '[CARD]',
      '0.refusal': '[CARD]',
      '0.tomorrow': '[CARD]',
      '0.content': '[CARD]',
      '0.finish': 'stop',
    })
  })

  it('filters names, ids and legacy function calls', () => {
    const call = { index: 0, id: '4111111111111111', type: 'function', function: { name: '4111111111111111', arguments: '' } }
    const legacy =
      chunk({ function_call: { name: 'f', arguments: '{"a":4111' } }) + chunk({ function_call: { arguments: '111111111111}' } })
    const custom = chunk({ tool_calls: [{ index: 1, id: 'x', type: 'custom', custom: { name: 'f', input: CARD } }] })
    const { out } = run(chunk({ tool_calls: [call] }) + custom + legacy + chunk({}, 'stop') + DONE)
    expect(out).not.toMatch(/4111/)
    expect(collect(out)).toMatchObject({ '0.tool.0.name': '[CARD]', '0.legacy': '{"a":"[CARD]"}', '0.tool.1.text': '[CARD]' })
    const head = { ...top, id: '4111111111111111', system_fingerprint: CARD, service_tier: CARD, provider: CARD }
    expect(run(event({ ...head, choices: [{ index: 0, delta: { content: 'x' }, finish_reason: 'stop' }] }) + DONE).out).not.toMatch(/4111/)
  })

  it('reads a JSON answer by what it means', () => {
    const pieces = Array.from(String.raw`{"a":"x\n4111\u0020111111111111","b":4111111111111111}`)
      .map((unit) => chunk({ content: unit }))
      .join('')
    const { out } = run(pieces + chunk({}, 'stop') + DONE, { jsonAnswer: true })
    expect(JSON.parse(collect(out)['0.content'] ?? '')).toEqual({ a: 'x\n[CARD]', b: '[CARD]' })
  })

  it('never sends half of a character', () => {
    const { out } = run(
      event(`{"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}`) +
        event(`{"choices":[{"index":0,"delta":{"content":"\\ude00"}}]}`) +
        chunk({}, 'stop') +
        DONE,
    )
    expect(read(out).chunks.map(({ choices }) => choices?.[0]?.delta['content'])).toEqual(['a', '😀', undefined])
    expect(
      collect(run(event(`{"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}`) + chunk({}, 'stop') + DONE).out)['0.content'],
    ).toBe('a\uFFFD')
  })

  it('ends a blocked answer with content_filter and [DONE], and nothing after the value (C6)', () => {
    const { out, stream } = run(
      chunk({ content: 'so FORB' }) + chunk({ content: 'IDDEN secret' }) + chunk({ content: ' more' }) + chunk({}, 'stop') + DONE,
    )
    expect(stream.state).toBe('blocked')
    expect(collect(out)).toEqual({ '0.content': 'so ', '0.finish': 'content_filter' })
    expect(out).not.toMatch(/IDDEN|secret|more/)
    expect(read(out).done).toBe(true)
    expect(stream.usage()).toMatchObject({ promptTokens: 10, exact: false })
    expect(stream.usage().completionTokens).toBeGreaterThan(0)
  })

  it('blocks a value in the very first piece and at the flush', () => {
    expect(collect(run(chunk({ content: 'FORBIDDEN' })).out)).toEqual({ '0.finish': 'content_filter' })
    expect(read(run(event({ choices: [{ index: 0, delta: { tool_calls: [{ index: 0, id: 'FORBIDDEN' }] } }] })).out).done).toBe(true)
  })

  it('shows the public model name, drops unknown members and dates what has no date', () => {
    const { out } = run(
      event({ model: 'real', choices: [{ index: 0, delta: { content: 'x' }, finish_reason: 'stop' }], x: 'secret' }) + DONE,
      { now: 5000 },
    )
    expect(out).not.toMatch(/real|secret/)
    expect(read(out).chunks[0]).toMatchObject({ id: 'req_1', created: 5, model: 'public', object: 'chat.completion.chunk' })
  })

  it('gives the usage chunk to the client that asked and to no other (C6)', () => {
    const asked = read(run(text + usageChunk + DONE, { includeUsage: true }).out).chunks
    expect(asked.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } })
    expect(asked[0]?.usage).toBeNull()
    const unasked = run(text + usageChunk + DONE)
    expect(unasked.out).not.toMatch(/usage/)
    expect(unasked.stream.usage().exact).toBe(true)
  })

  it('keeps log probabilities only where they spell what goes out, and no alternatives (C6)', () => {
    const token = (text: string) => ({
      token: text,
      logprob: -1,
      bytes: [...Buffer.from(text)],
      top_logprobs: [{ token: CARD, logprob: -2 }],
    })
    const spelled = (text: string, named = text): string =>
      chunk({ content: text }, null, 0, { logprobs: { content: [token(named)], x: CARD } })
    const upstream =
      spelled('Pay ') +
      ['4111 ', '1111 ', '1111 ', '1111'].map((piece) => spelled(piece)).join('') +
      spelled(' with ') +
      spelled('care', CARD) +
      spelled(' now') +
      chunk({}, 'stop') +
      DONE
    const sent = (out: string) =>
      read(out).chunks.flatMap(({ choices }) => (choices?.[0]?.logprobs as { content?: object[] } | null)?.content ?? [])
    const plain = (text: string) => ({ ...token(text), top_logprobs: [] })
    expect(sent(run(upstream).out)).toEqual([plain('Pay '), plain(' with '), plain(' now')])
    expect(run(upstream).out).not.toContain('4111')
    const logprobs = { content: [{ token: 'x', logprob: -1, bytes: null, top_logprobs: [] }] }
    const whole = chunk({ content: 'x' }, 'stop', 0, { logprobs }) + DONE
    expect(sent(run(whole).out)).toEqual(logprobs.content)
    expect(read(run(whole, { createRedactor: null }).out).chunks[0]?.choices?.[0]?.logprobs).toEqual(logprobs)
  })

  it.each([
    ['ends without [DONE]', text, 'err_upstream_reset'],
    ['ends in the middle of a choice', chunk({ content: 'x' }), 'err_upstream_reset'],
    ['says [DONE] without a finish reason', chunk({ content: 'x' }) + DONE, 'err_upstream_protocol'],
    ['says [DONE] at once', DONE, 'err_upstream_protocol'],
    ['says nothing', '', 'err_upstream_reset'],
    ['sends what is not JSON', chunk({ content: 'x' }) + event('{') + DONE, 'err_upstream_protocol'],
    ['sends an array', event([]) + DONE, 'err_upstream_protocol'],
    ['sends no choices', event({ id: 'x' }) + DONE, 'err_upstream_protocol'],
    ['sends a choice that was not asked for', chunk({ content: 'x' }, 'stop', 1) + DONE, 'err_upstream_protocol'],
    ['goes on after the end of a choice', chunk({}, 'stop') + chunk({ content: 'x' }) + DONE, 'err_upstream_protocol'],
    ['speaks for the user', chunk({ role: 'user', content: 'x' }, 'stop') + DONE, 'err_upstream_protocol'],
    ['sends an event of unknown name', `event: surprise\n${chunk({}, 'stop')}${DONE}`, 'err_upstream_protocol'],
    [
      'sends a name in pieces',
      chunk({ tool_calls: [{ index: 0, function: { name: 'a' } }] }) + chunk({ tool_calls: [{ index: 0, function: { name: 'b' } }] }),
      'err_upstream_protocol',
    ],
    [
      'sends an error event',
      chunk({ content: 'x' }) + event({ error: { message: `boom ${CARD}`, code: 'server_error' } }),
      'err_upstream_refused',
    ],
    ['sends a named error event', `event: error\n${event({ message: CARD })}`, 'err_upstream_refused'],
  ])('makes an error event of an upstream that %s: a stream never just stops', (_, upstream, code) => {
    const { out, stream } = run(upstream)
    expect(stream.state).toBe('failed')
    const { chunks, done } = read(out)
    expect(done).toBe(false)
    expect(chunks.at(-1)?.error).toMatchObject({ code, type: 'api_error' })
    expect(out).not.toMatch(/4111|boom/)
  })

  it('fails closed when a redactor fails', () => {
    const createRedactor = (): never => {
      throw new Error('secret detail')
    }
    const { out } = run(text + DONE, { createRedactor })
    expect(read(out).chunks.at(-1)?.error).toMatchObject({ code: 'err_internal' })
    expect(out).not.toMatch(/Pay|secret detail/)
  })

  it('can be cut by the server, once, and stays as it ended', () => {
    const stream = new ChatStreamTransformer(options)
    stream.push(encode(chunk({ content: 'x 4111' })))
    stream.fail(new RedoubtError('ERR_TOKEN_REVOKED'))
    stream.fail(new RedoubtError('ERR_INTERNAL'))
    expect(stream.push(encode(chunk({ content: 'y' }) + DONE))).toBe('')
    stream.end()
    const closing = stream.closing()
    expect(read(closing).chunks[0]?.error).toMatchObject({ code: 'err_token_revoked', type: 'authentication_error' })
    expect(closing).not.toMatch(/4111/)
  })

  it('withstands any bytes and any events, and always ends in one of its ways', () => {
    const delta = fc.dictionary(fc.constantFrom('content', 'role', 'tool_calls', 'function_call', 'x'), fc.jsonValue({ maxDepth: 3 }))
    const choice = fc.record(
      { index: fc.constantFrom(0, 1, -1, '0'), delta, finish_reason: fc.constantFrom(null, 'stop', 5) },
      { requiredKeys: [] },
    )
    const anyEvent = fc
      .record({ id: fc.jsonValue(), choices: fc.array(choice, { maxLength: 2 }), usage: fc.jsonValue() }, { requiredKeys: [] })
      .map(event)
    const upstream = fc.array(
      fc.oneof({ weight: 5, arbitrary: anyEvent }, fc.constant(DONE), fc.string().map(event), fc.string({ unit: 'binary' })),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(upstream, fc.integer({ min: 1, max: 50 }), (parts, step) => {
        const whole = run(parts.join(''))
        expect(run(parts.join(''), {}, step).out).toBe(whole.out)
        const { chunks, done } = read(whole.out)
        expect(done || chunks.at(-1)?.error !== undefined).toBe(true)
      }),
      { numRuns: 150 },
    )
  })
})
