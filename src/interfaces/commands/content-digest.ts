import { createHash } from 'node:crypto'
import { createReadStream, type ReadStream, statSync } from 'node:fs'

/**
 * The header by which the server holds an upload to what this host has read, and others can approve it.
 * @see RFC 9530 §2
 */
export async function contentDigest(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Record<string, string>> {
  const hash = createHash('sha256')
  for await (const chunk of chunks) hash.update(chunk)
  return { 'content-digest': `sha-256=:${hash.digest('base64')}:` }
}

/** As `contentDigest`, of files that are sent later; none of what can be read only once, such as a pipe. */
export async function fileDigest(files: readonly string[], read: () => AsyncIterable<Uint8Array>): Promise<Record<string, string>> {
  return files.every((file) => statSync(file).isFile()) ? contentDigest(read()) : {}
}

export const chunksOf = (file: string): ReadStream => createReadStream(file, { highWaterMark: 256 * 1024 })
