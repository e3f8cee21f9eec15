import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodeFolder } from '#foundation/storage'
import { verifyLog } from '#trust/audit'
import { readStoredLog } from './log-reader.ts'
import { type AccountKey, type Answer, chatBody, creditRow, Installation, text, type WholeServer } from './whole-server.ts'

const DISK_MIB = 64
const REFUSED_WITHIN_MS = 10_000
const BACK_WITHIN_MS = 10_000
/** What a server without disk may say, and nothing else. */
const REFUSALS: ReadonlySet<unknown> = new Set(['ERR_AUDIT_UNAVAILABLE', 'ERR_STORAGE_FULL', 'ERR_STORAGE_IO'])

interface Acknowledged {
  readonly index: number
  readonly requestId: string
}

/** A server, its application account, and what was promised so far. */
class Place {
  readonly installation: Installation
  readonly acknowledged: Acknowledged[] = []
  server!: WholeServer
  cli = ''
  app = ''
  appKey!: AccountKey

  constructor(installation: Installation) {
    this.installation = installation
  }

  async start(): Promise<void> {
    this.server = await this.installation.start()
    this.cli = await this.server.token()
    this.appKey ??= await this.server.account(this.cli, 'app', 'application')
    this.app = await this.server.token(this.appKey)
  }

  async row(): Promise<Answer> {
    const answer = await this.server.ask('/v2/models/credit/infer', { token: this.app, json: creditRow('anna') })
    if (answer.status === 200)
      this.acknowledged.push({ index: Number(answer.headers['redoubt-log-index']), requestId: String(answer.headers['x-request-id']) })
    return answer
  }

  /** Every kind of work once. */
  async everything(serial: number): Promise<Readonly<Record<string, Answer>>> {
    const { server, app, cli } = this
    const stream = await server.open('/v1/chat/completions', { token: app, json: chatBody('count: 2', true) })
    return {
      row: await this.row(),
      chat: await server.ask('/v1/chat/completions', { token: app, json: chatBody('hello', false) }),
      stream: { status: stream.statusCode ?? 0, headers: stream.headers, body: await text(stream) },
      account: await server.ask('/api/v1/service-accounts', {
        token: cli,
        json: { name: `full-${serial}`, roles: ['application'], purpose: 'credit-scoring', legalBasis: 'contract' },
      }),
      search: await server.ask('/api/v1/audit/entries', { token: cli }),
      deploy: await server.ask('/api/v1/models/credit/deploy', { token: cli, json: {} }),
    }
  }

  /** Until the server refuses; what it answers before that counts as promised. */
  async untilRefused(): Promise<void> {
    const end = performance.now() + REFUSED_WITHIN_MS
    for (;;) {
      const answer = await this.row()
      if (answer.status !== 200) return
      if (performance.now() > end) throw new Error('the server goes on answering')
    }
  }

  async untilServed(): Promise<number> {
    const started = performance.now()
    for (;;) {
      const answer = await this.row()
      if (answer.status === 200) return performance.now() - started
      if (performance.now() - started > BACK_WITHIN_MS) throw new Error(`the server does not come back: ${answer.status} ${answer.body}`)
      await wait(50)
    }
  }

  async refusesEverything(): Promise<void> {
    for (let i = 0; i < 5; i++) {
      for (const [what, { status, headers, body }] of Object.entries(await this.everything(i))) {
        const code = headers['redoubt-code'] ?? (JSON.parse(body) as { code?: string }).code
        expect([status >= 500 && status !== 500, REFUSALS.has(code)], `${what}: ${status} ${body}`).toEqual([true, true])
      }
      await expect(this.server.token(this.appKey), 'no token is issued that is on no record').rejects.toThrow()
      const ready = await this.server.ask('/readyz', { token: null })
      expect([ready.status, ready.body]).toEqual([503, 'failed ERR_AUDIT_UNAVAILABLE\n'])
      await wait(200)
    }
  }

  /** Stops the server and lays every promise beside the log as it lies on disk. */
  async judge(): Promise<void> {
    expect(await this.server.kill('SIGTERM')).toEqual({ code: 0, signal: null })
    const folder = nodeFolder(this.installation.log)
    const verdict = await verifyLog({ read: (path) => folder.read(path), verifierKey: this.installation.verifierKey, bodies: 'required' })
    expect(verdict.findings).toEqual([])
    const { entries, size } = readStoredLog(this.installation.log)
    const requestIds = entries.map((entry) => (JSON.parse(entry.toString()) as { requestId?: string }).requestId)
    expect(this.acknowledged.filter(({ index, requestId }) => requestIds[index] !== requestId)).toEqual([])
    expect(new Set(this.acknowledged.map(({ index }) => index)).size, 'no index was given twice').toBe(this.acknowledged.length)
    console.log(`log of ${size} entries verifies; ${this.acknowledged.length} acknowledged, 0 lost`)
  }
}

