import { connect } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { IncomingMessage } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { nodeFolder } from '#foundation/storage'
import { verifyLog } from '#trust/audit'
import { readStoredLog } from './log-reader.ts'
import { type AccountKey, chatBody, creditRow, Installation, readEvents, type WholeServer } from './whole-server.ts'

const DRAIN_MS = 5_000
/** Over the drain, on a busy machine: the last checkpoint, the databases, the end of the process. */
const MARGIN_MS = 2_500
const CUT_MS = 1_000
/** The sandbox's slow stream lasts ten seconds: longer than any drain. */
const SLOW = 'count: 200'

describe('a whole server that is told to stop, and streams that are', () => {
  const installation = new Installation()
  let server: WholeServer
  let cli: string
  let appKey: AccountKey
  let app: string

  beforeAll(async () => {
    server = await installation.start()
    cli = await server.token()
    appKey = await server.account(cli, 'app', 'application')
  })
  beforeEach(async () => {
    if (server.process.exitCode !== null || server.process.signalCode !== null) server = await installation.start()
    cli = await server.token()
    app = await server.token(appKey)
  })
  afterAll(async () => {
    await server.kill('SIGKILL')
    installation.remove()
  })

  /** A stream of which the first event has arrived. */
  async function running(token: string, content = SLOW): Promise<{ readonly response: IncomingMessage; readonly rest: Promise<string> }> {
    const response = await server.open('/v1/chat/completions', { token, json: chatBody(content, true) }, false)
    expect(response.statusCode).toBe(200)
    let received = ''
    const rest = new Promise<string>((resolve, reject) => {
      response.on('end', () => resolve(received)).on('error', reject)
    })
    await new Promise<void>((resolve) => {
      response.setEncoding('utf8').on('data', (part: string) => {
        received += part
        resolve()
      })
    })
    return { response, rest }
  }

  const requestIdOf = (response: IncomingMessage): string => String(response.headers['x-request-id'])

  it('cuts running streams of a revoked token within a second, with the error event (B8)', async () => {
    const other = await running(await server.token(appKey))
    const { response, rest } = await running(app)
    const revokedAt = performance.now()
    await server.revoke(app, appKey)
    const events = readEvents(await rest)
    const cutMs = performance.now() - revokedAt
    expect([events.errorCode, events.done]).toEqual(['err_token_revoked', false])
    expect(cutMs).toBeLessThan(CUT_MS + 500)
    const [completion] = await server.search(cli, { requestId: requestIdOf(response), type: 'inference.completion' })
    expect(completion?.event).toMatchObject({ code: 'ERR_TOKEN_REVOKED', outcome: 'refused' })
    expect((await server.ask('/v2/models/credit/infer', { token: app, json: creditRow(null) })).status).toBe(401)
    expect(readEvents(await other.rest).done, 'another token of the account goes on').toBe(true)
    console.log(`revocation to closing event: ${Math.round(cutMs)} ms`)
  })

  it('cuts running streams of a disabled account within a second, with the error event (B8)', async () => {
    const key = await server.account(cli, 'short-lived', 'application')
    const { response, rest } = await running(await server.token(key))
    const disabledAt = performance.now()
    const disabled = await server.ask('/api/v1/service-accounts/short-lived/disable', { method: 'POST', token: cli, json: {} })
    expect(disabled.status, disabled.body).toBe(200)
    const events = readEvents(await rest)
    expect([events.errorCode, events.done]).toEqual(['err_account_disabled', false])
    expect(performance.now() - disabledAt).toBeLessThan(CUT_MS + 500)
    const [completion] = await server.search(cli, { requestId: requestIdOf(response), type: 'inference.completion' })
    expect(completion?.event['code']).toBe('ERR_ACCOUNT_DISABLED')
    await expect(server.token(key)).rejects.toMatchObject({ code: 'ERR_CLIENT_AUTHENTICATION' })
  })

  it('refuses the next call of a quarantined model (D1)', async () => {
    const officer = await server.token(await server.account(cli, 'officer', 'security-officer', 'security'))
    expect((await server.ask('/v2/models/credit/infer', { token: app, json: creditRow(null) })).status).toBe(200)
    const answer = await server.ask('/api/v1/models/credit/quarantine', { method: 'POST', token: officer, json: { reason: 'a drill' } })
    expect(answer.status, answer.body).toBe(200)
    const refused = await server.ask('/v2/models/credit/infer', { token: app, json: creditRow(null) })
    expect(refused.status).toBeGreaterThanOrEqual(400)
    const ids = await server.search(cli, { requestId: String(refused.headers['x-request-id']), type: 'inference.refusal' })
    expect(ids.length).toBe(1)
  })

  it('bounds what strangers may hold: slow headers, huge headers, garbage, silence before TLS (A2)', async () => {
    const ca = readFileSync(join(installation.dataDir, 'ca.pem'))
    const open = (): Promise<TLSSocket> =>
      new Promise((resolve, reject) => {
        const socket = connectTls({ host: 'localhost', port: installation.port, ca, servername: 'localhost' }, () => resolve(socket))
        socket.once('error', reject)
      })
    const closed = (socket: { on(event: 'data' | 'close' | 'error', listener: (data: Buffer) => void): unknown }): Promise<string> =>
      new Promise((resolve) => {
        let received = ''
        socket.on('data', (data) => (received += data.toString()))
        socket.on('error', () => undefined)
        socket.on('close', () => resolve(received.split('\r\n')[0] ?? ''))
      })

    const huge = await open()
    huge.write(`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`)
    expect(await closed(huge)).toBe('HTTP/1.1 431 Request Header Fields Too Large')
    const garbage = await open()
    garbage.write('\0\x01\x02 no HTTP\r\n\r\n')
    expect(await closed(garbage)).toBe('HTTP/1.1 400 Bad Request')

    const started = performance.now()
    const flood = await Promise.all(Array.from({ length: 50 }, open))
    const slow = flood.map((socket, i) => {
      socket.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n')
      const drip = setInterval(() => socket.write(`x-${i}: drop\r\n`), 500)
      return closed(socket).finally(() => clearInterval(drip))
    })
    const silent = Array.from({ length: 50 }, () => closed(connect(installation.port, 'localhost')))
    expect((await server.ask('/v2/models/sandbox', { token: app })).status, 'others are served meanwhile').toBeLessThan(500)
    expect(new Set(await Promise.all(slow))).toEqual(new Set(['HTTP/1.1 408 Request Timeout']))
    await Promise.all(silent)
    console.log(`100 slow connections were closed within ${Math.round(performance.now() - started)} ms`)
    expect(performance.now() - started).toBeLessThan(20_000)
  })

  it('drains: streams end with the error event, slow clients hold nothing up, nothing is lost, nothing new begins (E3)', async () => {
    const streams = await Promise.all(Array.from({ length: 4 }, () => running(app)))
    const short = await running(app, 'count: 10')
    // A client that never reads: its answer must not keep the server.
    const lazy = await server.open('/v1/chat/completions', { token: app, json: chatBody(`repeat: ${'x'.repeat(60_000)}`, true) }, false)
    lazy.pause()
    const kept = await server.ask('/livez', { token: null })
    expect(kept.status).toBe(200)

    const toldAt = performance.now()
    const exited = server.kill('SIGTERM')
    await wait(300)
    // A connection that was open already is told; a new one finds nobody.
    const late = await server
      .ask('/v2/models/credit/infer', { token: app, json: creditRow(null) })
      .catch((error: NodeJS.ErrnoException) => error.code)
    if (typeof late === 'object') expect([late.status, late.headers['connection']], late.body).toEqual([503, 'close'])
    else expect(late).toMatch(/ECONNREFUSED|ECONNRESET/)
    await expect(server.ask('/livez', { token: null }, false)).rejects.toMatchObject({ code: 'ECONNREFUSED' })

    expect(readEvents(await short.rest).done, 'what ends in time ends well').toBe(true)
    const ends = await Promise.all(streams.map(async ({ rest }) => readEvents(await rest)))
    expect(ends.map(({ errorCode, done }) => [errorCode, done])).toEqual(ends.map(() => ['err_draining', false]))
    expect(await exited).toEqual({ code: 0, signal: null })
    const took = performance.now() - toldAt
    expect(took).toBeLessThan(DRAIN_MS + MARGIN_MS)
    lazy.destroy()

    const folder = nodeFolder(installation.log)
    const verdict = await verifyLog({ read: (path) => folder.read(path), verifierKey: installation.verifierKey, bodies: 'required' })
    expect(verdict.findings).toEqual([])
    const events = readStoredLog(installation.log).entries.map((entry) => JSON.parse(entry.toString()) as Record<string, unknown>)
    for (const { response } of [...streams, short]) {
      const own = events.filter((event) => event['requestId'] === requestIdOf(response))
      expect(own.map((event) => event['type'])).toEqual(['inference.admission', 'inference.completion'])
    }
    expect(events.some((event) => event['type'] === 'server.stop')).toBe(true)
    console.log(`SIGTERM to exit with running streams: ${Math.round(took)} ms`)
    server = await installation.start()
  })

  it('stops at once when nothing runs, and while it is still starting', async () => {
    const toldAt = performance.now()
    expect(await server.kill('SIGTERM')).toEqual({ code: 0, signal: null })
    expect(performance.now() - toldAt).toBeLessThan(MARGIN_MS)

    const fresh = new Installation()
    fresh.port = installation.port
    const child = fresh.spawn(['up'])
    const exited = new Promise((resolve) => child.once('close', (code, signal) => resolve([code, signal])))
    // The enrolment link exists once the house stands; the starter model is then being trained.
    while (!(await fileExists(join(fresh.dataDir, 'server.json')))) await wait(10)
    await wait(50)
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
    // What a start left half done, the next one finishes.
    const second = await fresh.start()
    expect((await second.ask('/v2/models/credit/infer', { token: await second.token(), json: creditRow(null) })).status).toBe(200)
    expect(await second.kill('SIGTERM')).toEqual({ code: 0, signal: null })
    fresh.remove()
    server = await installation.start()
  })

  it('ends at once on an error that nobody expected, with the log sound, and starts again (E3)', async () => {
    await server.kill('SIGTERM')
    const bomb = `data:text/javascript,${encodeURIComponent(`process.on('SIGUSR2', () => { void Promise.reject(new Error('a prompt of someone')) })`)}`
    server = await installation.start({ NODE_OPTIONS: `--import=${bomb}` })
    const answer = await server.ask('/v2/models/credit/infer', { token: await server.token(), json: creditRow(null) })
    const exit = await server.kill('SIGUSR2')
    expect(exit).toEqual({ code: 1, signal: null })
    expect(server.err).toContain('ended by an unexpected error (Error)')
    expect(server.err).not.toContain('a prompt of someone')
    server = await installation.start()
    const found = await server.search(await server.token(), { requestId: String(answer.headers['x-request-id']) })
    expect(found.length).toBeGreaterThan(0)
  })

  it('goes on when whoever read its output is gone', async () => {
    server.process.stdout!.destroy()
    server.process.stderr!.destroy()
    for (let i = 0; i < 3; i++) await server.ask('/v2/models/absent/infer', { token: app, json: creditRow(null) })
    expect((await server.ask('/readyz', { token: null })).status).toBe(200)
  })
})

async function fileExists(path: string): Promise<boolean> {
  try {
    readFileSync(path)
    return true
  } catch {
    return false
  }
}
