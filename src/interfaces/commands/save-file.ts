import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { asRedoubtError, RedoubtError } from '#foundation/core'
import { openPlacedFile } from './placed-file.ts'

/**
 * Writes a stream to a file that has its name when it is whole: when the digest that the
 * server sends behind it (RFC 9530) is that of what arrived.
 */
export async function saveFile(
  response: IncomingMessage,
  path: string,
  progress: (bytes: number) => void,
): Promise<{ readonly digest: string; readonly bytes: number }> {
  const file = await openPlacedFile(path, null)
  try {
    const hash = createHash('sha256')
    let bytes = 0
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        hash.update(chunk)
        await file.write(chunk)
        bytes += chunk.byteLength
        progress(bytes)
      }
    } catch (thrown) {
      if (thrown instanceof RedoubtError && thrown.code.startsWith('ERR_STORAGE')) throw thrown
      throw new RedoubtError('ERR_SERVER_UNREACHABLE', 'the server broke off before the end; nothing was written', {
        cause: asRedoubtError(thrown),
      })
    }
    const digest = hash.digest()
    if (response.trailers['repr-digest'] !== `sha-256=:${digest.toString('base64')}:`)
      throw new RedoubtError('ERR_SERVER_UNREACHABLE', 'what arrived is not what the server sent; nothing was written')
    await file.place()
    return { digest: digest.toString('hex'), bytes }
  } finally {
    await file.close()
  }
}
