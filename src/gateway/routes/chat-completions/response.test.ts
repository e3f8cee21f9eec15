import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maskCards } from './card-redactor.fixture.ts'
import { parseChatResponse } from './response.ts'

const CARD = '4111 1111 1111 1111'
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const logprobs = { content: [{ token: 'ok', logprob: -0.1, bytes: [111, 107], top_logprobs: [] }] }
const choice = (message: object, index = 0): object => ({
  index,
  message: { role: 'assistant', ...message },
  logprobs,
  finish_reason: 'stop',
})
const usage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7, prompt_tokens_details: { cached_tokens: 1 } }
const answer = (...choices: object[]): Record<string, unknown> => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'real',
  system_fingerprint: 'fp_1',
  choices,
  usage,
})

describe('ChatResponse', () => {
  it('passes an answer on under the public model name', () => {
    const response = parseChatResponse(encode(answer(choice({ content: 'ok' }))))
    expect(response.rewriteTexts(maskCards)).toBe(false)
    expect(JSON.parse(response.toClient('public', 0))).toEqual({ ...answer(choice({ content: 'ok' })), model: 'public' })
    expect(response.usage(9)).toEqual({ promptTokens: 3, completionTokens: 4, totalTokens: 7, exact: true })
    expect(response.finishReasons).toEqual(['stop'])
  })

  it('reaches every text of an answer, and arguments by what they mean (C6)', () => {
    const call = {
      id: 'c',
      type: 'function',
      function: { name: 'f', arguments: String.raw`{"n":4111111111111111,"s":"\u0034111111111111111"}` },
    }
    const response = parseChatResponse(
      encode({
        ...answer(
          choice({ content: CARD, refusal: CARD, reasoning_content: CARD, tool_calls: [call], annotations: [{ url: CARD }], [CARD]: 'x' }),
        ),
        citations: [CARD],
        provider: CARD,
      }),
    )
    expect(response.rewriteTexts(maskCards)).toBe(true)
    const sent = response.toClient('m', 0)
    expect(sent).not.toMatch(/4111/)
    const out = JSON.parse(sent) as { choices: { message: { tool_calls: { function: { arguments: string } }[] } }[] }
    expect(JSON.parse(out.choices[0]?.message.tool_calls[0]?.function.arguments ?? '')).toEqual({ n: '[CARD]', s: '[CARD]' })
  })

  it('is refused with what no filter can read: nobody asked for it (C6)', () => {
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
    for (const message of [
      { content: null, audio: { id: 'a', data: 'AAAA', transcript: 'ok' } },
      { content: 'ok', images: [image] },
      { content: [{ type: 'text', text: 'ok' }, image] },
      { content: ['ok'] },
    ])
      expect(() => parseChatResponse(encode(answer(choice({ content: 'ok' }), choice(message, 1))))).toThrow(
        expect.objectContaining({ code: 'ERR_UPSTREAM_PROTOCOL' }),
      )
    const none = { content: [{ type: 'text', text: 'ok' }], audio: null, images: [] }
    expect(parseChatResponse(encode(answer(choice(none)))).finishReasons).toEqual(['stop'])
  })

  it('drops texts that are told as numbers, the prompt among them (C6)', () => {
    const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{"n":[1,2]}' } }
    const one = { ...choice({ content: 'ok', tool_calls: [call], tomorrow: [[7, 8], [9]] }), token_ids: [1, 2], other: { ids: [3, 4] } }
    const spelled = { prompt_token_ids: [5, 6], prompt_logprobs: [null, { 5: { decoded_token: 'secret' } }], output_ids: [1] }
    const response = parseChatResponse(encode({ ...answer(one), ...spelled }))
    response.rewriteTexts(maskCards)
    const sent = JSON.parse(response.toClient('public', 0)) as unknown
    expect(sent).toEqual({ ...answer({ ...choice({ content: 'ok', tool_calls: [call] }), other: {} }), model: 'public' })
  })

  it('drops the log probabilities of a changed choice and of no other', () => {
    const response = parseChatResponse(encode(answer(choice({ content: CARD }), choice({ content: 'ok' }, 1))))
    response.rewriteTexts(maskCards)
    const out = JSON.parse(response.toClient('m', 0)) as { choices: { logprobs: unknown }[] }
    expect(out.choices.map((each) => each.logprobs)).toEqual([null, logprobs])
  })

  it('reads an answer in JSON by what it means even where it was cut off (C6)', () => {
    const response = parseChatResponse(encode(answer(choice({ content: String.raw`{"s":"4111\u0020111111111111","t` }))), true)
    expect(response.rewriteTexts(maskCards)).toBe(true)
    expect(JSON.parse(response.toClient('m', 0))).toMatchObject({ choices: [{ message: { content: '{"s":"[CARD]","t' } }] })
  })

  it('lets no log probability carry what was changed, in no member and over no number of them (C6)', () => {
    const spell = (...tokens: (string | [string, ...string[]])[]): object => ({
      content: tokens.map((each) => {
        const [token, ...top] = [each].flat()
        const one = (text: string | undefined): object => ({ token: text, logprob: -1, bytes: [...Buffer.from(text ?? '')] })
        return { ...one(token), top_logprobs: top.map(one), note: CARD }
      }),
      extra: CARD,
    })
    const spelled = (content: string, probabilities: object): { tokens: string[]; sent: string; alternatives: string[] } => {
      const response = parseChatResponse(encode(answer({ ...choice({ content }), logprobs: probabilities })))
      response.rewriteTexts(maskCards, maskCards)
      const sent = response.toClient('m', 0)
      const [{ logprobs: list }] = (JSON.parse(sent) as { choices: [{ logprobs: { content: any[] } | null }] }).choices
      const tokens = list?.content ?? []
      return {
        sent,
        tokens: tokens.map(({ token }) => token),
        alternatives: tokens.flatMap(({ top_logprobs: top }) => top.map((one: any) => one.token)),
      }
    }
    const split = spelled('Pay 4111 1111 1111 1111 now', spell('Pay', ' 41', '11 1111', ' 1111 ', '1111', ' now'))
    expect(split.tokens).toEqual(['Pay', ' now'])
    expect(split.sent).not.toMatch(/4111|1111/)
    // A name that says something else than its bytes is not believed; what spells another text is dropped.
    expect(spelled('ok then', { content: [{ token: CARD, logprob: -1, bytes: [111, 107], top_logprobs: [] }] }).tokens).toEqual(['ok'])
    expect(
      spelled('ok, that is longer than the card', {
        content: [{ token: 'ok', logprob: -1, bytes: [...Buffer.from(CARD)], top_logprobs: [] }],
      }).sent,
    ).not.toMatch(/4111|52,49,49,49/)
    for (const attack of [
      spell('Pay', [' me', ` ${CARD}`], ' now'),
      spell(['Pay', '4111 1111'], [' me', ' 1111 1111'], ' now'),
      spell(['Pay', '4111', ' 1111', ' 1111', ' 1111'], ' me', ' now'),
    ]) {
      const { sent, tokens } = spelled('Pay me now', attack)
      expect(sent).not.toMatch(/1111|49,49,49,49/)
      expect(tokens).toEqual(['Pay', ' me', ' now'])
    }
    // Together with what stands beside it, an alternative makes a value that the text is not.
    expect(spelled('No 411111111111x', spell('No ', ['411111111111', '4'], ['x', '1111'])).alternatives).not.toContain('1111')
    expect(spelled('Pay me', spell(['Pay', 'Give'], ' me')).alternatives).toEqual(['Give'])
    const json = spelled(String.raw`{"a":"b"}`, spell(String.raw`{"a":"`, ['b', `4${String.raw`\u0031`.repeat(15)}`], '"}'))
    expect(json.alternatives).toEqual([])
  })

  it('says the place of a text in the whole answer', () => {
    const seen: string[] = []
    const response = parseChatResponse(encode(answer(choice({ content: 'ok' }))))
    response.rewriteTexts((text, param) => {
      seen.push(`${param}=${text}`)
      return text
    })
    expect(seen).toContain('choices[0].message.content=ok')
  })

  it('keeps nothing but numbers of the usage, and estimates what was not counted', () => {
    const response = parseChatResponse(
      encode({ ...answer(choice({ content: 'x'.repeat(300) })), usage: { note: CARD, deep: { a: CARD, b: 1 } } }),
    )
    expect(JSON.parse(response.toClient('m', 0))).toMatchObject({ usage: { deep: { b: 1 } } })
    expect(response.toClient('m', 0)).not.toMatch(/4111/)
    const estimate = response.usage(9)
    expect(estimate.exact).toBe(false)
    expect(estimate.completionTokens).toBeGreaterThanOrEqual(100)
  })

  it.each([
    [{}],
    [{ choices: [] }],
    [{ choices: [{}] }],
    [{ choices: [{ message: { role: 'user' }, finish_reason: 'stop' }] }],
    [{ choices: [{ message: { role: 'assistant', content: 'x' }, finish_reason: null }] }],
    [[]],
    ['x'],
  ])('refuses %j as no answer (fails closed)', (body) => {
    expect(() => parseChatResponse(encode(body))).toThrow(expect.objectContaining({ code: 'ERR_UPSTREAM_PROTOCOL' }))
  })

  it('gives only its own error for any bytes and any JSON', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((json) => new TextEncoder().encode(json)),
        ),
        (bytes) => {
          try {
            parseChatResponse(bytes)
          } catch (thrown) {
            expect(thrown).toMatchObject({ code: 'ERR_UPSTREAM_PROTOCOL' })
          }
        },
      ),
      { numRuns: 400 },
    )
  })
})
