/** An OpenAI-compatible upstream that the test can watch: what arrived, what was broken off, and answers on command. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface WatchedUpstream {
  readonly url: string
  /** Bodies as they arrived, oldest first. */
  readonly bodies: readonly string[]
  /** How many exchanges the gateway broke off. */
  readonly cancelled: number
  /** Resolves when one more exchange has been broken off than before the call. */
  nextCancellation(): Promise<void>
  close(): Promise<void>
}

/**
 * The last message decides: `hold` answers two chunks and then nothing more; `fail` answers 500; `reset` breaks off in mid-stream;
 * `silent` never answers; `repeat` is answered with the first message, `repeat in base64` with that in base64, `say …` with the rest, `say64` and a text in base64 with
 * that text, a few units at a time in a stream; anything else is answered with `ok`.
 */
export async function startWatchedUpstream(): Promise<WatchedUpstream> {
  const bodies: string[] = []
  let cancelled = 0
  let waiting: (() => void)[] = []
  const server = createServer((request, response) => {
    response.once('close', () => {
      if (response.writableFinished) return
      cancelled++
      const told = waiting
      waiting = []
      for (const tell of told) tell()
    })
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8')
      if (request.method !== 'POST') return json(response, 200, { object: 'list', data: [{ id: 'watched', object: 'model' }] })
      bodies.push(text)
      answer(response, JSON.parse(text) as Ask)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    bodies,
    get cancelled() {
      return cancelled
    },
    nextCancellation: () => new Promise((resolve) => void waiting.push(resolve)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Ask {
  readonly stream?: boolean
  readonly messages: readonly { readonly content: unknown }[]
}

/** Long enough for what was written to arrive first. */
const RESET_AFTER_MS = 50
const USAGE = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }
const HEAD = { id: 'chatcmpl-w', created: 1_767_225_600, model: 'watched' }

function answer(response: ServerResponse, { messages, stream }: Ask): void {
  const content = messages.at(-1)?.content
  const wish = typeof content === 'string' ? content : ''
  if (wish === 'silent') return
  if (wish === 'fail') return json(response, 500, { error: { message: 'no', type: 'server_error', param: null, code: null } })
  const first = String(messages[0]?.content)
  const said =
    wish === 'repeat'
      ? first
      : wish === 'repeat in base64'
        ? Buffer.from(first).toString('base64')
        : wish.startsWith('say64 ')
          ? Buffer.from(wish.slice('say64 '.length), 'base64').toString('utf8')
          : wish.startsWith('say ')
            ? wish.slice('say '.length)
            : null
  if (stream !== true) {
    const choices = [{ index: 0, message: { role: 'assistant', content: said ?? 'ok', refusal: null }, finish_reason: 'stop' }]
    return json(response, 200, { ...HEAD, object: 'chat.completion', choices, usage: USAGE })
  }
  const event = (choices: readonly unknown[], rest: object = {}): void =>
    void response.write(`data: ${JSON.stringify({ ...HEAD, object: 'chat.completion.chunk', choices, ...rest })}\n\n`)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  event([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }])
  if (said === null) event([{ index: 0, delta: { content: 'first words, ' }, finish_reason: null }])
  if (wish === 'hold') return
  if (wish === 'reset') {
    setTimeout(() => response.destroy(), RESET_AFTER_MS)
    return
  }
  for (const content of said?.match(/[\s\S]{1,3}/gu) ?? ['ok']) event([{ index: 0, delta: { content }, finish_reason: null }])
  event([{ index: 0, delta: {}, finish_reason: 'stop' }])
  event([], { usage: USAGE })
  response.end('data: [DONE]\n\n')
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
