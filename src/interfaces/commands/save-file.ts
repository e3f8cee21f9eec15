import { createHash } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { asRedoubtError, newId, RedoubtError } from '#foundation/core'

/**
 * Writes a stream beside the file, readable by its owner alone, and puts it in place when it is whole: when the digest that the
 * server sends behind it (RFC 9530) is that of what arrived.
 */
export async function saveFile(
  response: IncomingMessage,
  path: string,
  progress: (bytes: number) => void,
): Promise<{ readonly digest: string; readonly bytes: number }> {
  const unfinished = `${path}.${newId('part')}`
  const file = openSync(unfinished, 'wx', 0o600)
  try {
    const hash = createHash('sha256')
    let bytes = 0
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        hash.update(chunk)
        for (let at = 0; at < chunk.byteLength;) at += writeSync(file, chunk, at)
        bytes += chunk.byteLength
        progress(bytes)
      }
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).syscall === 'write') throw thrown
      throw new RedoubtError('ERR_SERVER_UNREACHABLE', 'the server broke off before the end; nothing was written', {
        cause: asRedoubtError(thrown),
      })
    }
    const digest = hash.digest()
    if (response.trailers['repr-digest'] !== `sha-256=:${digest.toString('base64')}:`)
      throw new RedoubtError('ERR_SERVER_UNREACHABLE', 'what arrived is not what the server sent; nothing was written')
    fsyncSync(file)
    if (existsSync(path)) throw new RedoubtError('ERR_USAGE', `\`${path}\` is there already`)
    renameSync(unfinished, path)
    return { digest: digest.toString('hex'), bytes }
  } finally {
    closeSync(file)
    rmSync(unfinished, { force: true })
  }
}
