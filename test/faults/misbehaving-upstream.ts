import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

/** What an upstream can do wrong; the model name of a request asks for it. */
type Fault = (response: ServerResponse, request: IncomingMessage, stream: boolean) => void | Promise<void>

const chunk = (content: string): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`
const answer = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'well answered' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
})

function begin(response: ServerResponse, stream: boolean): void {
  response.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' })
  // Half an answer, so that whatever comes next comes in the middle of it.
  response.write(stream ? chunk('a few words ') + chunk('and some more ') : answer.slice(0, 40))
}

const failing =
  (status: number, body: string, headers: Record<string, string> = {}): Fault =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(body)
  }

export const FAULTS: Readonly<Record<string, Fault>> = {
  none: (response, _request, stream) => {
    if (!stream) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(answer)
      return
    }
    begin(response, true)
    response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\n`)
    response.end('data: [DONE]\n\n')
  },
  silent: () => undefined,
  reset: (response) => void response.destroy(),
  'stall-in-the-middle': (response, _request, stream) => begin(response, stream),
  'reset-in-the-middle': async (response, _request, stream) => {
    begin(response, stream)
    await wait(50)
    response.destroy()
  },
  'end-in-the-middle': (response, _request, stream) => {
    begin(response, stream)
    response.end()
  },
  garbage: (response, _request, stream) => {
    begin(response, stream)
    response.end('data: }{ no JSON at all\n\n')
  },
  binary: (response, _request, stream) => {
    response.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' })
    response.end(Buffer.from(Array.from({ length: 4_096 }, (_, i) => (i * 151) % 256)))
  },
  'no-http': (response) => {
    response.socket?.end('SSH-2.0-OpenSSH_9.2p1\r\n')
  },
  endless: async (response, _request, stream) => {
    begin(response, stream)
    while (!response.destroyed) {
      if (!response.write(stream ? chunk('and on and on '.repeat(50)) : ' '.repeat(1_000))) await wait(5)
    }
  },
  'endless-line': async (response, _request, stream) => {
    begin(response, stream)
    while (!response.destroyed) if (!response.write('x'.repeat(10_000))) await wait(5)
  },
  trickle: async (response, _request, stream) => {
    begin(response, stream)
    while (!response.destroyed) {
      response.write(stream ? chunk('drop ') : ' ')
      await wait(100)
    }
  },
  'error-event': (response, _request, stream) => {
    begin(response, stream)
    response.end(`data: ${JSON.stringify({ error: { message: 'the prompt was: my secret', code: 'overloaded' } })}\n\n`)
  },
  html: (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>login</html>'),
  compressed: (response, _request, stream) =>
    void response
      .writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json', 'content-encoding': 'gzip' })
      .end('x'),
  redirect: (response) => void response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end(),
  'status-500': failing(500, '{"error":{"message":"my secret prompt","code":"server_error"}}'),
  'status-429': failing(429, '{"error":{"code":"rate_limit_exceeded"}}', { 'retry-after': '7' }),
  'status-401': failing(401, '{"error":{"message":"incorrect key sk-abcd","code":"invalid_api_key"}}'),
  'status-400': failing(400, '{"error":{"code":"context_length_exceeded","param":"messages"}}'),
  'status-without-end': (response) => {
    response.writeHead(503, { 'content-type': 'text/plain' })
    response.write('sorry')
  },
}

/** An OpenAI-compatible server on loopback that answers each model name with its own kind of failure. */
export async function startMisbehavingUpstream(): Promise<{ readonly url: string; readonly asked: () => number; close(): void }> {
  let asked = 0
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    response.on('error', () => undefined)
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      asked++
      const { model, stream } = JSON.parse(Buffer.concat(parts).toString()) as { model: string; stream?: boolean }
      void FAULTS[model]?.(response, request, stream === true)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked: () => asked,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
