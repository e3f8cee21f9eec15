import { describe, expect, it } from 'vitest'
import { maskCards } from '../chat-completions/card-redactor.fixture.ts'
import { CARD, dataOf, encode, runStream, STEPS, STREAM_OPTIONS } from '../routes.fixtures.ts'
import { parseCompletionAnswer } from './answer.ts'
import { parseCompletionRequest } from './request.ts'
import { CompletionStream } from './stream.ts'

const read = (body: object) => parseCompletionRequest(encode({ model: 'm', ...body }))

describe('a request for completions', () => {
  it('reserves every completion at its longest', () => {
    const request = read({ prompt: ['a', 'b'], n: 2, best_of: 3, max_tokens: 10, user: 'u' })
    expect(request).toMatchObject({ choices: 4, subject: 'u', stream: false, unreadable: [] })
    expect(request.reservation()).toBe(request.promptTokens + 60)
  })

  it('filters prompts, suffix and everything free, and refuses what it does not understand (C6)', () => {
    expect(() => read({ prompt: 'x', tomorrow: { a: CARD } })).toThrow('`tomorrow` is not supported')
    const request = read({ prompt: [CARD, 'x'], suffix: CARD, stop: [CARD], guided_json: { a: CARD } })
    request.rewriteTexts(maskCards)
    const sent = request.toUpstream('real')
    expect(sent).not.toContain('4111')
    expect(JSON.parse(sent)).toMatchObject({ model: 'real', prompt: ['[CARD]', 'x'], suffix: '[CARD]' })
  })

  it.each(['seed', 'logprobs'])('looks at `%s` when it is no number (C6)', (member) => {
    for (const value of [CARD, { a: [CARD] }]) {
      const request = read({ prompt: 'a', [member]: value })
      request.rewriteTexts(maskCards)
      expect(request.toUpstream('real')).not.toContain('4111')
    }
  })

  it('names token ids as what no filter can read (C6)', () => {
    for (const prompt of [
      [1, 2, 3],
      [[1], [2]],
    ])
      expect(read({ prompt }).unreadable).toEqual([{ kind: 'token_ids', param: 'prompt' }])
  })

  it.each([
    [{}, 'prompt'],
    [{ prompt: [] }, 'prompt'],
    [{ prompt: ['a', 1] }, 'prompt'],
    [{ prompt: [[]] }, 'prompt'],
    [{ prompt: [1.5] }, 'prompt'],
    [{ prompt: [-1] }, 'prompt'],
    [{ prompt: [[1], 'a'] }, 'prompt'],
    [{ prompt: { a: 1 } }, 'prompt'],
    [{ prompt: 'a', n: 17 }, 'n'],
    [{ prompt: 'a', return_token_ids: true }, 'return_token_ids'],
    [{ prompt: 'a', prompt_logprobs: 0 }, 'prompt_logprobs'],
    [{ prompt: 'a', prompt_embeds: 'AAAA' }, 'prompt_embeds'],
    [{ prompt: Array.from({ length: 9 }, () => 'a'), n: 2 }, 'prompt'],
    [{ prompt: 'a', max_tokens: 0 }, 'max_tokens'],
    [{ prompt: 'a', stream: 1 }, 'stream'],
  ])('refuses %j and names the place', (body, param) => {
    expect(() => read(body)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID', evidence: { param } }))
  })
})

describe('an answer of completions', () => {
  const answer = (choices: unknown, more: object = {}) => parseCompletionAnswer(encode({ id: 'c', choices, ...more }))

  it('drops texts that are told as numbers, the prompt among them (C6)', () => {
    const told = { token_ids: [1, 2], prompt_token_ids: [3], prompt_logprobs: [null, { 5: { decoded_token: 'secret' } }] }
    const parsed = answer([{ index: 0, text: 'fine', logprobs: null, finish_reason: 'stop', ...told }], { output_ids: [[1], [2]] })
    parsed.rewriteTexts(maskCards)
    const { choices, ...rest } = JSON.parse(parsed.toClient('public', 1_000)) as Record<string, unknown>
    expect(choices).toEqual([{ index: 0, text: 'fine', logprobs: null, finish_reason: 'stop' }])
    expect(rest).not.toHaveProperty('output_ids')
  })

  it('is looked at where a number or the spelling of the text was expected (C6)', () => {
    const parsed = answer([{ index: CARD, text: 'fine', logprobs: { tokens: [CARD] }, finish_reason: 'stop' }])
    parsed.rewriteTexts(maskCards)
    expect(parsed.toClient('public', 1_000)).not.toContain('4111')
  })

  it('is filtered, and loses the log probabilities of what was changed (C6)', () => {
    const logprobs = { tokens: ['4111 1111 1111 1111'] }
    const parsed = answer(
      [
        { index: 0, text: CARD, logprobs, finish_reason: 'stop' },
        { index: 1, text: 'fine', logprobs: { tokens: ['fine'] }, finish_reason: 'length' },
      ],
      { usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, note: CARD }, provider: CARD },
    )
    parsed.rewriteTexts(maskCards)
    const sent = JSON.parse(parsed.toClient('public', 1_000)) as { choices: unknown[] }
    expect(JSON.stringify(sent)).not.toContain('4111')
    expect(sent).toMatchObject({
      object: 'text_completion',
      model: 'public',
      created: 1,
      choices: [
        { text: '[CARD]', logprobs: null },
        { text: 'fine', logprobs: { tokens: ['fine'] } },
      ],
      usage: { total_tokens: 3 },
    })
    expect(parsed.usage(9)).toMatchObject({ totalTokens: 3, exact: true })
  })

  it.each([[[]], ['x'], [[{ text: 5, finish_reason: 'stop' }]], [[{ text: 'a' }]], [[{ text: 'a', finish_reason: '4111 1111' }]]])(
    'refuses the choices %j',
    (choices) => {
      expect(() => answer(choices)).toThrow(expect.objectContaining({ code: 'ERR_UPSTREAM_PROTOCOL' }))
    },
  )
})

