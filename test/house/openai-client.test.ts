/** The published `openai` package over TLS, with the local CA trusted, against the whole server. */
import OpenAI, { APIError } from 'openai'
import { Agent, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type House, type HouseAccount, openHouse } from './house.fixture.ts'

const CARD_DIGITS = '4111111111111111'
const API_KEY = ['sk', 'proj', 'A1b2C3d4E5f6G7h8'.repeat(3)].join('-')
/** Where the guided tour's upstream, which says that it is a sandbox, is reached. */
const SANDBOX = 'sandbox'

let house: House
let application: HouseAccount
let agent: Agent
let client: OpenAI

beforeAll(async () => {
  house = await openHouse()
  application = await house.account('chat-app')
  agent = new Agent({ connect: { ca: house.ca } })
  client = clientWith(application.token)
})
afterAll(async () => {
  await agent.close()
  await house.close()
})

function clientWith(apiKey: string, options: { readonly maxRetries?: number } = {}): OpenAI {
  const fetch = (url: string, init: object): Promise<unknown> => undiciFetch(url, { ...init, dispatcher: agent })
  return new OpenAI({ baseURL: `${house.server.url}/v1`, apiKey, maxRetries: 0, fetch: fetch as never, ...options })
}

const say = (content: string) => [{ role: 'user' as const, content }]

/** The error of a call that has to fail. */
async function errorOf(call: Promise<unknown>): Promise<APIError> {
  const thrown = await call.then(
    () => null,
    (error: unknown) => error,
  )
  expect(thrown).toBeInstanceOf(APIError)
  return thrown as APIError
}

async function readAll(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const chunk of stream) void chunk
}

async function policy(name: string, text: string, use: () => Promise<void>): Promise<void> {
  const put = await house.call('PUT', `/api/v1/policies/${name}`, { token: house.token, json: { text } })
  expect(put.status, put.text).toBe(200)
  try {
    await use()
  } finally {
    await house.call('DELETE', `/api/v1/policies/${name}`, { token: house.token })
  }
}

