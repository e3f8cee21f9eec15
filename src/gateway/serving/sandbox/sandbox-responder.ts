import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { parseStrictJson, RedoubtError } from '#foundation/core'
import { type SandboxAnswer, sandboxResponse, sandboxResponseEvents } from './sandbox-responses.ts'

export const SANDBOX_MODEL = 'sandbox'
const MAX_BODY_BYTES = 8 * 1024 * 1024
const MAX_DEPTH = 64
/** Short pieces, so that every value of interest is cut by several chunk borders. */
const PIECE_LENGTH = 7
const COUNT_PACE_MS = 50
const MAX_COUNT = 1000
/** A fixed date, so that answers are the same on every day. */
const CREATED = 1_767_225_600

/** A test number of the card industry, valid by Luhn and nobody's: the guided tour shows that it does not get through. */
const PLANTED = 'The card on file is 4111 1111 1111 1111, valid until next year.'
const GREETING =
  'This is the sandbox responder of Redoubt, not a language model: it answers every question with this text, so that the gateway can be tried without one. ' +
  'Ask `repeat: some text` to get that text back, `count: 20` for a stream that takes its time. To talk to a real model, name an upstream in the configuration.'

export interface SandboxResponder {
  /** Base address of the API, such as `http://127.0.0.1:40001/v1`. */
  readonly url: string
  close(): Promise<void>
}

interface Ask {
  readonly text: string
  /** Whether the pieces come slowly. */
  readonly paced: boolean
  readonly stream: boolean
  readonly includeUsage: boolean
  readonly choices: number
  readonly promptTokens: number
}

/**
 * Starts an OpenAI-compatible server on a free loopback port, a stand-in for a real upstream that says what it is. It knows
 * `POST /v1/chat/completions` (JSON and stream, `n`, `stream_options.include_usage`), `POST /v1/responses` (JSON and stream) and `GET /v1/models`, and keeps nothing.
 * What the last user message asks for decides the answer: `repeat: TEXT`, `count: N` (one number each 50 ms), `planted card`, anything else the greeting.
 */
