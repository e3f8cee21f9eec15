import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contentDigest, held } from './content-digest.ts'

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()
const said = (header: string | undefined): string | null =>
  contentDigest({ headers: header === undefined ? {} : { 'content-digest': header } } as unknown as FastifyRequest)
const ofBase64 = (text: string): string => `sha-256=:${sha256(text).toString('base64')}:`
async function read(chunks: readonly string[], digest: string): Promise<string> {
  let text = ''
  const source = (async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk)
  })()
  for await (const chunk of held(source, digest)) text += chunk.toString()
  return text
}
const refusal = expect.objectContaining({ code: 'ERR_INPUT_DIGEST' }) as Error

describe('the digest of a body (RFC 9530)', () => {
  it('is read from its header, in hex, and is none without one', () => {
    expect(said(undefined)).toBeNull()
    expect(said(ofBase64('a,b'))).toBe(sha256('a,b').toString('hex'))
  })

  it.each([
    ['another algorithm', `sha-512=:${createHash('sha512').update('x').digest('base64')}:`],
    ['two', `${ofBase64('a')}, ${ofBase64('b')}`],
    ['another form of the same bytes', ofBase64('x').replace(/.=:$/, 'B=:')],
    ['hex', `sha-256=:${sha256('x').toString('hex')}:`],
    ['too short', 'sha-256=:AAAA:'],
    ['nothing', ''],
  ])('is refused as %s', (_what, header) => {
    expect(() => said(header)).toThrow(refusal)
  })

  it('is read of any text, or refused with its own code', () => {
    const answer = (header: string): string => {
      try {
        return said(header) ?? 'none'
      } catch (thrown) {
        return (thrown as { readonly code?: string }).code ?? 'unknown'
      }
    }
    const near = fc.base64String({ maxLength: 48 }).map((text) => `sha-256=:${text}:`)
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), (header) => /^(?:[0-9a-f]{64}|ERR_INPUT_DIGEST)$/.test(answer(header))),
      { seed: 20_261_127, numRuns: 1_000 },
    )
  })

  it('holds the body to it before whoever reads has seen the end, however it is cut', async () => {
    const digest = sha256('abc').toString('hex')
    expect(await read(['a', 'bc'], digest)).toBe('abc')
    for (const chunks of [['ab'], ['abc', 'd'], [], ['abd']]) await expect(read(chunks, digest)).rejects.toThrow(refusal)
  })
})
