import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { setTimeout as wait } from 'node:timers/promises'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeFolder } from '#foundation/storage'
import { verifyLog } from '#trust/audit'
import { parseNote, readStoredLog, rootsAt } from './log-reader.ts'
import { type AccountKey, chatBody, creditRow, Installation, readEvents, SEED, seeded, text, type WholeServer } from './whole-server.ts'

const KILLS = 20
const LOAD_MS = { least: 700, more: 1_800 }
const QUOTA = 25
const QUOTA_WINDOW_MS = 20_000
/** From the start of the process; the machine may be busy with other tests. */
const READY_MS = 15_000

/** An answer that promised a record. */
interface Acknowledged {
  readonly index: number
  readonly requestId: string
}

/** Everything the server has ever told anyone. */
class Witness {
  readonly acknowledged: Acknowledged[] = []
  /** Request ids whose whole stream, with its closing event, arrived. */
  readonly streams: string[] = []
  readonly checkpoints = new Set<string>()
  readonly accounts: string[] = []
  readonly revoked: string[] = []
  /** When requests under the quota were sent and answered, by this host's clock. */
  readonly quota: { readonly sent: number; readonly answered: number }[] = []
  readonly surprises: string[] = []
  readonly counts = { rows: 0, chats: 0, streams: 0, accounts: 0, revocations: 0, quota: 0, refusedByQuota: 0, brokenOff: 0 }
}

/** Two clients and two streams then stay below 70 chats a second. */
const CHAT_PAUSE_MS = 40

/** Clients that never stop until the server is gone. */
async function load(server: WholeServer, witness: Witness, tokens: Tokens, number: number): Promise<void> {
  const life = { over: false }
  void server.exited.then(() => (life.over = true))
  let serial = 0
  const forever = async (once: () => Promise<void>): Promise<void> => {
    while (!life.over) {
      try {
        await once()
      } catch {
        // The server was killed under this request: nothing was promised.
        witness.counts.brokenOff++
        return
      }
    }
  }
  const acknowledge = (answer: {
    readonly status: number
    readonly headers: Readonly<Record<string, unknown>>
    readonly body: string
  }): void => {
    const index = Number(answer.headers['redoubt-log-index'])
    if (answer.status !== 200) witness.surprises.push(`life ${number}: ${answer.status} ${answer.body.slice(0, 200)}`)
    else witness.acknowledged.push({ index, requestId: String(answer.headers['x-request-id']) })
  }
  const rows = async (): Promise<void> => {
    acknowledge(await server.ask('/v2/models/credit/infer', { token: tokens.app, json: creditRow(`person-${number}-${serial++ % 50}`) }))
    witness.counts.rows++
  }
  const chats = async (): Promise<void> => {
    acknowledge(await server.ask('/v1/chat/completions', { token: tokens.app, json: chatBody('repeat: hello', false) }))
    witness.counts.chats++
    // A fast machine would run into the limit of the role, 6,000 chats a minute, which is not what is looked at here.
    await wait(CHAT_PAUSE_MS)
  }
  const streams = async (): Promise<void> => {
    const response = await server.open('/v1/chat/completions', { token: tokens.app, json: chatBody('count: 4', true) })
    const events = readEvents(await text(response))
    if (response.statusCode !== 200) witness.surprises.push(`life ${number}: a stream was answered with ${response.statusCode}`)
    else if (events.done) witness.streams.push(String(response.headers['x-request-id']))
    else witness.surprises.push(`life ${number}: a stream ended with ${events.errorCode ?? 'nothing'}`)
    witness.counts.streams++
  }
  const accounts = async (): Promise<void> => {
    const name = `made-${number}-${serial++}`
    await server.account(tokens.cli, name, 'application')
    witness.accounts.push(name)
    witness.counts.accounts++
    await wait(30)
  }
  const revocations = async (): Promise<void> => {
    const token = await server.token(tokens.appKey)
    await server.revoke(token, tokens.appKey)
    witness.revoked.push(token)
    witness.counts.revocations++
  }
  const quota = async (): Promise<void> => {
    const sent = performance.now()
    const answer = await server.ask('/v2/models/credit/infer', { token: tokens.quota, json: creditRow(null) })
    if (answer.status === 200) {
      witness.quota.push({ sent, answered: performance.now() })
      witness.counts.quota++
      acknowledge(answer)
    } else if (answer.headers['redoubt-code'] === 'ERR_LIMIT_REQUESTS') {
      witness.counts.refusedByQuota++
      await wait(20)
    } else acknowledge(answer)
  }
  const checkpoints = async (): Promise<void> => {
    const { status, body } = await server.ask('/log/checkpoint', { token: null })
    if (status === 200) witness.checkpoints.add(body)
    await wait(100)
  }
  await Promise.all([rows, rows, rows, chats, chats, streams, streams, accounts, revocations, quota, checkpoints].map(forever))
}

