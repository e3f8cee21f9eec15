import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { asRedoubtError, RedoubtError, systemClock } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { createUpstreams, startSandboxResponder, type Upstreams, upstreamsSchema } from '#gateway/serving'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { renderOpenAiError } from '../openai-errors.ts'
import { renderModelList } from '../openai-models.ts'
import { CardRedactor, maskCards } from './card-redactor.fixture.ts'
import { parseChatRequest } from './request.ts'
import { parseChatResponse } from './response.ts'
import { ChatStreamTransformer } from './stream.ts'

const CARD = '4111 1111 1111 1111'
const closers: (() => Promise<void> | void)[] = []
let client = new OpenAI({ apiKey: 'none', baseURL: 'http://127.0.0.1:1' })
let upstreams: Upstreams | null = null
let hits = 0
const upstreamClosed = Promise.withResolvers<void>()

/** The least gateway around the codecs: no identity, no policy, only what a client can see of the wire. */
function serve(routes: Upstreams, req: IncomingMessage, res: ServerResponse): void {
  const parts: Buffer[] = []
  const refuse = (error: RedoubtError): void => {
    if (res.headersSent) return void res.destroy()
    const { status, headers, body } = renderOpenAiError(error, 'req_1')
    res.writeHead(status, headers).end(body)
  }
  req.on('data', (part: Buffer) => parts.push(part))
  req.on('end', () => {
    hits++
    try {
      if (req.url === '/v1/models') {
        const models = routes.list().map(({ model, created, upstream }) => ({ id: model, created, ownedBy: upstream }))
        return void res.writeHead(200, { 'content-type': 'application/json' }).end(renderModelList(models))
      }
      answer(routes, Buffer.concat(parts), res, refuse)
    } catch (thrown) {
      refuse(asRedoubtError(thrown))
    }
    return undefined
  })
}

function answer(routes: Upstreams, body: Uint8Array, res: ServerResponse, refuse: (error: RedoubtError) => void): void {
  const request = parseChatRequest(body)
  const route = routes.resolve(request.model)
  if (route === null) throw new RedoubtError('ERR_MODEL_UNKNOWN')
  request.rewriteTexts((text) => {
    if (text.includes('DENIED')) throw new RedoubtError('ERR_POLICY_DENIED')
    if (text.includes('BLOCKED')) throw new RedoubtError('ERR_FILTER_BLOCKED_INPUT')
    return text
  })
  const stream = new ChatStreamTransformer({
    publicModel: request.model,
    includeUsage: request.includeUsage,
    choices: request.choices,
    promptTokens: request.promptTokens,
    jsonAnswer: request.jsonAnswer,
    createRedactor: () => new CardRedactor(),
    requestId: 'req_1',
    now: 0,
  })
  const whole: Uint8Array[] = []
  const conclude = (): void => void res.end(stream.closing())
  const exchange = routes.dispatch(
    route,
    request.toUpstream(route.upstreamModel),
    { stream: request.stream },
    {
      start: () => void (request.stream && res.writeHead(200, { 'content-type': 'text/event-stream' })),
      data(chunk) {
        if (!request.stream) return void whole.push(chunk)
        const out = stream.push(chunk)
        if (out !== '') res.write(out)
        return undefined
      },
      end() {
        if (request.stream) return conclude()
        const response = parseChatResponse(Buffer.concat(whole))
        response.rewriteTexts(maskCards)
        return void res.writeHead(200, { 'content-type': 'application/json' }).end(response.toClient(request.model, 0))
      },
      error(error) {
        if (!res.headersSent) return refuse(error)
        stream.fail(error)
        return conclude()
      },
    },
  )
  res.on('close', () => exchange.abort('the client left'))
}

