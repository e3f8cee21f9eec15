import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FAULTS, startMisbehavingUpstream } from './misbehaving-upstream.ts'
import { chatBody, freePort, Installation, readEvents, text, type WholeServer } from './whole-server.ts'

/** Reserved by each request: some ten of them left unsettled would use up the application's tokens. */
const RESERVED_TOKENS = 50_000

/** How each failure must reach the client: as JSON, and within or before a stream. */
const EXPECTED: Readonly<Record<string, { readonly json: readonly [number, string]; readonly stream: readonly [number, string] }>> = {
  unreachable: { json: [502, 'ERR_UPSTREAM_UNREACHABLE'], stream: [502, 'ERR_UPSTREAM_UNREACHABLE'] },
  silent: { json: [504, 'ERR_UPSTREAM_TIMEOUT'], stream: [504, 'ERR_UPSTREAM_TIMEOUT'] },
  reset: { json: [502, 'ERR_UPSTREAM_RESET'], stream: [502, 'ERR_UPSTREAM_RESET'] },
  'stall-in-the-middle': { json: [504, 'ERR_UPSTREAM_TIMEOUT'], stream: [200, 'ERR_UPSTREAM_TIMEOUT'] },
  'reset-in-the-middle': { json: [502, 'ERR_UPSTREAM_RESET'], stream: [200, 'ERR_UPSTREAM_RESET'] },
  'end-in-the-middle': { json: [502, 'ERR_UPSTREAM_PROTOCOL'], stream: [200, 'ERR_UPSTREAM_RESET'] },
  garbage: { json: [502, 'ERR_UPSTREAM_PROTOCOL'], stream: [200, 'ERR_UPSTREAM_PROTOCOL'] },
  binary: { json: [502, 'ERR_UPSTREAM_PROTOCOL'], stream: [200, 'ERR_UPSTREAM_RESET'] },
  'no-http': { json: [502, 'ERR_UPSTREAM_PROTOCOL'], stream: [502, 'ERR_UPSTREAM_PROTOCOL'] },
  endless: { json: [502, 'ERR_UPSTREAM_PROTOCOL'], stream: [200, 'ERR_UPSTREAM_PROTOCOL'] },
  'endless-line': { json: [502, 'ERR_UPSTREAM_PROTOCOL'], stream: [200, 'ERR_UPSTREAM_PROTOCOL'] },
  trickle: { json: [504, 'ERR_UPSTREAM_TIMEOUT'], stream: [200, 'ERR_UPSTREAM_TIMEOUT'] },
  'error-event': { json: [502, 'ERR_UPSTREAM_PROTOCOL'], stream: [200, 'ERR_UPSTREAM_REFUSED'] },
  html: { json: [502, 'ERR_UPSTREAM_PROTOCOL'], stream: [502, 'ERR_UPSTREAM_PROTOCOL'] },
  compressed: { json: [502, 'ERR_UPSTREAM_PROTOCOL'], stream: [502, 'ERR_UPSTREAM_PROTOCOL'] },
  redirect: { json: [502, 'ERR_UPSTREAM_PROTOCOL'], stream: [502, 'ERR_UPSTREAM_PROTOCOL'] },
  'status-500': { json: [502, 'ERR_UPSTREAM_REFUSED'], stream: [502, 'ERR_UPSTREAM_REFUSED'] },
  'status-429': { json: [429, 'ERR_UPSTREAM_LIMIT'], stream: [429, 'ERR_UPSTREAM_LIMIT'] },
  'status-401': { json: [502, 'ERR_UPSTREAM_REFUSED'], stream: [502, 'ERR_UPSTREAM_REFUSED'] },
  'status-400': { json: [400, 'ERR_UPSTREAM_REJECTED'], stream: [400, 'ERR_UPSTREAM_REJECTED'] },
  'status-without-end': { json: [504, 'ERR_UPSTREAM_TIMEOUT'], stream: [504, 'ERR_UPSTREAM_TIMEOUT'] },
}