describe('log probabilities of completions', () => {
  const spell = (tokens: string[], top: object[] | null = null): object => {
    let offset = 10
    const offsets = tokens.map((token) => (offset += token.length) - token.length)
    return { tokens, token_logprobs: tokens.map((_, i) => (i === 0 ? null : -i)), top_logprobs: top, text_offset: offsets, note: CARD }
  }

  it('stay where they spell what goes out, at their new places (C6)', () => {
    const parsed = parseCompletionAnswer(
      encode({
        choices: [
          { index: 0, text: `Pay ${CARD} now`, logprobs: spell(['Pay', ' 4111 11', '11 1111 ', '1111', ' now']), finish_reason: 'stop' },
          { index: 1, text: 'é', logprobs: spell([String.raw`bytes:\xc3`, String.raw`bytes:\xa9`]), finish_reason: 'stop' },
          { index: 2, text: 'Pay me', logprobs: spell(['Pay', ' me'], [{ [CARD]: -3 }, { ' you': -1 }]), finish_reason: 'stop' },
          { index: 3, text: 'Pay me', logprobs: spell(['Pay', ' me'], [{ Give: -3 }, { ' you': -1 }]), finish_reason: 'stop' },
        ],
      }),
    )
    parsed.rewriteTexts(maskCards, maskCards)
    const body = parsed.toClient('public', 0)
    expect(body).not.toContain('4111')
    const [masked, halves, attacked, kept] = (JSON.parse(body) as { choices: { logprobs: object }[] }).choices
    expect(masked?.logprobs).toEqual({ tokens: ['Pay', ' now'], token_logprobs: [null, -4], top_logprobs: null, text_offset: [10, 20] })
    expect(halves?.logprobs).toMatchObject({ tokens: [String.raw`bytes:\xc3`, String.raw`bytes:\xa9`] })
    expect(attacked?.logprobs).toMatchObject({ tokens: ['Pay', ' me'], top_logprobs: null })
    expect(kept?.logprobs).toMatchObject({ top_logprobs: [{ Give: -3 }, { ' you': -1 }] })
  })

  it('leave a stream with the text that they spell (C6)', () => {
    const chunk = (text: string, tokens: string[], reason: string | null = null): string =>
      `data: ${JSON.stringify({ choices: [{ index: 0, text, logprobs: spell(tokens, [{ [CARD]: -1 }]), finish_reason: reason }] })}\n\n`
    const upstream = chunk('Pay ', ['Pay ']) + chunk('4111 1111 ', ['4111', ' 1111 ']) + chunk('1111 1111', ['1111', ' 1111'])
    const stream = new CompletionStream({ choices: 1, includeUsage: false, promptTokens: 1 }, STREAM_OPTIONS)
    const out = runStream(stream, `${upstream}${chunk(' with ', [' with '])}${chunk('', [], 'stop')}data: [DONE]\n\n`)
    expect(dataOf(out).flatMap(({ choices }) => choices[0].logprobs?.tokens ?? [])).toEqual(['Pay ', ' with '])
    expect(out).not.toContain('1111')
  })
})

