/**
 * A fast OpenAI-compatible upstream for measurements: a JSON answer of about 1,067 bytes, or a stream of 100 chunks of about 224 bytes
 * that are written one a turn of the event loop, or spaced by `"paceMs":N` anywhere in the request.
 * `node bench/mock-upstream.ts [--key FILE --cert FILE]` prints `{"port":…}` and serves until it is killed.
 */
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'

const STREAM_CHUNKS = 100
const JSON_BYTES = 1_067
const CHUNK_BYTES = 224
const KEEP_ALIVE_MS = 60_000

const { values } = parseArgs({ options: { key: { type: 'string' }, cert: { type: 'string' } } })

const head = { id: 'chatcmpl-Bn3vXq2pYw8sK4tLm', created: 1_767_225_600, model: 'mock-1' }
const PROSE = 'The committee reviewed the quarterly report and found that most of the targets had been met without any delay. '

function padded(make: (text: string) => string, bytes: number): string {
  const room = bytes - Buffer.byteLength(make(''))
  return make(PROSE.repeat(Math.ceil(room / PROSE.length)).slice(0, room))
}

const answer = padded(
  (content) =>
    JSON.stringify({
      ...head,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content, refusal: null }, logprobs: null, finish_reason: 'stop' }],
      usage: { prompt_tokens: 412, completion_tokens: 160, total_tokens: 572 },
    }),
  JSON_BYTES,
)

function chunk(choices: readonly unknown[], rest: object = {}): string {
  return `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices, ...rest })}\n\n`
}

const words = PROSE.trim().split(' ')
const pieces = Array.from({ length: STREAM_CHUNKS - 1 }, (_, i) => {
  const content = `${words[i % words.length]} `
  const bare = chunk([{ index: 0, delta: { content }, logprobs: null, finish_reason: null }])
  // Padded as OpenAI pads its chunks, so that lengths tell nothing of the text.
  const room = CHUNK_BYTES - Buffer.byteLength(bare) - ',"obfuscation":""'.length
  return chunk([{ index: 0, delta: { content }, logprobs: null, finish_reason: null }], room > 0 ? { obfuscation: 'x'.repeat(room) } : {})
}).map((text) => Buffer.from(text))
const ending = Buffer.from(
  `${chunk([{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }])}${chunk([], { usage: { prompt_tokens: 412, completion_tokens: 100, total_tokens: 512 } })}data: [DONE]\n\n`,
)

function serve(req: IncomingMessage, res: ServerResponse): void {
  const parts: Buffer[] = []
  req.on('data', (part: Buffer) => parts.push(part))
  req.on('end', () => {
    const body = Buffer.concat(parts)
    if (!body.includes('"stream":true')) {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': JSON_BYTES })
      res.end(answer)
      return
    }
    const pace = /"paceMs":"?(\d+)/.exec(body.toString('latin1'))?.[1]
    stream(res, pace === undefined ? 0 : Number(pace))
  })
}

function stream(res: ServerResponse, paceMs: number): void {
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  let next = 0
  const step = (): void => {
    if (res.destroyed) return
    const piece = pieces[next++]
    if (piece === undefined) {
      res.end(ending)
      return
    }
    res.write(piece)
    if (paceMs > 0) setTimeout(step, paceMs)
    else setImmediate(step)
  }
  step()
}

const server =
  values.key !== undefined && values.cert !== undefined
    ? createHttpsServer({ key: readFileSync(values.key), cert: readFileSync(values.cert), minVersion: 'TLSv1.3' }, serve)
    : createHttpServer(serve)
server.keepAliveTimeout = KEEP_ALIVE_MS
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port, pid: process.pid }))
})