describe('a whole server in front of an upstream that fails', () => {
  const installation = new Installation()
  let upstream: Awaited<ReturnType<typeof startMisbehavingUpstream>>
  let server: WholeServer
  let cli: string
  let app: string

  beforeAll(async () => {
    upstream = await startMisbehavingUpstream()
    const models = Object.keys(FAULTS).map((name) => `    ${name}: { upstream: bad, model: ${name} }`)
    installation.configure(
      `chat:
  upstreams:
    bad: { baseUrl: '${upstream.url}', allowLoopbackHttp: true, connectTimeoutMs: 500, headersTimeoutMs: 500, chunkTimeoutMs: 500, totalTimeoutMs: 1500, maxResponseBytes: 262144, maxStreamBytes: 262144 }
    gone: { baseUrl: 'http://127.0.0.1:${await freePort()}/v1', allowLoopbackHttp: true, connectTimeoutMs: 500 }
  models:
    unreachable: { upstream: gone, model: m }
${models.join('\n')}
`,
    )
    server = await installation.start()
    cli = await server.token()
    app = await server.token(await server.account(cli, 'app', 'application'))
  })
  afterAll(async () => {
    await server.kill('SIGTERM')
    upstream.close()
    installation.remove()
  })

  it('covers every fault of the misbehaving upstream', () => {
    expect(Object.keys(EXPECTED).toSorted()).toEqual([...Object.keys(FAULTS).filter((name) => name !== 'none'), 'unreachable'].toSorted())
  })

  for (const [fault, { json, stream }] of Object.entries(EXPECTED)) {
    it(`answers \`${fault}\` with ${json.join(' ')}, recorded under the same code (E3)`, async () => {
      const body = { ...(chatBody('hello', false, fault) as object), max_tokens: RESERVED_TOKENS }
      const answer = await server.ask('/v1/chat/completions', { token: app, json: body })
      expect([answer.status, answer.headers['redoubt-code']], answer.body).toEqual(json)
      const { error } = JSON.parse(answer.body) as { error: Record<string, unknown> }
      expect(error).toMatchObject({ message: expect.any(String), type: expect.any(String), code: expect.any(String) })
      expect(answer.body).not.toContain('secret')
      expect(answer.body).not.toContain('sk-')
      await recorded(String(answer.headers['x-request-id']), json[1])
    })

    it(`ends a stream under \`${fault}\` with ${stream.join(' ')}, recorded under the same code (E3)`, async () => {
      const body = { ...(chatBody('hello', true, fault) as object), max_tokens: RESERVED_TOKENS }
      const response = await server.open('/v1/chat/completions', { token: app, json: body })
      const received = await text(response)
      expect(response.statusCode, received).toBe(stream[0])
      expect(received).not.toContain('secret')
      if (stream[0] === 200) {
        const { errorCode, done } = readEvents(received)
        expect([errorCode, done]).toEqual([stream[1].toLowerCase(), false])
        expect(received.endsWith('\n\n'), 'the error is the last whole event').toBe(true)
      } else expect(response.headers['redoubt-code']).toBe(stream[1])
      await recorded(String(response.headers['x-request-id']), stream[1])
    })
  }

  it('has settled every reservation: what failed does not use up the tokens of an application (C4)', async () => {
    for (const streamed of [false, true]) {
      const response = await server.open('/v1/chat/completions', { token: app, json: chatBody('hello', streamed, 'none') })
      const received = await text(response)
      expect(response.statusCode, received).toBe(200)
      if (streamed) expect(readEvents(received).done).toBe(true)
      else expect(Number(response.headers['x-ratelimit-remaining-tokens'])).toBeGreaterThan(500_000 - RESERVED_TOKENS)
    }
    console.log(`${Object.keys(EXPECTED).length} faults as JSON and as stream, ${upstream.asked()} requests reached the upstream`)
  })

  it('cancels the upstream when the client leaves, and records why (C4, E3)', async () => {
    const body = chatBody('hello', true, 'trickle')
    const response = await server.open('/v1/chat/completions', { token: app, json: body }, false)
    await new Promise((resolve) => response.once('data', resolve))
    response.destroy()
    await recorded(String(response.headers['x-request-id']), 'ERR_CLIENT_GONE')
  })

  /** The last thing on record about a request: its completion or refusal, with the code that the client saw. */
  async function recorded(requestId: string, code: string): Promise<void> {
    const admission = await server.search(cli, { requestId, type: 'inference.admission' })
    expect(admission.length).toBe(1)
    for (let tries = 0; tries < 100; tries++) {
      const events = (await server.search(cli, { requestId })).filter(({ event }) => event['type'] !== 'inference.admission')
      if (events.length === 0) continue
      expect(events.map(({ event }) => event['code'])).toEqual([code])
      return
    }
    throw new Error(`nothing on record after the admission of ${requestId}`)
  }
})
