// A stand-in for a language-model server on this machine: `node docs/examples/tiny-upstream.mjs PORT`.
// It speaks as much of OpenAI's interface as a gateway needs, and answers with what it was told, backwards.
import { createServer } from 'node:http'

const MODEL = 'tiny'
const usage = { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 }

const server = createServer(async (request, response) => {
  const json = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  if (request.headers.authorization !== 'Bearer tiny-credential') return json(401, { error: { message: 'who are you?', code: 'invalid_api_key' } })
  if (request.url === '/v1/models') return json(200, { object: 'list', data: [{ id: MODEL, object: 'model', created: 0, owned_by: 'you' }] })
  if (request.url !== '/v1/chat/completions') return json(404, { error: { message: 'not here', code: 'not_found' } })

  let text = ''
  for await (const part of request) text += part
  const { messages, stream } = JSON.parse(text)
  const content = Array.from(String(messages.at(-1).content)).reverse().join('')
  const head = { id: 'chatcmpl-1', created: Math.floor(Date.now() / 1000), model: MODEL }
  if (!stream) {
    const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }]
    return json(200, { ...head, object: 'chat.completion', choices, usage })
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const chunk = (delta, finish_reason, more = {}) =>
    response.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }], ...more })}\n\n`)
  chunk({ role: 'assistant', content: '' }, null)
  for (const letter of content) chunk({ content: letter }, null)
  chunk({}, 'stop', { usage })
  return response.end('data: [DONE]\n\n')
})
server.listen(Number(process.argv[2] ?? 11_500), '127.0.0.1')