interface Tokens {
  readonly cli: string
  readonly app: string
  readonly quota: string
  readonly appKey: AccountKey
}

describe('a whole server that is killed under load', () => {
  const installation = new Installation()
  const witness = new Witness()
  const random = seeded(SEED)
  const readyMs: number[] = []
  let server: WholeServer
  let appKey: AccountKey
  let quotaKey: AccountKey

  beforeAll(async () => {
    server = await installation.start()
    const cli = await server.token()
    appKey = await server.account(cli, 'app', 'application')
    quotaKey = await server.account(cli, 'quota', 'business-user')
    const policy = `@id("few")\n@limit("requests ${QUOTA}/${QUOTA_WINDOW_MS / 1000}s")\npermit (principal == ServiceAccount::"quota", action == Action::"invoke", resource == Model::"credit");\n`
    const put = await server.ask('/api/v1/policies/few', { method: 'PUT', token: cli, json: { text: policy } })
    expect(put.status, put.body).toBe(200)
  })
  afterAll(async () => {
    await server.kill('SIGKILL')
    installation.remove()
  })

  it(
    `loses no acknowledged record, signs no fork, keeps revocations, accounts and quotas over ${KILLS} kills (E3, E5, B8, C4)`,
    async () => {
      console.log(`seed ${SEED}`)
      const folder = nodeFolder(installation.log)
      for (let life = 1; life <= KILLS; life++) {
        const tokens: Tokens = { cli: await server.token(), app: await server.token(appKey), quota: await server.token(quotaKey), appKey }
        const loaded = load(server, witness, tokens, life)
        await wait(LOAD_MS.least + random() * LOAD_MS.more)
        await server.kill('SIGKILL')
        await loaded

        // What lies on disk after the kill verifies offline, as a continuation of the last checkpoint that anyone saw.
        const seen = [...witness.checkpoints].at(-1)!
        const verdict = await verifyLog({ read: (path) => folder.read(path), verifierKey: installation.verifierKey, olderCheckpoint: seen })
        expect(verdict.findings, `after kill ${life}`).toEqual([])

        server = await installation.start()
        readyMs.push(server.readyMs)
        expect(server.readyMs, `restart ${life}`).toBeLessThan(READY_MS)
        await check(life)
      }

      expect(witness.surprises).toEqual([])
      expect(await server.kill('SIGTERM')).toEqual({ code: 0, signal: null })
      await judgeTheWhole(folder)
      server = await installation.start()
      report()
    },
    8 * 60_000,
  )

  /** What must hold right after each restart. */
  async function check(life: number): Promise<void> {
    const cli = await server.token()
    for (const token of [...witness.revoked.slice(-3), ...sample(witness.revoked, 2)]) {
      const answer = await server.ask('/v2/models/credit/infer', { token, json: creditRow(null) })
      expect([answer.status, answer.headers['redoubt-code']], `a token revoked before kill ${life}`).toEqual([401, 'ERR_TOKEN_REVOKED'])
    }
    const listed = JSON.parse((await server.ask('/api/v1/service-accounts', { token: cli })).body) as {
      serviceAccounts: { name: string }[]
    }
    const names = new Set(listed.serviceAccounts.map(({ name }) => name))
    expect(
      witness.accounts.filter((name) => !names.has(name)),
      `accounts lost by kill ${life}`,
    ).toEqual([])
    const last = witness.acknowledged.at(-1)!
    const entry = await server.ask(`/api/v1/audit/entries/${last.index}`, { token: cli })
    expect((JSON.parse(entry.body) as { event: { requestId: string } }).event.requestId).toBe(last.requestId)
    const searched = await server.search(cli, { requestId: last.requestId, type: 'inference.completion' })
    expect(
      searched.map(({ index }) => index),
      'the search index finds what was answered last',
    ).toEqual([last.index])
    const models = JSON.parse((await server.ask('/api/v1/models', { token: cli })).body) as {
      models: { name: string; deployed: boolean }[]
    }
    expect(models.models).toMatchObject([{ name: 'credit', deployed: true }])
    expect((await server.ask('/v2/models/credit/infer', { token: await server.token(appKey), json: creditRow('anna') })).status).toBe(200)
  }

  /** Reads the whole log without a server, by code of its own, and lays every promise beside it. */
  async function judgeTheWhole(folder: ReturnType<typeof nodeFolder>): Promise<void> {
    const { entries, size } = readStoredLog(installation.log)
    const events = entries.map((entry) => JSON.parse(entry.toString()) as Record<string, unknown>)
    const lost = witness.acknowledged.filter(({ index, requestId }) => events[index]?.['requestId'] !== requestId)
    expect(lost, 'acknowledged records that are not in the log').toEqual([])
    const byRequest = new Map<string, string[]>()
    for (const event of events)
      byRequest.set(String(event['requestId']), [...(byRequest.get(String(event['requestId'])) ?? []), String(event['type'])])
    for (const id of witness.streams) expect(byRequest.get(id), id).toEqual(['inference.admission', 'inference.completion'])

    const notes = [...witness.checkpoints, readFileSync(join(installation.log, 'checkpoint'), 'utf8')].map(parseNote)
    const roots = rootsAt(entries, new Set(notes.map((note) => note.size)))
    expect(
      notes.filter((note) => roots.get(note.size) !== note.root),
      'checkpoints that are not of this log',
    ).toEqual([])
    for (const olderCheckpoint of sample([...witness.checkpoints], 5)) {
      const verdict = await verifyLog({
        read: (path) => folder.read(path),
        verifierKey: installation.verifierKey,
        olderCheckpoint,
        bodies: 'required',
      })
      expect(verdict).toMatchObject({ ok: true, size })
    }

    // A request passes between its sending and its answer, so those wholly inside a window all passed in it.
    for (const { sent } of witness.quota) {
      const inside = witness.quota.filter((other) => other.sent >= sent && other.answered <= sent + QUOTA_WINDOW_MS)
      expect(inside.length).toBeLessThanOrEqual(QUOTA)
    }
    expect(witness.counts.quota, 'the quota was put to the test').toBeGreaterThan(QUOTA)
    console.log(`log of ${size} entries; ${witness.checkpoints.size} checkpoints seen, all of this log`)
  }

  function sample<T>(all: readonly T[], count: number): readonly T[] {
    return all.length === 0 ? [] : Array.from({ length: count }, () => all[Math.floor(random() * all.length)]!)
  }

  function report(): void {
    const sorted = readyMs.toSorted((a, b) => a - b)
    const ms = (value: number | undefined): string => `${Math.round(value ?? 0)} ms`
    console.log(
      `${KILLS} kills, ${witness.acknowledged.length} acknowledged records, 0 lost; ${JSON.stringify(witness.counts)}; ` +
        `restart to ready: median ${ms(sorted[sorted.length >> 1])}, worst ${ms(sorted.at(-1))}`,
    )
  }
})
