import { describe, expect, it } from 'vitest'
import { maskCards } from '../chat-completions/card-redactor.fixture.ts'
import { CARD, encode } from '../routes.fixtures.ts'
import { parseEmbeddingAnswer } from './answer.ts'
import { parseEmbeddingRequest } from './request.ts'

const read = (body: object) => parseEmbeddingRequest(encode({ model: 'm', ...body }))
/** 0.5 and -2 as IEEE 754 binary32, little-endian. */
const BASE64 = 'AAAAPwAAAMA='

describe('a request for embeddings', () => {
  it('filters input texts and names a person by pseudonym alone (C6, A7)', () => {
    expect(() => read({ input: 'x', tomorrow: CARD })).toThrow('`tomorrow` is not supported')
    const request = read({ input: ['ok', CARD], user: 'jane@example.com', input_type: CARD })
    expect(request).toMatchObject({ count: 2, subject: 'jane@example.com', encodingFormat: 'float', stream: false })
    request.rewriteTexts(maskCards)
    expect(JSON.parse(request.toUpstream('real', 'pseudonym'))).toEqual({
      model: 'real',
      input: ['ok', '[CARD]'],
      user: 'pseudonym',
      input_type: '[CARD]',
      encoding_format: 'float',
    })
    expect(request.toUpstream('real')).not.toContain('jane')
  })

  it('names token ids as what no filter can read, and leaves them alone (C6)', () => {
    const request = read({ input: [[1, 2_000_000], [3]] })
    expect(request.unreadable).toEqual([{ kind: 'token_ids', param: 'input' }])
    request.rewriteTexts(() => 'changed')
    expect(JSON.parse(request.toUpstream('r'))['input']).toEqual([[1, 2_000_000], [3]])
  })

  it.each([
    [{}, 'input'],
    [{ input: [] }, 'input'],
    [{ input: 7 }, 'input'],
    [{ input: ['a', 7] }, 'input'],
    [{ input: 'a', encoding_format: 'hex' }, 'encoding_format'],
    [{ input: 'a', dimensions: 0 }, 'dimensions'],
    [{ input: 'a', stream: true }, 'stream'],
    [{ input: 'a', model: '' }, 'model'],
  ])('refuses %j and names the place', (body, param) => {
    expect(() => read(body)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID', evidence: { param } }))
  })
})

describe('an answer of embeddings', () => {
  const answer = (data: unknown, request: object = { input: 'a' }) =>
    parseEmbeddingAnswer(
      encode({ object: 'list', data, model: 'real', note: CARD, usage: { prompt_tokens: 2, total_tokens: 2 } }),
      read(request),
    )
  const sent = (data: unknown, request?: object): any => {
    const parsed = answer(data, request)
    parsed.rewriteTexts(maskCards)
    return JSON.parse(parsed.toClient('public'))
  }

  it('comes in the format that was asked for, whichever the upstream knows', () => {
    for (const embedding of [[0.5, -2], BASE64]) {
      expect(sent([{ embedding }]).data).toEqual([{ object: 'embedding', index: 0, embedding: [0.5, -2] }])
      expect(sent([{ embedding }], { input: 'a', encoding_format: 'base64' }).data[0].embedding).toBe(BASE64)
    }
  })

  it('carries the public name, the count and nothing unfiltered (C6)', () => {
    const body = sent([{ embedding: [1], note: CARD }])
    expect(body).toMatchObject({ object: 'list', model: 'public', usage: { prompt_tokens: 2, total_tokens: 2 } })
    expect(JSON.stringify(body)).not.toContain('4111')
    expect(answer([{ embedding: [1] }]).usage(9)).toMatchObject({ totalTokens: 2, exact: true })
  })

  it.each([
    [[]],
    [[{ embedding: [1] }, { embedding: [1] }]],
    [[{ embedding: [] }]],
    [[{ embedding: ['4111'] }]],
    [[{ embedding: 'card 4111 1111 1111' }]],
    [[{ embedding: 'QUJD' }]],
    [[{ embedding: 'AADAfw==' }]],
    [['x']],
  ])('refuses %j: what is exempt from the filters has to be a vector (C6)', (data) => {
    expect(() => answer(data)).toThrow(expect.objectContaining({ code: 'ERR_UPSTREAM_PROTOCOL' }))
  })
})