describe('a stream of completions', () => {
  const chunk = (text: string, reason: string | null = null, index = 0): string =>
    `data: ${JSON.stringify({ id: 'cmpl-1', created: 7, model: 'real', note: CARD, choices: [{ index, text, logprobs: { tokens: [text] }, finish_reason: reason }] })}\n\n`
  const usage = `data: ${JSON.stringify({ id: 'cmpl-1', choices: [], usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } })}\n\n`
  const DONE = 'data: [DONE]\n\n'
  const stream = (change: object = {}) =>
    new CompletionStream({ choices: 2, includeUsage: false, promptTokens: 10, ...change }, STREAM_OPTIONS)
  const textOf = (out: string, index = 0): string =>
    dataOf(out)
      .flatMap(({ choices }) => choices)
      .filter((choice: any) => choice.index === index)
      .map((choice: any) => choice.text)
      .join('')

  const upstream = `${[...`Pay ${CARD} now`].map((unit) => chunk(unit)).join('')}${chunk('4111 1111 ', null, 1)}${chunk('1111 1111', null, 1)}${chunk('', 'stop')}${chunk('', 'length', 1)}${usage}${DONE}`

  it('masks values of each choice, byte for byte the same for every chunking (C6)', () => {
    const whole = runStream(stream({ includeUsage: true }), upstream)
    expect(textOf(whole)).toBe('Pay [CARD] now')
    expect(textOf(whole, 1)).toBe('[CARD]')
    expect(whole).not.toMatch(/4111|real/)
    expect(whole.endsWith(DONE)).toBe(true)
    expect(dataOf(whole).at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 7 } })
    for (const step of STEPS) expect(runStream(stream({ includeUsage: true }), upstream, step)).toBe(whole)
  })

  it('ends a blocked completion with content_filter, and nothing after the value (C6)', () => {
    const blocked = stream()
    const out = runStream(blocked, chunk('so FORB') + chunk('IDDEN secret') + chunk('', 'stop') + DONE)
    expect(blocked.state).toBe('blocked')
    expect(textOf(out)).toBe('so ')
    expect(out).not.toMatch(/IDDEN|secret/)
    expect(dataOf(out).at(-1)).toMatchObject({ choices: [{ finish_reason: 'content_filter' }] })
    expect(out.endsWith(DONE)).toBe(true)
  })

  it.each([
    ['ends without [DONE]', chunk('x', 'stop'), 'err_upstream_reset'],
    ['says [DONE] without a reason', chunk('x') + DONE, 'err_upstream_protocol'],
    ['goes on after the end', chunk('x', 'stop') + chunk('y') + DONE, 'err_upstream_protocol'],
    ['sends a choice nobody asked for', chunk('x', 'stop', 2) + DONE, 'err_upstream_protocol'],
    ['sends what is not JSON', 'data: {\n\n', 'err_upstream_protocol'],
    ['sends an error', `data: ${JSON.stringify({ error: { message: CARD, code: 'server_error' } })}\n\n`, 'err_upstream_refused'],
  ])('makes an error event of an upstream that %s', (_, bytes, code) => {
    const failed = stream()
    const out = runStream(failed, bytes)
    expect(failed.state).toBe('failed')
    expect(dataOf(out).at(-1)?.error).toMatchObject({ code })
    expect(out).not.toMatch(/4111|\[DONE\]/)
  })
})
