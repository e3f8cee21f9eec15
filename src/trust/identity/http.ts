import type { IncomingMessage, ServerResponse } from 'node:http'
import { ERROR_TABLE, type ErrorCode, RedoubtError } from '#foundation/core'

export const MAX_BODY_BYTES = 16 * 1024
export const BODY_TIMEOUT_MS = 10_000

const COMMON_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const

/**
 * Reads a whole small body, bounded in size and time.
 * @throws {RedoubtError} `ERR_INPUT_TOO_LARGE`, `ERR_INPUT_TIMEOUT`, `ERR_INPUT_MALFORMED` when the sender breaks off.
 */
export async function readBody(req: IncomingMessage, timeoutMs: number = BODY_TIMEOUT_MS): Promise<Buffer> {
  const declared = Number(req.headers['content-length'] ?? 0)
  if (declared > MAX_BODY_BYTES) throw new RedoubtError('ERR_INPUT_TOO_LARGE', `the body exceeds ${MAX_BODY_BYTES} bytes`)
  return new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = []
    let received = 0
    const timer = setTimeout(() => finish(new RedoubtError('ERR_INPUT_TIMEOUT')), timeoutMs)
    const onData = (chunk: Buffer): void => {
      received += chunk.byteLength
      if (received > MAX_BODY_BYTES) finish(new RedoubtError('ERR_INPUT_TOO_LARGE', `the body exceeds ${MAX_BODY_BYTES} bytes`))
      else chunks.push(chunk)
    }
    const onEnd = (): void => finish(null)
    const onBroken = (): void => finish(new RedoubtError('ERR_INPUT_MALFORMED', 'the body broke off'))
    const finish = (error: RedoubtError | null): void => {
      clearTimeout(timer)
      req.off('data', onData).off('end', onEnd).off('error', onBroken).off('aborted', onBroken)
      if (error === null) resolve(Buffer.concat(chunks, received))
      else {
        req.pause()
        reject(error)
      }
    }
    req.on('data', onData).on('end', onEnd).on('error', onBroken).on('aborted', onBroken)
  })
}

export function answer(
  res: ServerResponse,
  status: number,
  type: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): void {
  if (res.headersSent || res.destroyed) return
  res.writeHead(status, { ...COMMON_HEADERS, 'content-type': type, 'content-length': Buffer.byteLength(body), ...headers }).end(body)
}

export function answerJson(res: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  answer(res, status, 'application/json; charset=utf-8', JSON.stringify(body), headers)
}

/** RFC 6749 §5.2: the error shape of every OAuth endpoint. Our own code travels beside it. */
export function answerOAuthError(
  res: ServerResponse,
  status: number,
  error: string,
  code: ErrorCode,
  headers: Record<string, string> = {},
): void {
  answerJson(res, status, { error, error_description: ERROR_TABLE[code].title, code }, headers)
}

/** RFC 9457, for everything that is not OAuth. */
export function answerProblem(res: ServerResponse, code: ErrorCode, headers: Record<string, string> = {}): void {
  const { status, title, next } = ERROR_TABLE[code]
  answer(
    res,
    status,
    'application/problem+json; charset=utf-8',
    JSON.stringify({ type: 'about:blank', title, status, code, detail: next }),
    headers,
  )
}

/** Media type without parameters, lower case; empty when there is none. */
export const mediaType = (req: IncomingMessage): string => (req.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