describe('the openai client', () => {
  it('gets a whole answer with usage, request id and the index of its record', async () => {
    const { data, response } = await client.chat.completions.create({ model: 'assistant', messages: say('hello') }).withResponse()
    expect(data).toMatchObject({
      object: 'chat.completion',
      model: 'assistant',
      choices: [{ message: { content: 'ok' }, finish_reason: 'stop' }],
    })
    expect(data.usage?.total_tokens).toBe(7)
    const requestId = response.headers.get('x-request-id') ?? ''
    const entries = await house.entries({ requestId })
    expect(entries.map(({ event }) => event['type'])).toEqual(['inference.completion', 'inference.admission'])
    expect(response.headers.get('redoubt-log-index')).toBe(String(entries[0]?.index))
    expect(Number(response.headers.get('x-ratelimit-remaining-tokens'))).toBeGreaterThan(0)
  })

  it('gets a stream, with usage when it asks for it', async () => {
    const stream = await client.chat.completions.create({ model: 'assistant', messages: say('hello'), stream: true })
    let text = ''
    for await (const chunk of stream) {
      expect(chunk.usage ?? null).toBeNull()
      text += chunk.choices[0]?.delta.content ?? ''
    }
    expect(text).toBe('first words, ok')

    const counted = await client.chat.completions.create({
      model: 'assistant',
      messages: say('hello'),
      stream: true,
      stream_options: { include_usage: true },
    })
    let usage: unknown = null
    for await (const chunk of counted) usage = chunk.usage ?? usage
    expect(usage).toMatchObject({ total_tokens: 7 })
  })

  it('gets a planted card masked, whole and streamed (C6, C9)', async () => {
    const whole = await client.chat.completions.create({ model: SANDBOX, messages: say('planted card') })
    const stream = await client.chat.completions.create({ model: SANDBOX, messages: say('planted card'), stream: true })
    let streamed = ''
    for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? ''
    for (const text of [whole.choices[0]?.message.content ?? '', streamed]) {
      expect(text).toContain('[CREDIT_CARD]')
      expect(text.replace(/\D/g, '')).not.toContain(CARD_DIGITS)
    }
    const [completion] = await house.entries({ type: 'inference.completion', limit: '1' })
    expect(completion?.event['details']).toMatchObject({ outputFindings: { CREDIT_CARD: 1 } })
  })

  it('reaches the upstream with masked values and a pseudonym in place of the person (C6, A7)', async () => {
    await client.chat.completions.create({
      model: 'assistant',
      messages: say('my card is 4111 1111 1111 1111'),
      safety_identifier: 'alice@example.com',
    })
    const body = house.upstream.bodies.at(-1) ?? ''
    expect(body).toContain('[CREDIT_CARD]')
    expect(body).not.toMatch(/4111|alice/)
    expect(JSON.parse(body)).toMatchObject({ model: 'watched', safety_identifier: expect.stringMatching(/^[\w-]{20,}$/) })
  })

  it('lists and retrieves the models that it may use, and no others', async () => {
    const names: string[] = []
    for await (const model of client.models.list()) names.push(model.id)
    expect(names.toSorted()).toEqual(['assistant', 'sandbox'])
    expect(await client.models.retrieve('assistant')).toMatchObject({ id: 'assistant', object: 'model' })
    expect((await errorOf(client.models.retrieve('gpt-99'))).status).toBe(404)

    const forbid = '@id("no-sandbox") forbid (principal, action == Action::"invoke", resource == Endpoint::"sandbox");'
    await policy('no-sandbox', forbid, async () => {
      const left: string[] = []
      for await (const model of client.models.list()) left.push(model.id)
      expect(left).toEqual(['assistant'])
      expect((await errorOf(client.models.retrieve('sandbox'))).status).toBe(403)
    })
  })

  it('maps 401: a token that is none (B8)', async () => {
    const error = await errorOf(clientWith('garbage').chat.completions.create({ model: 'assistant', messages: say('hello') }))
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(error).toMatchObject({ status: 401, type: 'authentication_error' })
    expect(error.requestID).toMatch(/^req_/)
  })

  it('maps 403: a purpose that does not fit (B7)', async () => {
    const error = await errorOf(
      client.chat.completions.create({ model: 'assistant', messages: say('hello') }, { headers: { 'redoubt-purpose': 'marketing' } }),
    )
    expect(error).toBeInstanceOf(OpenAI.PermissionDeniedError)
    expect(error).toMatchObject({ status: 403, code: 'err_policy_purpose', type: 'permission_error' })
    expect(error.headers?.get('x-should-retry')).toBe('false')
    const [refusal] = await house.entries({ requestId: error.requestID ?? '' })
    expect(refusal?.event).toMatchObject({ type: 'inference.refusal', code: 'ERR_POLICY_PURPOSE' })
  })

  it('maps 404: a model that does not exist', async () => {
    const error = await errorOf(client.chat.completions.create({ model: 'gpt-99', messages: say('hello') }))
    expect(error).toBeInstanceOf(OpenAI.NotFoundError)
    expect(error).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' })
  })

  it('maps 429 with the time to wait, and does not try a quota again (C4)', async () => {
    const limited =
      '@id("two-a-day") @limit("requests 2/1d") permit (principal, action == Action::"invoke", resource == Endpoint::"assistant");'
    const account = await house.account('limited-app')
    await policy('two-a-day', limited, async () => {
      const impatient = clientWith(account.token, { maxRetries: 2 })
      const before = house.upstream.bodies.length
      for (let i = 0; i < 2; i++) await impatient.chat.completions.create({ model: 'assistant', messages: say('hello') })
      const error = await errorOf(impatient.chat.completions.create({ model: 'assistant', messages: say('hello') }))
      expect(error).toBeInstanceOf(OpenAI.RateLimitError)
      expect(error).toMatchObject({ status: 429, type: 'rate_limit_error', code: 'err_limit_requests' })
      expect(error.headers?.get('x-should-retry')).toBe('false')
      expect(Number(error.headers?.get('retry-after'))).toBeGreaterThan(3_600)
      expect(house.upstream.bodies.length - before).toBe(2)
      const refusals = await house.entries({ type: 'inference.refusal', actor: 'ServiceAccount::limited-app' })
      expect(refusals.length).toBe(1)
    })
  })

  it('maps 400 content_filter: an input that holds a secret never reaches the upstream (C6)', async () => {
    const before = house.upstream.bodies.length
    const error = await errorOf(client.chat.completions.create({ model: 'assistant', messages: say(`use ${API_KEY}`) }))
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ status: 400, code: 'content_filter' })
    expect(error.message).not.toContain(API_KEY)
    expect(house.upstream.bodies.length).toBe(before)
  })

  it('maps the failure of an upstream, which is no fault of the caller', async () => {
    const error = await errorOf(client.chat.completions.create({ model: 'assistant', messages: say('fail') }))
    expect(error.status).toBeGreaterThanOrEqual(500)
    expect(error.type).toBe('api_error')
  })

  it('hears of an upstream that breaks off in mid-stream as an error, never as an end', async () => {
    const stream = await client.chat.completions.create({ model: 'assistant', messages: say('reset'), stream: true })
    const error = await errorOf(readAll(stream))
    expect(error.code).toMatch(/^err_upstream_/)
    const [completion] = await house.entries({ type: 'inference.completion', limit: '1' })
    expect(completion?.event).toMatchObject({ outcome: 'failed', code: expect.stringMatching(/^ERR_UPSTREAM_/) })
  })

  it('cancels the upstream when it breaks off a stream; the use is recorded and charged (C4)', async () => {
    const cancelled = house.upstream.nextCancellation()
    const { data: stream, response } = await client.chat.completions
      .create({ model: 'assistant', messages: say('hold'), stream: true })
      .withResponse()
    const requestId = response.headers.get('x-request-id') ?? ''
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break
    await cancelled
    const completion = await eventually(async () => (await house.entries({ requestId, type: 'inference.completion' }))[0])
    expect(completion.event).toMatchObject({ outcome: 'refused', code: 'ERR_CLIENT_GONE' })
    const { usage } = completion.event['details'] as { usage: { tokens: number } }
    expect(usage.tokens).toBeGreaterThan(0)
  })

  it('cancels the upstream when it breaks off before an answer; the reservation is charged (C4)', async () => {
    const cancelled = house.upstream.nextCancellation()
    const abort = new AbortController()
    const call = client.chat.completions.create({ model: 'assistant', messages: say('silent') }, { signal: abort.signal })
    const seen = house.upstream.bodies.length
    await eventually(async () => (house.upstream.bodies.length > seen ? true : undefined))
    abort.abort()
    await expect(call).rejects.toThrow()
    await cancelled
  })

  it.each(['its token is revoked', 'its account is disabled'])(
    'is cut off within a second when %s, with the error in the stream (B8)',
    async (why) => {
      const name = why.replaceAll(' ', '-')
      const account = await house.account(name)
      const stream = await clientWith(account.token).chat.completions.create({ model: 'assistant', messages: say('hold'), stream: true })
      const failed = errorOf(readAll(stream))
      const started = performance.now()
      if (why === 'its token is revoked') await account.revoke()
      else await house.call('POST', `/api/v1/service-accounts/${name}/disable`, { token: house.token })
      const error = await failed
      expect(performance.now() - started).toBeLessThan(1_000)
      expect(error.code).toMatch(/^err_(?:account_disabled|token_revoked)$/)
      const [completion] = await house.entries({ type: 'inference.completion', actor: `ServiceAccount::${name}` })
      expect(completion?.event).toMatchObject({ outcome: 'refused', code: String(error.code).toUpperCase() })
    },
  )

  it('is told in OpenAI’s shape about endpoints that there are not', async () => {
    const calls = [
      client.images.generate({ model: 'assistant', prompt: 'x' }),
      client.responses.retrieve('resp_1'),
      client.moderations.create({ input: 'x' }),
      client.files.list(),
      client.audio.speech.create({ model: 'assistant', voice: 'alloy', input: 'x' }),
    ]
    for (const error of await Promise.all(calls.map((call) => errorOf(call)))) {
      expect(error).toMatchObject({ status: 404, code: 'err_route_unknown', type: 'invalid_request_error' })
    }
  })
})

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 5_000
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error('it did not happen within five seconds')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