beforeAll(async () => {
  const sandbox = await startSandboxResponder()
  const broken = createServer((_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write('data: {"choices":[{"index":0,"delta":{"content":"so far "}}]}\n\n', () => setTimeout(() => res.destroy(), 5))
  })
  const endless = createServer((_req, res) => {
    res.on('close', upstreamClosed.resolve)
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write('data: {"choices":[{"index":0,"delta":{"content":"for ever "}}]}\n\n')
  })
  for (const server of [broken, endless]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const local = (baseUrl: string): object => ({ baseUrl, allowLoopbackHttp: true })
  const config = upstreamsSchema.parse({
    upstreams: {
      sandbox: { ...local(sandbox.url), sandbox: true },
      broken: local(`http://127.0.0.1:${(broken.address() as AddressInfo).port}/v1`),
      endless: local(`http://127.0.0.1:${(endless.address() as AddressInfo).port}/v1`),
    },
    models: {
      assistant: { upstream: 'sandbox', model: 'sandbox' },
      broken: { upstream: 'broken', model: 'x' },
      endless: { upstream: 'endless', model: 'x' },
    },
  })
  const routes = createUpstreams({ config, resolveSecret: () => '', resolveTrusted: () => '', clock: systemClock, logger: silentLogger })
  upstreams = routes
  const gateway = createServer((req, res) => serve(routes, req, res))
  await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve))
  client = new OpenAI({ apiKey: 'none', baseURL: `http://127.0.0.1:${(gateway.address() as AddressInfo).port}/v1` })
  for (const server of [gateway, broken, endless]) {
    closers.push(() => {
      server.close()
      server.closeAllConnections()
    })
  }
  closers.push(() => sandbox.close())
})

afterAll(async () => {
  await upstreams?.close()
  for (const close of closers) await close()
})

const ask = (content: string, model = 'assistant'): { model: string; messages: { role: 'user'; content: string }[] } => ({
  model,
  messages: [{ role: 'user', content }],
})

describe('the published openai client', () => {
  it('reads a whole answer, masked, under the public name', async () => {
    const answered = await client.chat.completions.create(ask(`repeat: card ${CARD} end`))
    expect(answered.choices[0]?.message.content).toBe('card [CARD] end')
    expect(answered.model).toBe('assistant')
    expect(answered.usage?.total_tokens).toBeGreaterThan(0)
  })

  it('reads a stream, masked, with usage when asked (C6)', async () => {
    const stream = await client.chat.completions.create({
      ...ask(`repeat: card ${CARD} end`),
      n: 2,
      stream: true,
      stream_options: { include_usage: true },
    })
    const texts = ['', '']
    let usage: unknown = null
    let events = 0
    for await (const chunk of stream) {
      events++
      for (const { index, delta } of chunk.choices) texts[index] += delta.content ?? ''
      usage = chunk.usage ?? usage
      expect(chunk.model).toBe('assistant')
    }
    expect(texts).toEqual(['card [CARD] end', 'card [CARD] end'])
    expect(usage).toMatchObject({ total_tokens: expect.any(Number) })
    expect(events).toBeGreaterThan(6)
  })

  it('sees content_filter when an answer is blocked in the middle (C6)', async () => {
    const stream = await client.chat.completions.create({ ...ask('repeat: first FORBIDDEN last'), stream: true })
    let text = ''
    let finish: string | null = null
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? ''
      finish = choices[0]?.finish_reason ?? finish
    }
    expect([text, finish]).toEqual(['first ', 'content_filter'])
  })

  it('gets an error, not a short answer, when the upstream breaks off', async () => {
    const stream = await client.chat.completions.create({ ...ask('x', 'broken'), stream: true })
    const read = async (): Promise<string> => {
      let text = ''
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
      return text
    }
    await expect(read()).rejects.toMatchObject({ code: 'err_upstream_reset', type: 'api_error' })
  })

  it('gets typed refusals and does not try them again (C4)', async () => {
    const before = hits
    await expect(client.chat.completions.create(ask('BLOCKED'))).rejects.toMatchObject({
      status: 400,
      code: 'content_filter',
      requestID: 'req_1',
    })
    await expect(client.chat.completions.create(ask('DENIED'))).rejects.toMatchObject({
      status: 403,
      code: 'err_policy_denied',
      type: 'permission_error',
    })
    await expect(client.chat.completions.create(ask('x', 'unknown'))).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
    await expect(client.chat.completions.create({ ...ask('x'), n: 99 })).rejects.toMatchObject({ status: 400, param: 'n' })
    expect(hits - before).toBe(4)
  })

  it('cancels the upstream when it leaves (C11)', async () => {
    const stream = await client.chat.completions.create({ ...ask('x', 'endless'), stream: true })
    for await (const { choices } of stream) {
      expect(choices[0]?.delta.content).toBe('for ever ')
      break
    }
    stream.controller.abort()
    await upstreamClosed.promise
  })

  it('lists the models', async () => {
    expect((await client.models.list()).data.map(({ id, owned_by }) => `${id} ${owned_by}`)).toEqual([
      'assistant sandbox',
      'broken broken',
      'endless endless',
    ])
  })
})
