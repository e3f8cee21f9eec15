import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { RedoubtError } from '#foundation/core'
import { SWEEP_INTERVAL_MS } from '#gateway/pipeline'

/** How long a reader of a file may take for what is in the buffers. */
const STALL_MS = 60_000

export interface Watch {
  readonly signal: AbortSignal
  readonly abort: (reason: RedoubtError) => void
  readonly end: () => void
}

/** Asks again and again whether the caller may go on (B8). */
export function watched(refused: () => RedoubtError | null): Watch {
  const controller = new AbortController()
  const timer = setInterval(() => {
    const reason = refused()
    if (reason) controller.abort(reason)
  }, SWEEP_INTERVAL_MS)
  return { signal: controller.signal, abort: (reason) => controller.abort(reason), end: () => clearInterval(timer) }
}

/**
 * Streams a file at the reader's pace, with its digest (RFC 9530) behind it. The end is sent once `complete` has made the record of it
 * durable; what breaks off has no digest.
 */
export async function sendFile(
  reply: FastifyReply,
  { signal, abort }: Watch,
  contentType: string,
  first: Uint8Array | null,
  rest: AsyncIterable<Uint8Array>,
  complete: (sent: { readonly digest: string; readonly bytes: number }) => Promise<void>,
): Promise<void> {
  reply.hijack()
  const out = reply.raw
  const gone = (): void => {
    if (!out.writableFinished) abort(new RedoubtError('ERR_INPUT_TIMEOUT', 'the client closed the connection'))
  }
  if (out.destroyed) gone()
  else out.once('close', gone)
  out.writeHead(200, {
    'content-type': contentType,
    'cache-control': 'no-store',
    'x-request-id': reply.request.id,
    trailer: 'Repr-Digest',
  })
  const hash = createHash('sha256')
  let bytes = 0
  const send = async (chunk: Uint8Array): Promise<void> => {
    hash.update(chunk)
    bytes += chunk.byteLength
    if (!out.write(chunk)) await drained(out, signal)
  }
  if (first) await send(first)
  for await (const chunk of rest) await send(chunk)
  const digest = hash.digest()
  signal.throwIfAborted()
  await complete({ digest: digest.toString('hex'), bytes })
  out.addTrailers({ 'Repr-Digest': `sha-256=:${digest.toString('base64')}:` })
  out.end()
}

/** A reader that stands still does not put off the end of what may not go on. */
async function drained(out: FastifyReply['raw'], signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new RedoubtError('ERR_INPUT_TIMEOUT', 'the reader of the file stands still')), STALL_MS)
  const closed = (): void => reject(new RedoubtError('ERR_INPUT_TIMEOUT', 'the client closed the connection'))
  const cut = (): void => reject(signal.reason)
  if (signal.aborted) cut()
  signal.addEventListener('abort', cut, { once: true })
  out.once('drain', resolve).once('close', closed)
  try {
    await promise
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', cut)
    out.off('drain', resolve).off('close', closed)
  }
}
