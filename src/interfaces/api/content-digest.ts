import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { RedoubtError } from '#foundation/core'

const SHA_256 = /^sha-256=:([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=):$/

/**
 * What the caller says that the body will be: SHA-256, hex; null when nothing is said. An approval of an upload is of this digest, for the
 * body is not there yet when the question is asked.
 * @throws {RedoubtError} `ERR_INPUT_DIGEST` for a header of any other form: what is promised in words that we do not know is not checked.
 * @see RFC 9530 §2 (Content-Digest)
 */
export function contentDigest(request: FastifyRequest): string | null {
  const header = request.headers['content-digest']
  if (header === undefined) return null
  const [, digest] = SHA_256.exec(String(header)) ?? []
  if (digest === undefined) throw new RedoubtError('ERR_INPUT_DIGEST', 'send `content-digest` as `sha-256=:BASE64:`')
  return Buffer.from(digest, 'base64').toString('hex')
}

/** The chunks of a body; the last is followed by an error when they are not what was said, before whoever reads them has seen the end. */
export async function* held(source: AsyncIterable<Buffer>, digest: string): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  for await (const chunk of source) {
    hash.update(chunk)
    yield chunk
  }
  if (hash.digest('hex') !== digest) throw new RedoubtError('ERR_INPUT_DIGEST')
}
