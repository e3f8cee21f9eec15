import type { IncomingMessage } from 'node:http'
import { RedoubtError } from '#foundation/core'

/** A body that trickles in longer than this is given up. */
export const BODY_TIMEOUT_MS = 30_000

/**
 * Collects a request body of at most `maxBytes`.
 * @throws {RedoubtError} `ERR_INPUT_TOO_LARGE` as soon as the bound is passed, `ERR_INPUT_TIMEOUT` after `timeoutMs`, `ERR_INPUT_MALFORMED` when the client breaks off.
 */
export function collectBody(request: IncomingMessage, maxBytes: number, timeoutMs: number = BODY_TIMEOUT_MS): Promise<Uint8Array> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > maxBytes) return Promise.reject(tooLarge(maxBytes))
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let size = 0
    // Taking the listeners off again would cost more than all they do.
    let over = false
    const timer = setTimeout(() => fail(new RedoubtError('ERR_INPUT_TIMEOUT')), timeoutMs)
    const fail = (error: RedoubtError): void => {
      if (over) return
      over = true
      clearTimeout(timer)
      // What still comes is thrown away unread, so that the answer can be sent.
      request.resume()
      reject(error)
    }
    const onData = (chunk: Buffer): void => {
      if (over) return
      size += chunk.byteLength
      if (size > maxBytes) fail(tooLarge(maxBytes))
      else parts.push(chunk)
    }
    const onEnd = (): void => {
      if (over) return
      over = true
      clearTimeout(timer)
      resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts, size))
    }
    // Each request closes: an error, which keeps the stack, is made for the one that breaks off.
    const onBreak = (): void => {
      if (!over) fail(new RedoubtError('ERR_INPUT_MALFORMED', 'the body broke off'))
    }
    request.on('data', onData).on('end', onEnd).on('error', onBreak).on('close', onBreak)
  })
}

const tooLarge = (maxBytes: number): RedoubtError =>
  new RedoubtError('ERR_INPUT_TOO_LARGE', `the body exceeds ${maxBytes} bytes`, { evidence: { maxBytes } })
