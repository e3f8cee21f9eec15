import type { RedoubtError } from '#foundation/core'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CardRedactor, maskCards } from '../chat-completions/card-redactor.fixture.ts'
import { CARD, dataOf, encode, eventsOf, runStream, STEPS, STREAM_OPTIONS } from '../routes.fixtures.ts'
import { parseResponseAnswer } from './answer.ts'
import { parseResponsesRequest } from './request.ts'
import { ResponsesStream } from './stream.ts'

const read = (body: object) => parseResponsesRequest(encode({ model: 'm', input: 'hello', ...body }))

describe('a request for a response', () => {
  it('reads what the pipeline needs', () => {
    const request = read({ stream: true, max_output_tokens: 10, safety_identifier: 's', text: { format: { type: 'json_schema' } } })
    expect(request).toMatchObject({ model: 'm', stream: true, subject: 's', jsonAnswer: true, unreadable: [] })
    expect(request.reservation()).toBe(request.promptTokens + 10)
    expect(read({ text: { format: { type: 'text' } } }).jsonAnswer).toBe(false)
  })

  it('reaches every place in which a card number can leave (C6)', () => {
    const everything = {
      instructions: CARD,
      input: [
        { role: 'user', content: CARD },
        { type: 'message', role: 'developer', content: [{ type: 'input_text', text: CARD }] },
        {
          role: 'assistant',
          content: [
            { type: 'output_text', text: CARD },
            { type: 'refusal', refusal: CARD },
          ],
        },
        { type: 'function_call', call_id: CARD, name: CARD, arguments: String.raw`{"c":"4111\u0020111111111111"}` },
        { type: 'function_call_output', call_id: 'c', output: CARD },
        { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_text', text: CARD }] },
        { type: 'custom_tool_call', call_id: 'c', name: 'f', input: CARD },
        { type: 'custom_tool_call_output', call_id: 'c', output: CARD },
        { type: 'reasoning', id: CARD, summary: [{ type: 'summary_text', text: CARD }], content: [{ type: 'reasoning_text', text: CARD }] },
      ],
      tools: [{ type: 'function', name: CARD, description: CARD, parameters: { properties: { [CARD]: {} } } }],
      metadata: { [CARD]: CARD },
      text: { format: { type: 'json_schema', schema: { description: CARD } } },
    }
    const request = read(everything)
    request.rewriteTexts(maskCards)
    const sent = request.toUpstream('real', null)
    expect(sent).not.toMatch(/4111/)
    expect(sent.match(/\[CARD\]/g)).toHaveLength(JSON.stringify(everything).match(/4111/g)?.length ?? 0)
  })

  it('tells the upstream to keep nothing, and names the person by pseudonym alone (A7)', () => {
    const request = read({
      user: 'jane@example.com',
      stream: true,
      stream_options: { include_obfuscation: true },
      include: [],
      background: false,
    })
    expect(JSON.parse(request.toUpstream('real', 'pseudonym'))).toEqual({
      model: 'real',
      input: 'hello',
      user: 'pseudonym',
      stream: true,
      store: false,
    })
    expect(JSON.parse(request.toUpstream('real', null))['user']).toBeUndefined()
  })

  it('names what no filter can read, leaves it as it is, and looks at what stands beside it (C6)', () => {
    const image = { type: 'input_image', image_url: 'data:image/png;base64,4111111111111111' }
    const request = read({
      input: [
        {
          role: 'user',
          content: [
            { ...image, detail: CARD },
            { type: 'input_file', file_id: 'x', filename: CARD },
          ],
        },
      ],
    })
    expect(request.unreadable).toEqual([
      { kind: 'image', param: 'input[0].content[0].type' },
      { kind: 'file', param: 'input[0].content[1].type' },
    ])
    request.rewriteTexts(maskCards)
    expect(JSON.parse(request.toUpstream('r', null))['input'][0]['content']).toEqual([
      { ...image, detail: '[CARD]' },
      { type: 'input_file', file_id: 'x', filename: '[CARD]' },
    ])
  })

  it.each([
    [{ input: undefined }, 'input'],
    [{ input: [] }, 'input'],
    [{ input: 7 }, 'input'],
    [{ input: ['x'] }, 'input[0]'],
    [{ input: [{ role: 'tool', content: 'x' }] }, 'input[0].role'],
    [{ input: [{ role: 'user' }] }, 'input[0].content'],
    [{ input: [{ role: 'user', content: [{ type: 'hologram' }] }] }, 'input[0].content[0].type'],
    [{ input: [{ type: 'item_reference', id: 'x' }] }, 'input[0].type'],
    [{ input: [{ type: 'computer_call', id: 'x' }] }, 'input[0].type'],
    [{ input: [{ type: 'image_generation_call', id: 'x', result: 'aGk=' }] }, 'input[0].type'],
    [{ input: [{ type: 'web_search_call' }] }, 'input[0].id'],
    [{ input: [{ type: 'code_interpreter_call', id: 'x', outputs: [{ type: 'hologram' }] }] }, 'input[0].outputs[0].type'],
    [{ input: [{ type: 'reasoning', summary: [], encrypted_content: 'x' }] }, 'input[0].encrypted_content'],
    [{ input: [{ type: 'function_call', call_id: 'c', name: 'f', arguments: {} }] }, 'input[0].arguments'],
    [{ store: true }, 'store'],
    [{ background: true }, 'background'],
    [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
    [{ conversation: 'conv_1' }, 'body'],
    [{ prompt: { id: 'pmpt_1' } }, 'body'],
    [{ tomorrow: 1 }, 'body'],
    [{ include: ['reasoning.encrypted_content'] }, 'include'],
    [{ include: ['message.output_text.logprobs', 'file_search_call.results'] }, 'include'],
    [{ include: 'message.output_text.logprobs' }, 'include'],
    [{ include: ['web_search_call.action.sources'] }, 'include'],
    [{ include: ['constructor'] }, 'include'],
    ...['computer_use_preview', 'computer', 'image_generation', 'local_shell', 'shell', 'web_search_call', 'namespace'].map(
      (type): [object, string] => [{ tools: [{ type }] }, 'tools[0].type'],
    ),
    [{ tools: [{ type: 'code_interpreter', container: 'cntr_1' }] }, 'tools[0].container'],
    [{ tools: [{ type: 'code_interpreter', container: { type: 'auto', file_ids: ['f'] } }] }, 'tools[0].container.file_ids'],
    [
      { tools: [{ type: 'code_interpreter', container: { type: 'auto', network_policy: { type: 'allowlist' } } }] },
      'tools[0].container.network_policy',
    ],
    [{ tools: [{ type: 'mcp', server_label: 'x' }] }, 'tools[0]'],
    [{ tools: [{ type: 'mcp', server_url: 'http://x.example' }] }, 'tools[0]'],
    [{ tools: [{ type: 'mcp', server_url: 'https://x.example', connector_id: 'connector_gmail' }] }, 'tools[0]'],
    [{ tool_choice: { type: 'mcp', server_label: 'x' } }, 'tool_choice'],
    [{ max_output_tokens: 0 }, 'max_output_tokens'],
    [{ stream: 1 }, 'stream'],
    [{ instructions: 7 }, 'instructions'],
  ])('refuses %j and names the place', (body, param) => {
    expect(() => read(body)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID', evidence: { param } }))
  })
})

const whole = (change: object = {}): object => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1_700_000_000,
  status: 'completed',
  model: 'real',
  output: [
    {
      type: 'message',
      id: 'msg_1',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: 'fine', annotations: [] }],
    },
  ],
  usage: { input_tokens: 3, input_tokens_details: { cached_tokens: 0, note: CARD }, output_tokens: 4, total_tokens: 7 },
  ...change,
})

