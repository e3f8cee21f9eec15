import type { FastifyReply } from 'fastify'
import { asRedoubtError, RedoubtError, problemOf } from '#foundation/core'
import { SWEEP_INTERVAL_MS } from '#gateway/pipeline'

/** How often progress is told, so that a fast operation does not flood the line. */
const PROGRESS_INTERVAL_MS = 100

export interface LongOperation {
  readonly requestId: string
  /** Why the caller may not go on as of now; asked again and again while the work runs (B8). */
  readonly mayGoOn: () => RedoubtError | null
}

/**
 * Answers a long operation as `application/x-ndjson`: lines of `{"type":"progress",…}`, then one `{"type":"result",…}` or
 * `{"type":"error","problem":…}` (RFC 9457). The work goes on only while the caller listens and may.
 */
export async function longOperation(
  reply: FastifyReply,
  { requestId, mayGoOn }: LongOperation,
  work: (progress: (facts: Readonly<Record<string, string | number>>) => void, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  reply.hijack()
  const out = reply.raw
  const abort = new AbortController()
  const gone = (): void => {
    if (!out.writableFinished) abort.abort(new RedoubtError('ERR_CLIENT_GONE'))
  }
  if (out.destroyed) gone()
  else out.once('close', gone)
  const watch = setInterval(() => {
    const reason = mayGoOn()
    if (reason) abort.abort(reason)
  }, SWEEP_INTERVAL_MS)
  out.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store', 'x-request-id': requestId })
  // The caller sees that the work has begun, however long its first line takes.
  out.flushHeaders()
  let told = 0
  const line = (value: unknown): void => void out.write(`${JSON.stringify(value)}\n`)
  try {
    const result = await work((facts) => {
      const now = performance.now()
      if (now - told < PROGRESS_INTERVAL_MS) return
      told = now
      line({ type: 'progress', ...facts })
    }, abort.signal)
    line({ type: 'result', result })
  } catch (thrown) {
    line({ type: 'error', problem: problemOf(asRedoubtError(thrown), requestId) })
  } finally {
    clearInterval(watch)
  }
  // What is left of a body that nobody wants is the listener's: to break off here would overtake the answer.
  out.end()
}

/** The chunks of a source until the signal fires: a source that says nothing for long does not put off the end. */
export async function* until<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>()
  ended.catch(() => undefined)
  const end = (): void => reject(signal.reason)
  if (signal.aborted) end()
  signal.addEventListener('abort', end, { once: true })
  // Not returned to: that would break the connection before the reason is told.
  const chunks = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await Promise.race([chunks.next(), ended])
      if (next.done) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', end)
  }
}
