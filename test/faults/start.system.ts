import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { creditRow, freePort, Installation, seeded, SEED, WholeServer } from './whole-server.ts'

const START_SCRIPT = fileURLToPath(new URL('../../scripts/start.ts', import.meta.url))
/** Small enough to be instant, large enough to give the log several bundles. */
const ENTRIES = 600

describe('a whole server at its start', () => {
  const installation = new Installation()
  const outside = mkdtempSync(join(tmpdir(), 'redoubt-outside-'))
  const sound = mkdtempSync(join(tmpdir(), 'redoubt-sound-'))
  const random = seeded(SEED)

  beforeAll(async () => {
    console.log(`seed ${SEED}`)
    installation.configure(`audit: { outsideFolder: '${outside}' }\n`)
    const server = await installation.start()
    const token = await server.token()
    let size = 0
    while (size < ENTRIES) {
      const answers = await Promise.all(
        Array.from({ length: 16 }, (_, i) => server.ask('/v2/models/credit/infer', { token, json: creditRow(`person-${i}`) })),
      )
      size = Number(answers.at(-1)?.headers['redoubt-log-index'])
    }
    expect(await server.kill('SIGTERM')).toEqual({ code: 0, signal: null })
    cpSync(installation.dataDir, join(sound, 'data'), { recursive: true })
    cpSync(outside, join(sound, 'outside'), { recursive: true })
  })
  afterAll(() => {
    installation.remove()
    for (const folder of [outside, sound]) rmSync(folder, { recursive: true, force: true })
  })

  /** The data directory as it was when the server stopped well, and unless it is to be found out, the outside place too. */
  function restore(options: { readonly forgetful: boolean } = { forgetful: true }): void {
    const back = (folder: string, name: string): void => {
      rmSync(folder, { recursive: true, force: true })
      cpSync(join(sound, name), folder, { recursive: true })
    }
    back(installation.dataDir, 'data')
    if (options.forgetful) back(outside, 'outside')
  }

  async function refused(code: string): Promise<string> {
    const { code: exit, out, err } = await installation.command(['up'])
    expect([exit, out], err).toEqual([1, ''])
    expect(err).toContain(`code  ${code}\n`)
    expect(err).toMatch(/next {2}\S/)
    expect(err, 'words, not a stack').not.toMatch(/\n\s+at /)
    // Nothing stays locked by a start that failed.
    expect((await installation.command(['up'], { REDOUBT_PORT: '1' })).err).not.toContain('ERR_STORAGE_LOCKED')
    return err
  }

  async function starts(): Promise<WholeServer> {
    const server = await installation.start()
    expect((await server.ask('/v2/models/credit/infer', { token: await server.token(), json: creditRow(null) })).status).toBe(200)
    return server
  }

  const change = (path: string, edit: (bytes: Buffer) => Buffer): void => {
    const full = join(installation.dataDir, path)
    writeFileSync(full, edit(readFileSync(full)))
  }
  const flipped = (bytes: Buffer): Buffer => {
    const at = Math.floor(random() * bytes.byteLength)
    bytes[at]! ^= 1 << Math.floor(random() * 8)
    return bytes
  }

  it('is refused while another one has the data directory, which a kill frees (E3)', async () => {
    restore()
    const server = await starts()
    const other = await installation.command(['up'], { REDOUBT_PORT: String(await freePort()) })
    expect([other.code, other.out]).toEqual([1, ''])
    expect(other.err).toContain('ERR_STORAGE_LOCKED')
    expect(other.err).toContain(installation.dataDir)
    expect((await server.ask('/readyz', { token: null })).status).toBe(200)
    await server.kill('SIGKILL')
    await (await starts()).kill('SIGTERM')
  })

  it('says of a port that is taken that it is, and leaves nothing locked', async () => {
    restore()
    const server = await starts()
    const second = new Installation()
    second.port = installation.port
    const { code, err } = await second.command(['up'])
    expect(code).toBe(1)
    expect(err).toContain('EADDRINUSE')
    expect(err).toContain('--port')
    second.remove()
    await server.kill('SIGTERM')
  })

  it('refuses a wrong passphrase, and starts with the right one (A7)', async () => {
    restore()
    const path = join(installation.secretsDir, 'passphrase')
    const right = readFileSync(path)
    writeFileSync(path, 'wrong horse')
    await refused('ERR_KEYS_PASSPHRASE')
    writeFileSync(path, right)
    await (await starts()).kill('SIGTERM')
  })

  it('refuses a damaged or shortened keyring (A7)', async () => {
    restore()
    change('keys/keyring.json', flipped)
    await refused('ERR_KEYS_KEYRING_CORRUPT')
    restore()
    truncateSync(join(installation.dataDir, 'keys/keyring.json'), 100)
    await refused('ERR_KEYS_KEYRING_CORRUPT')
  })

  it('refuses a keyring that is gone from data that were sealed under it (A7)', async () => {
    restore()
    rmSync(join(installation.dataDir, 'keys'), { recursive: true })
    const { code, err } = await installation.command(['up'])
    expect([code, /ERR_KEYS_KEYRING_CORRUPT|ERR_AUDIT_CORRUPT/.test(err)], err).toEqual([1, true])
  })

  it.each([
    ['an edited checkpoint', () => change('log/checkpoint', (bytes) => Buffer.from(bytes.toString().replace(/\n(\d+)\n/, '\n1$1\n')))],
    ['an edited edge of the tree', () => change(newest('log/tile/0'), flipped)],
    ['an edited bundle at the edge', () => change(newest('log/tile/entries'), flipped)],
    ['a missing bundle at the edge', () => rmSync(join(installation.dataDir, newest('log/tile/entries')))],
    ['a log without its checkpoint', () => rmSync(join(installation.dataDir, 'log/checkpoint'))],
    ['a log that is gone', () => rmSync(join(installation.dataDir, 'log'), { recursive: true })],
  ])('refuses %s (E5)', async (_what, damage) => {
    restore()
    damage()
    await refused('ERR_AUDIT_CORRUPT')
  })

  /** The partial tile or bundle at the right edge, which every start checks; `verify` checks the rest. */
  function newest(folder: string): string {
    const files = readdirSync(join(installation.dataDir, folder), { recursive: true, encoding: 'utf8' })
    return join(
      folder,
      files.find((file) => /\.p\/\d+$/.test(file))!,
    )
  }

  it('refuses a whole data directory put back to an older state when an outside place knows better (E5)', async () => {
    restore()
    const server = await starts()
    const token = await server.token()
    await server.ask('/v2/models/credit/infer', { token, json: creditRow('a record that someone wants gone') })
    await server.kill('SIGTERM')
    restore({ forgetful: false })
    await refused('ERR_AUDIT_CORRUPT')
    // The outside place is the only witness: without it the older state is a log that verifies.
    restore()
    await (await starts()).kill('SIGTERM')
  })

  it('does not serve a model whose file was changed, records it, and serves the rest (D1)', async () => {
    restore()
    const first = await starts()
    const cli = await first.token()
    const trained = await first.ask('/api/v1/models/second/train', { token: cli, json: { dataset: 'credit', algorithm: 'logistic' } })
    expect(trained.body).toContain('"result"')
    const deployed = await first.ask('/api/v1/models/second/deploy', { token: cli, json: {} })
    expect(deployed.status, deployed.body).toBe(200)
    const { model } = JSON.parse(deployed.body) as { model: { digest: string } }
    await first.kill('SIGTERM')

    const objects = readdirSync(installation.dataDir, { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.startsWith('objects/models'),
    )
    const file = objects.find((path) => path.includes(model.digest.replace(/^sha256:/, ''))) ?? objects.toSorted().at(-1)!
    change(file, (bytes) => {
      bytes[bytes.byteLength - 100]! ^= 1
      return bytes
    })
    const second = await installation.start()
    const token = await second.token()
    const states = await Promise.all(
      ['credit', 'second'].map((name) => second.ask(`/v2/models/${name}/infer`, { token, json: creditRow(null) })),
    )
    expect(states.map(({ status }) => status)).toEqual([200, 404])
    const failed = await second.search(token, { type: 'model.load', outcome: 'failed' })
    expect(failed.length).toBe(1)
    await second.kill('SIGTERM')
  })

  it('leaves no core dump, whatever the limits of the system are (C11)', async () => {
    restore()
    const limitOf = (pid: number): string =>
      readFileSync(`/proc/${pid}/limits`, 'utf8')
        .split('\n')
        .find((line) => line.startsWith('Max core file size'))!
        .replace(/\s+/g, ' ')
    const server = await starts()
    expect(limitOf(server.pid)).toMatch(/^Max core file size 0 0 /)
    await server.kill('SIGTERM')

    const npm = spawn(process.execPath, [START_SCRIPT], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        REDOUBT_DATA_DIR: installation.dataDir,
        REDOUBT_SECRETS_DIR: installation.secretsDir,
        REDOUBT_PORT: String(installation.port),
      },
    })
    const started = new WholeServer(installation, npm)
    await started.untilReady()
    const { pid } = JSON.parse(readFileSync(join(installation.dataDir, 'server.json'), 'utf8')) as { pid: number }
    expect(pid).not.toBe(started.pid)
    expect(limitOf(pid)).toMatch(/^Max core file size 0 0 /)
    expect(await started.kill('SIGTERM')).toEqual({ code: 0, signal: null })
    expect(existsSync(`/proc/${pid}`)).toBe(false)
  })
})