describe('a whole server whose disk is full', () => {
  const disk = mkdtempSync(join(tmpdir(), 'redoubt-disk-'))
  const filler = join(disk, 'filler')
  let place: Place

  beforeAll(async () => {
    // A file system of its own: filling one that is shared would take down more than this test.
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m,mode=0700`, 'redoubt-faults', disk])
    place = new Place(new Installation(join(disk, 'data')))
    await place.start()
  })
  afterAll(async () => {
    await place.server.kill('SIGKILL')
    execFileSync('umount', [disk])
    rmSync(disk, { recursive: true, force: true })
    place.installation.remove()
  })

  function fill(): void {
    const file = openSync(filler, 'w')
    try {
      for (let bytes = 1_048_576; bytes >= 1; bytes = Math.floor(bytes / 2)) {
        try {
          while (writeSync(file, Buffer.alloc(bytes)) === bytes);
        } catch (thrown) {
          expect((thrown as NodeJS.ErrnoException).code).toBe('ENOSPC')
        }
      }
    } finally {
      closeSync(file)
    }
  }

  it('refuses everything with a code, serves nothing unrecorded, loses nothing, and comes back with the space (E3, E5)', async () => {
    for (let i = 0; i < 20; i++) expect((await place.row()).status).toBe(200)
    fill()
    await place.untilRefused()
    await place.refusesEverything()
    const doctor = await place.installation.command(['doctor', '--json'])
    expect(doctor.code).toBe(1)
    rmSync(filler)
    const backMs = await place.untilServed()
    expect((await place.server.ask('/readyz', { token: null })).status).toBe(200)
    for (let i = 0; i < 20; i++) expect((await place.row()).status).toBe(200)
    for (const [what, { status, body }] of Object.entries(await place.everything(100))) expect(status, `${what}: ${body}`).toBeLessThan(300)
    await place.judge()
    await place.start()
    console.log(`served again ${Math.round(backMs)} ms after the space was freed`)
  })

  it('does not start on a full disk, says so, and starts when there is space (E3)', async () => {
    fill()
    await place.untilRefused()
    await place.server.kill('SIGKILL')
    const refused = await place.installation.command(['up'])
    expect([refused.code, /ERR_STORAGE_FULL|ERR_STORAGE_IO|ERR_AUDIT_UNAVAILABLE/.test(refused.err)], refused.err).toEqual([1, true])
    expect(refused.err).not.toMatch(/\n\s+at /)
    rmSync(filler)
    await place.start()
    expect((await place.row()).status).toBe(200)
    await place.judge()
    await place.start()
  })
})

describe('a whole server whose log folder goes away', () => {
  const place = new Place(new Installation())
  beforeAll(() => place.start())
  afterAll(async () => {
    await place.server.kill('SIGKILL')
    place.installation.remove()
  })

  it('refuses everything while the folder is gone and goes on when it is back (E3, E5)', async () => {
    const { log } = place.installation
    for (let i = 0; i < 20; i++) expect((await place.row()).status).toBe(200)
    renameSync(log, `${log}.away`)
    await place.untilRefused()
    await place.refusesEverything()
    expect(existsSync(join(log, 'checkpoint')), 'no second log is begun in its place').toBe(false)
    rmSync(log, { recursive: true, force: true })
    renameSync(`${log}.away`, log)
    await place.untilServed()
    await place.judge()
    await place.start()
  })

  it('refuses everything while the folder is read-only and goes on when it is not (E3, E5)', async () => {
    const { log } = place.installation
    // Permissions do not bind root; a read-only mount binds everyone.
    execFileSync('mount', ['--bind', log, log])
    try {
      execFileSync('mount', ['-o', 'remount,bind,ro', log])
      await place.untilRefused()
      await place.refusesEverything()
    } finally {
      execFileSync('umount', ['-l', log])
    }
    await place.untilServed()
    await place.judge()
    await place.start()
  })

  it('does not begin a new log beside data that had one', async () => {
    const { log } = place.installation
    await place.server.kill('SIGKILL')
    renameSync(log, `${log}.away`)
    const refused = await place.installation.command(['up'])
    expect([refused.code, refused.err.includes('ERR_AUDIT_CORRUPT')], refused.err).toEqual([1, true])
    rmSync(log, { recursive: true, force: true })
    renameSync(`${log}.away`, log)
    await place.start()
    expect((await place.row()).status).toBe(200)
    expect(readFileSync(join(log, 'checkpoint'), 'utf8')).toContain('\n\n')
  })
})
