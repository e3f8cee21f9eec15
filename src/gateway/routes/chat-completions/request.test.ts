import { RedoubtError } from '#foundation/core'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maskCards } from './card-redactor.fixture.ts'
import { parseChatRequest } from './request.ts'

const CARD = '4111 1111 1111 1111'
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
const messages = [{ role: 'user', content: 'hello' }]

function refusal(body: unknown): RedoubtError {
  try {
    parseChatRequest(encode(body))
  } catch (thrown) {
    if (thrown instanceof RedoubtError) return thrown
    throw thrown
  }
  throw new Error('nothing was refused')
}

describe('parseChatRequest', () => {
  it('reads what the pipeline needs', () => {
    const request = parseChatRequest(
      encode({
        model: 'm',
        messages,
        stream: true,
        stream_options: { include_usage: true },
        n: 2,
        max_tokens: 10,
        user: 'u',
        safety_identifier: 's',
      }),
    )
    expect(request).toMatchObject({
      model: 'm',
      stream: true,
      includeUsage: true,
      choices: 2,
      maxCompletionTokens: 10,
      subject: 's',
      jsonAnswer: false,
    })
    expect(request.reservation()).toBe(request.promptTokens + 20)
    expect(parseChatRequest(encode({ model: 'm', messages, user: 'u' })).subject).toBe('u')
    expect(
      parseChatRequest(encode({ model: 'm', messages, max_completion_tokens: 5, max_tokens: 9, user: null })).maxCompletionTokens,
    ).toBe(5)
  })

  it.each(['return_token_ids', 'prompt_logprobs', 'prompt_embeds', 'prompt_token_ids', 'input_ids'])(
    'refuses `%s`: numbers that spell a text are read by no filter (C6)',
    (member) => {
      for (const value of [true, 0, 'AAAA', [1]])
        expect(refusal({ model: 'm', messages, [member]: value })).toMatchObject({ code: 'ERR_INPUT_INVALID', evidence: { param: member } })
      for (const value of [null, false]) expect(parseChatRequest(encode({ model: 'm', messages, [member]: value })).model).toBe('m')
    },
  )

  it.each([{ store: true }, { invented_tomorrow: 1 }, { guided_yaml: 'x' }, { chat_template: '{{ x }}' }, { moderation: { model: 'x' } }])(
    'refuses what it does not understand, and what an upstream would keep: %j (C6)',
    (more) => {
      expect(refusal({ model: 'm', messages, ...more })).toMatchObject({ code: 'ERR_INPUT_INVALID' })
    },
  )

  it('asks no upstream to keep an answer, and takes a schema of the servers of open models for one (C6)', () => {
    const request = parseChatRequest(
      encode({ model: 'm', messages, store: false, guided_json: { type: 'object' }, invented_tomorrow: null }),
    )
    expect(JSON.parse(request.toUpstream('r'))).not.toHaveProperty('store')
    expect(request.jsonAnswer).toBe(true)
  })

  it('keeps what other servers understand and writes model, usage and subject anew', () => {
    const request = parseChatRequest(
      encode({ model: 'public', messages, stream: true, top_k: 3, user: 'jane@example.com', stream_options: { x: 1 } }),
    )
    expect(JSON.parse(request.toUpstream('real'))).toEqual({
      model: 'real',
      messages,
      stream: true,
      top_k: 3,
      stream_options: { include_usage: true },
    })
    expect(JSON.parse(request.toUpstream('real', 'pseudonym'))).toMatchObject({ user: 'pseudonym' })
    expect(JSON.parse(parseChatRequest(encode({ model: 'm', messages, stream_options: {} })).toUpstream('r'))).toEqual({
      model: 'r',
      messages,
    })
  })

  it.each([
    ['[]', undefined],
    [{ messages }, 'model'],
    [{ model: '', messages }, 'model'],
    [{ model: 7, messages }, 'model'],
    [{ model: 'm' }, 'messages'],
    [{ model: 'm', messages: [] }, 'messages'],
    [{ model: 'm', messages: {} }, 'messages'],
    [{ model: 'm', messages: ['x'] }, 'messages[0]'],
    [{ model: 'm', messages: [{ role: 'root', content: 'x' }] }, 'messages[0].role'],
    [{ model: 'm', messages: [{ role: 'user' }] }, 'messages[0].content'],
    [{ model: 'm', messages: [{ role: 'user', content: 5 }] }, 'messages[0].content'],
    [{ model: 'm', messages: [{ role: 'user', content: [{ type: 'hologram' }] }] }, 'messages[0].content[0].type'],
    [{ model: 'm', messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
    [{ model: 'm', messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].tool_call_id'],
    [{ model: 'm', messages: [{ role: 'user', content: 'x', tool_calls: [] }] }, 'messages[0].tool_calls'],
    [{ model: 'm', messages: [{ role: 'assistant', tool_calls: [{ id: 'a', type: 'x' }] }] }, 'messages[0].tool_calls[0].type'],
    [
      {
        model: 'm',
        messages: [{ role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: {} } }] }],
      },
      'messages[0].tool_calls[0].function.arguments',
    ],
    [{ model: 'm', messages, stream: 'yes' }, 'stream'],
    [{ model: 'm', messages, stream: true, stream_options: { include_usage: 1 } }, 'stream_options.include_usage'],
    [{ model: 'm', messages, n: 0 }, 'n'],
    [{ model: 'm', messages, n: 17 }, 'n'],
    [{ model: 'm', messages, max_tokens: 1.5 }, 'max_tokens'],
    [{ model: 'm', messages, user: 5 }, 'user'],
    [{ model: 'm', messages, tools: {} }, 'tools'],
    [{ model: 'm', messages, modalities: ['text', 'audio'] }, 'modalities'],
    [{ model: 'm', messages, response_format: 'json' }, 'response_format'],
  ])('refuses %j and names the place', (body, param) => {
    const error = refusal(body)
    expect(error.code).toBe('ERR_INPUT_INVALID')
    expect(error.evidence['param']).toBe(param)
  })

  it('bounds size and depth before any work', () => {
    expect(() => parseChatRequest(encode({ model: 'm', messages }), 10)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_TOO_LARGE' }))
    expect(refusal(`{"model":"m","messages":${'['.repeat(80)}${']'.repeat(80)}}`).code).toBe('ERR_INPUT_TOO_DEEP')
    expect(refusal('{"model":"m","model":"n"}').code).toBe('ERR_INPUT_DUPLICATE_KEY')
    expect(refusal('{').code).toBe('ERR_INPUT_MALFORMED')
  })

  it('gives a RedoubtError for every input that it refuses, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.record({ model: fc.anything(), messages: fc.array(fc.anything({ maxDepth: 4 })), n: fc.anything(), tools: fc.anything() }),
        (body) => {
          try {
            parseChatRequest(encode(body))
          } catch (thrown) {
            if (!(thrown instanceof RedoubtError)) throw thrown
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('ChatRequest.rewriteTexts', () => {
  const everything = {
    model: 'm',
    user: 'u',
    stop: [`end ${CARD}`],
    prediction: { type: 'content', content: `p ${CARD}` },
    metadata: { note: CARD, [`key ${CARD}`]: 'v', role: CARD, type: CARD },
    response_format: { type: 'json_schema', json_schema: { name: 'n', description: CARD, schema: { enum: [CARD, 4111111111111111] } } },
    tools: [
      {
        type: 'function',
        function: { name: 'f', description: CARD, parameters: { properties: { p: { description: CARD, default: 4111111111111111 } } } },
      },
    ],
    tool_choice: { type: 'function', function: { name: CARD } },
    documents: [{ invented_tomorrow: { deep: [{ er: CARD }] } }],
    messages: [
      { role: 'system', content: CARD, name: CARD },
      { role: 'user', content: [{ type: 'text', text: CARD }] },
      {
        role: 'assistant',
        content: null,
        refusal: CARD,
        reasoning_content: CARD,
        tool_calls: [
          {
            id: CARD,
            type: 'function',
            function: { name: CARD, arguments: String.raw`{"c":"4111\u00201111 1111 1111","d":4111111111111111}` },
          },
          { id: 'b', type: 'custom', custom: { name: 'f', input: CARD } },
        ],
      },
      { role: 'tool', tool_call_id: CARD, content: String.raw`{"row":"a\n4111\u0020111111111111"}` },
      { role: 'assistant', content: 'x', function_call: { name: 'f', arguments: CARD } },
      { role: 'function', name: 'f', content: CARD },
    ],
  }

  it('reaches every place in which a card number can leave (C6)', () => {
    const request = parseChatRequest(encode(everything))
    expect(request.rewriteTexts(maskCards)).toBe(true)
    const sent = request.toUpstream('r')
    expect(sent).not.toMatch(/4111/)
    expect(sent).not.toMatch(/u0020/)
    // As many masks as there were numbers planted.
    expect(sent.match(/\[CARD\]/g)).toHaveLength(JSON.stringify(everything).match(/4111/g)?.length ?? 0)
    const { messages: out } = JSON.parse(sent) as { messages: { tool_calls?: { function: { arguments: string } }[] }[] }
    expect(JSON.parse(out[2]?.tool_calls?.[0]?.function.arguments ?? '')).toEqual({ c: '[CARD]', d: '[CARD]' })
  })

  it('names what no filter can read, leaves it as it is, and looks at what stands beside it (C6)', () => {
    const image = { url: `data:image/png;base64,4111111111111111` }
    const request = parseChatRequest(
      encode({
        model: 'm',
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: CARD },
              { type: 'image_url', image_url: image, text: CARD },
              { type: 'input_audio', input_audio: {} },
              { type: 'file', file: {} },
              { type: 'text', text: 'x', image_url: CARD },
            ],
          },
        ],
      }),
    )
    expect(request.unreadable).toEqual([
      { kind: 'image', param: 'messages[0].content[1].type' },
      { kind: 'audio', param: 'messages[0].content[2].type' },
      { kind: 'file', param: 'messages[0].content[3].type' },
    ])
    request.rewriteTexts(maskCards)
    const { messages: sent } = JSON.parse(request.toUpstream('r')) as { messages: { content: object[] }[] }
    expect(sent[0]?.content).toEqual([
      { type: 'text', text: '[CARD]' },
      { type: 'image_url', image_url: image, text: '[CARD]' },
      { type: 'input_audio', input_audio: {} },
      { type: 'file', file: {} },
      { type: 'text', text: 'x', image_url: '[CARD]' },
    ])
  })

  it('says the place of each text and stops where the filter refuses', () => {
    const seen: string[] = []
    const request = parseChatRequest(
      encode({ model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }], metadata: { k: 'v' } }),
    )
    expect(
      request.rewriteTexts((text, param) => {
        seen.push(`${param}=${text}`)
        return text
      }),
    ).toBe(false)
    expect(seen).toContain('messages[0].content[0].text=hi')
    expect(seen).toContain('metadata.*=v')
    expect(() =>
      request.rewriteTexts(() => {
        throw new RedoubtError('ERR_FILTER_BLOCKED_INPUT')
      }),
    ).toThrow(expect.objectContaining({ code: 'ERR_FILTER_BLOCKED_INPUT' }))
  })

  it('refuses member names that masking makes equal', () => {
    const request = parseChatRequest(encode({ model: 'm', messages, metadata: { '4111111111111111': 'a', '5555555555554444': 'b' } }))
    expect(() => request.rewriteTexts(maskCards)).toThrow(expect.objectContaining({ code: 'ERR_FILTER_BLOCKED_INPUT' }))
  })

  it('lets no planted number through at any place of any document (C6)', () => {
    const leaf = fc.oneof(fc.constant(CARD), fc.constant(4111111111111111), fc.string(), fc.boolean(), fc.constant(null))
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(fc.string({ maxLength: 6 }), tie('node'), { maxKeys: 3 }),
      ),
    })).node
    fc.assert(
      fc.property(tree, tree, (metadata, content) => {
        const request = parseChatRequest(encode({ model: 'm', messages, metadata, tools: [{ type: 'function', x: content }] }))
        request.rewriteTexts(maskCards)
        expect(request.toUpstream('r')).not.toMatch(/4111/)
      }),
      { numRuns: 300 },
    )
  })
})