export async function startSandboxResponder(): Promise<SandboxResponder> {
  const server = createServer((req, res) => {
    answer(req, res).catch((thrown: unknown) => {
      if (res.headersSent) return res.destroy()
      const code = thrown instanceof RedoubtError ? thrown.code : 'ERR_INTERNAL'
      const status = thrown instanceof RedoubtError ? thrown.status : 500
      return sendJson(res, status, {
        error: { message: 'the sandbox responder does not understand', type: 'invalid_request_error', param: null, code },
      })
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (req.method === 'GET' && req.url === '/v1/models') {
    return sendJson(res, 200, {
      object: 'list',
      data: [{ id: SANDBOX_MODEL, object: 'model', created: CREATED, owned_by: 'redoubt-sandbox' }],
    })
  }
  const path = req.method === 'POST' ? req.url : undefined
  if (path !== '/v1/chat/completions' && path !== '/v1/responses') {
    return sendJson(res, 404, { error: { message: 'unknown', type: 'invalid_request_error', param: null, code: 'not_found' } })
  }
  const ask = await read(req)
  if (path === '/v1/responses') return ask.stream ? streamResponse(res, ask) : sendJson(res, 200, sandboxResponse(answerOf(ask)))
  return ask.stream ? stream(res, ask) : sendJson(res, 200, whole(ask))
}

async function read(req: IncomingMessage): Promise<Ask> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of req as AsyncIterable<Buffer>) {
    bytes += part.byteLength
    if (bytes > MAX_BODY_BYTES) throw new RedoubtError('ERR_INPUT_TOO_LARGE')
    parts.push(part)
  }
  const body = parseStrictJson(Buffer.concat(parts), { maxBytes: MAX_BODY_BYTES, maxDepth: MAX_DEPTH }) as Record<string, unknown> | null
  const input = body?.['messages'] ?? body?.['input']
  const messages: unknown = typeof input === 'string' ? [{ role: 'user', content: input }] : input
  if (!Array.isArray(messages)) throw new RedoubtError('ERR_INPUT_INVALID')
  const options = body?.['stream_options'] as Record<string, unknown> | null | undefined
  const { n } = body as { readonly n?: unknown }
  return {
    ...respond(lastUserText(messages)),
    stream: body?.['stream'] === true,
    includeUsage: options?.['include_usage'] === true,
    choices: typeof n === 'number' && n >= 1 && n <= 16 ? Math.floor(n) : 1,
    promptTokens: Math.ceil(bytes / 4),
  }
}

function lastUserText(messages: readonly unknown[]): string {
  const last = (messages as readonly Record<string, unknown>[]).findLast((message) => message?.['role'] === 'user')
  const content = last?.['content']
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return (content as readonly Record<string, unknown>[]).map((part) => (typeof part?.['text'] === 'string' ? part['text'] : '')).join('')
}

/** @returns the answer to one user message: always the same for the same message. */
function respond(text: string): Pick<Ask, 'text' | 'paced'> {
  if (/^\s*planted card\s*$/i.test(text)) return { text: PLANTED, paced: false }
  const repeated = /^\s*repeat:\s*([\s\S]+)$/i.exec(text)?.[1]
  if (repeated !== undefined) return { text: repeated, paced: false }
  const count = countAsked(text)
  if (count === null) return { text: GREETING, paced: false }
  return { text: Array.from({ length: count }, (_, i) => `${i + 1}`).join(' '), paced: true }
}

function countAsked(text: string): number | null {
  const digits = /^\s*count:\s*(\d{1,4})\s*$/i.exec(text)?.[1]
  return digits === undefined ? null : Math.min(Number(digits), MAX_COUNT)
}

function usage(ask: Ask): Record<string, number> {
  const completion = Math.ceil(ask.text.length / 4) * ask.choices
  return { prompt_tokens: ask.promptTokens, completion_tokens: completion, total_tokens: ask.promptTokens + completion }
}

function whole(ask: Ask): Record<string, unknown> {
  const choices = Array.from({ length: ask.choices }, (_, index) => ({
    index,
    message: { role: 'assistant', content: ask.text, refusal: null },
    logprobs: null,
    finish_reason: 'stop',
  }))
  return { id: 'chatcmpl-sandbox', object: 'chat.completion', created: CREATED, model: SANDBOX_MODEL, choices, usage: usage(ask) }
}

async function stream(res: ServerResponse, ask: Ask): Promise<void> {
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' })
  const send = (choices: readonly unknown[], rest: Record<string, unknown> = {}): void => {
    const chunk = { id: 'chatcmpl-sandbox', object: 'chat.completion.chunk', created: CREATED, model: SANDBOX_MODEL, choices, ...rest }
    res.write(`data: ${JSON.stringify(chunk)}\n\n`)
  }
  const each = (delta: unknown, finish: string | null): unknown[] =>
    Array.from({ length: ask.choices }, (_, index) => ({ index, delta, finish_reason: finish }))
  send(each({ role: 'assistant', content: '' }, null))
  for await (const content of piecesOf(res, ask)) send(each({ content }, null))
  if (res.destroyed) return
  send(each({}, 'stop'))
  if (ask.includeUsage) send([], { usage: usage(ask) })
  res.end('data: [DONE]\n\n')
}

/** The text piece by piece; ends early when the client leaves, as a model would. */
async function* piecesOf(res: ServerResponse, { text, paced }: Ask): AsyncGenerator<string> {
  const pieces = paced ? text.split(/(?<= )/) : (text.match(new RegExp(`[\\s\\S]{1,${PIECE_LENGTH}}`, 'gu')) ?? [])
  for (const piece of pieces) {
    await (paced ? sleep(COUNT_PACE_MS) : nextTurn())
    if (res.destroyed) return
    yield piece
  }
}

async function streamResponse(res: ServerResponse, ask: Ask): Promise<void> {
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' })
  const events = sandboxResponseEvents(answerOf(ask))
  let sequence = 0
  const send = (event: Record<string, unknown>): void => {
    res.write(`event: ${String(event['type'])}\ndata: ${JSON.stringify({ ...event, sequence_number: sequence++ })}\n\n`)
  }
  events.before.forEach(send)
  for await (const piece of piecesOf(res, ask)) send(events.delta(piece))
  if (res.destroyed) return
  events.after.forEach(send)
  res.end()
}

function answerOf({ text, promptTokens }: Ask): SandboxAnswer {
  return { text, promptTokens, completionTokens: Math.ceil(text.length / 4), model: SANDBOX_MODEL, created: CREATED }
}

function sendJson(res: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  res.end(text)
}