describe('an answer of a response', () => {
  const answer = (change: object = {}, jsonAnswer = false) => parseResponseAnswer(encode(whole(change)), { jsonAnswer })

  it('is filtered everywhere, under the public name, without log probabilities or the pseudonym (C6)', () => {
    const parsed = answer({
      instructions: CARD,
      user: 'pseudonym',
      safety_identifier: 'pseudonym',
      store: true,
      tomorrow: CARD,
      output: [
        { type: 'reasoning', id: 'rs', summary: [{ type: 'summary_text', text: CARD }], encrypted_content: CARD },
        {
          type: 'message',
          role: 'assistant',
          content: [{ type: 'output_text', text: CARD, logprobs: [{ token: CARD }], annotations: [{ title: CARD }] }],
        },
        { type: 'function_call', call_id: 'c', name: 'f', arguments: String.raw`{"c":"4111\u0020111111111111","n":4111111111111111}` },
      ],
    })
    parsed.rewriteTexts(maskCards)
    const body = parsed.toClient('public', 0)
    expect(body).not.toMatch(/4111|real|pseudonym/)
    const { output, ...rest } = JSON.parse(body)
    expect(rest).toMatchObject({
      model: 'public',
      status: 'completed',
      store: false,
      created_at: 1_700_000_000,
      usage: { total_tokens: 7 },
    })
    expect(output[0].summary[0].text).toBe('[CARD]')
    expect(output[1].content[0]).toMatchObject({ text: '[CARD]', logprobs: [] })
    expect(JSON.parse(output[2].arguments)).toEqual({ c: '[CARD]', n: '[CARD]' })
    expect(parsed.usage(99)).toMatchObject({ totalTokens: 7, exact: true })
  })

  it('does not repeat its instructions, whole or streamed: the marker in them would block every answer (C9)', () => {
    const repeated = { instructions: CARD, input: CARD, input_messages: [{ role: 'system', content: CARD }] }
    const seen: string[] = []
    const look = (text: string): string => (seen.push(text), text)
    const parsed = answer(repeated)
    parsed.rewriteTexts(look)
    expect(JSON.parse(parsed.toClient('public', 0))).toMatchObject({ instructions: null })
    const event = (type: string, response: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, response })}\n\n`
    const upstream =
      event('response.created', whole({ status: 'in_progress', output: [], ...repeated })) + event('response.completed', whole(repeated))
    const redactor = () => ({ push: look, flush: () => '', interrupt: () => '', blocked: false, findings: new Map() }) as never
    const options = { ...STREAM_OPTIONS, createRedactor: redactor, createSilentRedactor: redactor }
    const told = dataOf(runStream(new ResponsesStream({ jsonAnswer: false, promptTokens: 1 }, options), upstream))
    expect(told.map(({ type, response }) => [type, response.instructions, response.input])).toEqual([
      ['response.created', null, undefined],
      ['response.completed', null, undefined],
    ])
    expect(seen.length).toBeGreaterThan(0)
    expect(seen.filter((text) => text.includes('4111'))).toEqual([])
  })

  it('reads a JSON answer by what it means, also when it was cut off', () => {
    const cut = String.raw`{"a":"4111\u0020111111111111", "b`
    const parsed = answer({ status: 'incomplete', output: [{ type: 'message', content: [{ type: 'output_text', text: cut }] }] }, true)
    parsed.rewriteTexts(maskCards)
    expect(parsed.toClient('p', 0)).toContain('[CARD]')
    expect(parsed.toClient('p', 0)).not.toMatch(/4111/)
  })

  it.each([
    [{ status: 'in_progress' }, 'ERR_UPSTREAM_PROTOCOL'],
    [{ output: 'x' }, 'ERR_UPSTREAM_PROTOCOL'],
    [{ output: ['x'] }, 'ERR_UPSTREAM_PROTOCOL'],
    [{ status: 'failed', error: { code: 'server_error', message: CARD } }, 'ERR_UPSTREAM_REFUSED'],
  ])('refuses %j', (change, code) => {
    const error = (() => {
      try {
        answer(change)
      } catch (thrown) {
        return thrown as RedoubtError
      }
      return null
    })()
    expect(error?.code).toBe(code)
    expect(JSON.stringify({ ...error?.evidence, message: error?.message })).not.toContain('4111')
  })
})

