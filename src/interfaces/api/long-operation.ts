import type { FastifyReply } from 'fastify'
import { asRedoubtError } from '#foundation/core'
import { problemOf } from './problem.ts'

/** How often progress is told, so that a fast operation does not flood the line. */
const PROGRESS_INTERVAL_MS = 100

/**
 * Answers a long operation as `application/x-ndjson`: lines of `{"type":"progress",…}`, then one `{"type":"result",…}` or
 * `{"type":"error","problem":…}` (RFC 9457). The work goes on only while the caller listens.
 */
export async function longOperation(
  reply: FastifyReply,
  requestId: string,
  work: (progress: (facts: Readonly<Record<string, string | number>>) => void, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  reply.hijack()
  const out = reply.raw
  const abort = new AbortController()
  out.once('close', () => {
    if (!out.writableFinished) abort.abort()
  })
  out.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store', 'x-request-id': requestId })
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
  }
  out.end()
}