describe('log probabilities of a response', () => {
  const token = (text: string, top: string[] = []): object => ({
    token: text,
    logprob: -1,
    bytes: [...Buffer.from(text)],
    top_logprobs: top.map((each) => ({ token: each, logprob: -2, bytes: [...Buffer.from(each)] })),
  })
  const text = `Pay ${CARD} now`
  const spelled = [token('Pay', ['Give']), token(' 4111 1111'), token(' 1111 ', [CARD]), token('1111'), token(' now', [CARD])]
  const item = {
    type: 'message',
    id: 'it_0',
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text, logprobs: spelled, annotations: [] }],
  }

  it('are asked for, stay where they spell what goes out, and carry no value (C6)', () => {
    const request = read({ include: ['message.output_text.logprobs'], top_logprobs: 2 })
    expect(JSON.parse(request.toUpstream('real', null))).toMatchObject({ include: ['message.output_text.logprobs'], top_logprobs: 2 })
    const parsed = parseResponseAnswer(encode(whole({ output: [item] })), { jsonAnswer: false })
    parsed.rewriteTexts(maskCards, maskCards)
    const body = parsed.toClient('public', 0)
    expect(body).not.toMatch(/1111|49,49,49,49/)
    expect(JSON.parse(body).output[0].content[0].logprobs).toEqual([token('Pay'), token(' now')])
  })

  it('leave a stream with the text that they spell, and what repeats the text repeats no more (C6)', () => {
    const at = { item_id: 'it_0', output_index: 0, content_index: 0 }
    const event = (type: string, data: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`
    const upstream =
      event('response.created', { response: whole({ status: 'in_progress', output: [] }) }) +
      event('response.output_item.added', { output_index: 0, item: { ...item, content: [] } }) +
      ['Pay ', '4111 1111 ', '1111 1111', ' now']
        .map((delta) => event('response.output_text.delta', { ...at, delta, logprobs: [token(delta, [CARD])] }))
        .join('') +
      event('response.output_text.done', { ...at, text, logprobs: spelled }) +
      event('response.content_part.done', { ...at, part: item.content[0] }) +
      event('response.output_item.done', { output_index: 0, item }) +
      event('response.completed', { response: whole({ output: [item] }) })
    const out = runStream(new ResponsesStream({ jsonAnswer: false, promptTokens: 1 }, STREAM_OPTIONS), upstream)
    expect(out).not.toMatch(/1111|49,49,49,49/)
    const told = dataOf(out)
    const deltas = told.filter(({ type }) => type === 'response.output_text.delta')
    expect(deltas.flatMap(({ logprobs }) => logprobs)).toEqual([token('Pay '), token(' now')])
    expect(told.find(({ type }) => type === 'response.output_text.done').logprobs).toEqual([token('Pay'), token(' now')])
    expect(told.at(-1).response.output[0].content[0].logprobs).toEqual([token('Pay'), token(' now')])
  })
})

describe('a stream of a response', () => {
  const event = (type: string, data: object): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: 900, ...data })}\n\n`
  const created = event('response.created', { response: whole({ status: 'in_progress', output: [], usage: null, instructions: CARD }) })
  const at = (index: number, more: object = { content_index: 0 }): object => ({ item_id: `it_${index}`, output_index: index, ...more })
  const added = (index: number, item: object): string => event('response.output_item.added', { output_index: index, item })
  const itemDone = (index: number, item: object): string => event('response.output_item.done', { output_index: index, item })
  const pieces = (name: string, about: object, text: string, step = 1): string =>
    (text.match(new RegExp(`[\\s\\S]{1,${step}}`, 'gu')) ?? [])
      .map((delta) => event(`response.${name}.delta`, { ...about, delta, logprobs: [{ token: delta }] }))
      .join('')
  const told = (name: string, member: string, about: object, text: string, step = 1): string =>
    pieces(name, about, text, step) + event(`response.${name}.done`, { ...about, [member]: text })
  const message = (index: number, text: string, step = 1): string => {
    const part = { type: 'output_text', text, annotations: [] }
    const item = { type: 'message', id: `it_${index}`, role: 'assistant', status: 'completed', content: [part] }
    return (
      added(index, { ...item, content: [] }) +
      event('response.content_part.added', { ...at(index), part: { ...part, text: '' } }) +
      told('output_text', 'text', at(index), text, step) +
      event('response.content_part.done', { ...at(index), part }) +
      itemDone(index, item)
    )
  }
  const call = (index: number, args: string, step = 1): string => {
    const item = { type: 'function_call', id: `it_${index}`, call_id: 'call_1', name: 'pay', arguments: args, status: 'completed' }
    return (
      added(index, { ...item, arguments: '' }) +
      told('function_call_arguments', 'arguments', at(index, {}), args, step) +
      itemDone(index, item)
    )
  }
  const end = (output: unknown = [], change: object = {}): string => event('response.completed', { response: whole({ output, ...change }) })
  const run = (
    upstream: string,
    change: { jsonAnswer?: boolean; step?: number } = {},
  ): { out: string; stream: ResponsesStream; redactors: CardRedactor[] } => {
    const redactors: CardRedactor[] = []
    const createRedactor = (): CardRedactor => {
      const redactor = new CardRedactor()
      redactors.push(redactor)
      return redactor
    }
    const stream = new ResponsesStream({ jsonAnswer: change.jsonAnswer ?? false, promptTokens: 10 }, { ...STREAM_OPTIONS, createRedactor })
    return { out: runStream(stream, upstream, change.step), stream, redactors }
  }
  const deltas = (out: string, name: string, index = 0): string =>
    dataOf(out)
      .filter(({ type, output_index: output }) => type === `response.${name}.delta` && output === index)
      .map(({ delta }) => delta as string)
      .join('')

  const ARGUMENTS = String.raw`{"to":"4111\u0020111111111111","n":4111111111111111}`
  const reasoning =
    added(0, { type: 'reasoning', id: 'it_0', summary: [] }) +
    event('response.reasoning_summary_part.added', { ...at(0, { summary_index: 0 }), part: { type: 'summary_text', text: '' } }) +
    told('reasoning_summary_text', 'text', at(0, { summary_index: 0 }), `It is ${CARD}`) +
    event('response.reasoning_summary_part.done', {
      ...at(0, { summary_index: 0 }),
      part: { type: 'summary_text', text: `It is ${CARD}` },
    }) +
    itemDone(0, { type: 'reasoning', id: 'it_0', summary: [{ type: 'summary_text', text: `It is ${CARD}` }] })
  const everything =
    created +
    reasoning +
    message(1, `Pay with ${CARD} 😀`) +
    call(2, ARGUMENTS) +
    end([
      { type: 'message', content: [{ type: 'output_text', text: `Pay with ${CARD} 😀` }] },
      { type: 'function_call', arguments: ARGUMENTS },
    ])

  it('masks texts, reasoning and arguments wherever they are told, byte for byte the same for every chunking (C6)', () => {
    const { out, stream } = run(everything)
    expect(stream.state).toBe('complete')
    expect(out).not.toMatch(/4111|real/)
    expect(deltas(out, 'reasoning_summary_text')).toBe('It is [CARD]')
    expect(deltas(out, 'output_text', 1)).toBe('Pay with [CARD] 😀')
    expect(JSON.parse(deltas(out, 'function_call_arguments', 2))).toEqual({ to: '[CARD]', n: '[CARD]' })
    const data = dataOf(out)
    const doneOf = (type: string): any => data.find((one) => one.type === type)
    expect(doneOf('response.output_text.done').text).toBe(deltas(out, 'output_text', 1))
    expect(doneOf('response.function_call_arguments.done').arguments).toBe(deltas(out, 'function_call_arguments', 2))
    expect(data.map(({ sequence_number: number }) => number)).toEqual(data.map((_, i) => i))
    expect(eventsOf(out).every(({ event: name, data: text }) => name === JSON.parse(text).type)).toBe(true)
    expect(data.at(-1)).toMatchObject({
      type: 'response.completed',
      response: { model: 'public', status: 'completed', usage: { total_tokens: 7 } },
    })
    expect(stream.usage()).toMatchObject({ totalTokens: 7, exact: true })
    for (const step of STEPS) expect(run(everything, { step }).out).toBe(out)
  })

  it.each([
    ['an item', (part: object) => itemDone(0, { type: 'message', id: 'it_0', role: 'assistant', content: [part] })],
    ['a part', (part: object) => event('response.content_part.done', { ...at(0), part })],
  ])('masks what no piece has told before the end of %s (C6)', (_, ends) => {
    const annotations = [{ type: 'url_citation', title: CARD, url: 'https://example.com/' }]
    const part = { type: 'output_text', text: `Pay with ${CARD}`, annotations }
    for (const before of ['', told('output_text', 'text', at(0), part.text)]) {
      const { out, stream } = run(created + before + ends(part) + end())
      expect(stream.state).toBe('complete')
      expect(out).not.toMatch(/4111/)
      const { item, part: shown = item.content[0] } = dataOf(out).at(-2)
      expect(shown).toMatchObject({ text: 'Pay with [CARD]', annotations: [{ title: '[CARD]' }] })
    }
  })

  it('counts a value once, however often the stream repeats it', () => {
    // One redactor that counts for each text that came in pieces; the repetitions have silent ones.
    expect(
      run(created + message(0, CARD) + end([{ type: 'message', content: [{ type: 'output_text', text: CARD }] }])).redactors,
    ).toHaveLength(1)
  })

  it('gives the same texts for every way of cutting them into deltas (C6)', () => {
    const words = fc
      .array(fc.constantFrom('4111', '1', ' ', '-', 'x', '\\', '"', '{', ',', '😀', 'FORBIDDE', 'N', '5555555555554444'), { maxLength: 20 })
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(words, words, fc.integer({ min: 1, max: 9 }), (text, args, step) => {
        const build = (size: number): string => created + message(0, text, size) + call(1, args, size) + end()
        const first = run(build(1000)).out
        const second = run(build(step)).out
        for (const [name, index] of [
          ['output_text', 0],
          ['function_call_arguments', 1],
        ] as const)
          expect(deltas(second, name, index)).toBe(deltas(first, name, index))
        expect(deltas(first, 'output_text')).toBe(maskCards(text).split('FORBIDDEN')[0])
      }),
      { numRuns: 200 },
    )
  })

  it('ends a blocked response as incomplete for content_filter, and tells nothing after the value (C6)', () => {
    const { out, stream } = run(created + message(0, 'earlier') + message(1, 'so FORBIDDEN secret') + end())
    expect(stream.state).toBe('blocked')
    expect(deltas(out, 'output_text', 1)).toBe('so ')
    expect(out).not.toMatch(/FORB|secret/)
    expect(dataOf(out).at(-1)).toMatchObject({
      type: 'response.incomplete',
      response: {
        status: 'incomplete',
        incomplete_details: { reason: 'content_filter' },
        model: 'public',
        output: [{ content: [{ text: 'earlier' }] }],
      },
    })
  })

  it('blocks a value that is told only whole', () => {
    for (const only of [
      event('response.output_text.done', { ...at(0), text: 'FORBIDDEN' }),
      itemDone(0, { type: 'message', content: [{ type: 'output_text', text: 'FORBIDDEN' }] }),
      end([{ type: 'message', content: [{ type: 'output_text', text: 'FORBIDDEN' }] }]),
    ]) {
      const { out, stream } = run(created + only)
      expect(stream.state).toBe('blocked')
      expect(out).not.toContain('FORBIDDEN')
      expect(dataOf(out).at(-1)?.type).toBe('response.incomplete')
    }
  })

  it('gives a text that is told only whole as a delta too, filtered', () => {
    const { out } = run(created + event('response.output_text.done', { ...at(0), text: `x ${CARD}` }) + end())
    expect(deltas(out, 'output_text')).toBe('x [CARD]')
    expect(out).not.toContain('4111')
  })

  it('drops events that it does not know and texts that come with a beginning, for they could carry pieces of a value', () => {
    const { out, stream } = run(
      created +
        event('response.audio.delta', { delta: CARD }) +
        event('response.tomorrow', { text: CARD }) +
        added(0, {
          type: 'message',
          id: 'it_0',
          role: 'assistant',
          content: [{ type: 'output_text', text: '4111 1111 ' }],
          note: '4111 1111 ',
        }) +
        event('response.content_part.added', { ...at(0), part: { type: 'output_text', text: '4111 1111 ' } }) +
        told('output_text', 'text', at(0), '1111 1111') +
        end(),
    )
    expect(stream.state).toBe('complete')
    expect(out).not.toMatch(/4111|audio|tomorrow/)
  })

  it('reads a JSON answer by what it means', () => {
    const { out } = run(created + message(0, String.raw`{"a":"x\n4111\u0020111111111111","b":4111111111111111}`) + end(), {
      jsonAnswer: true,
    })
    expect(JSON.parse(deltas(out, 'output_text'))).toEqual({ a: 'x\n[CARD]', b: '[CARD]' })
    expect(out).not.toMatch(/4111/)
  })

  it.each([
    ['just stops', created + pieces('output_text', at(0), 'x'), 'err_upstream_reset'],
    ['says nothing', '', 'err_upstream_reset'],
    [
      'fails',
      created + event('response.failed', { response: whole({ status: 'failed', error: { code: 'server_error', message: CARD } }) }),
      'err_upstream_refused',
    ],
    ['sends an error', created + event('error', { code: 'server_error', message: CARD, param: null }), 'err_upstream_refused'],
    ['ends before its texts', created + pieces('output_text', at(0), 'x') + end(), 'err_upstream_protocol'],
    [
      'ends an item before its texts',
      created + pieces('output_text', at(0), 'x') + itemDone(0, { type: 'message' }),
      'err_upstream_protocol',
    ],
    [
      'goes on with a text after its end',
      created + told('output_text', 'text', at(0), '4111 1111 ') + pieces('output_text', at(0), '1111 1111'),
      'err_upstream_protocol',
    ],
    ['runs tools of its own', created + added(0, { type: 'web_search_call', id: 'x' }), 'err_upstream_protocol'],
    ['sends what is not JSON', 'data: {\n\n', 'err_upstream_protocol'],
    ['gives an event two names', `event: ping\ndata: ${JSON.stringify({ type: 'response.completed' })}\n\n`, 'err_upstream_protocol'],
    ['sends a bad index', created + pieces('output_text', { item_id: 'x', output_index: -1 }, 'x y'), 'err_upstream_protocol'],
  ])('makes an error event of an upstream that %s: a stream never just stops', (_, upstream, code) => {
    const { out, stream } = run(upstream)
    expect(stream.state).toBe('failed')
    expect(eventsOf(out).at(-1)?.event).toBe('error')
    expect(dataOf(out).at(-1)).toMatchObject({ type: 'error', code, error: { code } })
    expect(out).not.toMatch(/4111 1111 1111/)
  })

  it('withstands any events, and always ends in one of its ways', () => {
    const type = fc.constantFrom(
      'response.created',
      'response.output_item.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.output_item.done',
      'response.completed',
      'error',
      'x',
    )
    const any = fc.jsonValue({ maxDepth: 3 })
    const anyEvent = fc
      .record(
        { type, output_index: fc.constantFrom(0, 1, '0'), response: any, item: any, delta: any, text: any },
        { requiredKeys: ['type'] },
      )
      .map((data) => event(data.type, data))
    fc.assert(
      fc.property(
        fc.array(fc.oneof(anyEvent, fc.string({ unit: 'binary' }), fc.constant(created)), { maxLength: 8 }),
        fc.integer({ min: 1, max: 40 }),
        (parts, step) => {
          const { out } = run(parts.join(''))
          expect(run(parts.join(''), { step }).out).toBe(out)
          expect(['error', 'response.completed', 'response.incomplete']).toContain(dataOf(out).at(-1)?.type)
        },
      ),
      { numRuns: 150 },
    )
  })
})
