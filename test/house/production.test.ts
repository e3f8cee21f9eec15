import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { type AccountFile, BOOTSTRAP_KEY_FILE, readAccountFile, requestToken } from '#trust/client'
import { type Server, startServer } from '../../src/composition/compose.ts'
import { type Configuration, configuration } from '../../src/composition/configuration.ts'
import type { CoreDumps } from '../../src/composition/core-dumps.ts'
import { refuseInsecure } from '../../src/composition/insecure-defaults.ts'
import { passphrase } from '../../src/composition/secrets.ts'
import { QUICK_KDF } from './house.fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'redoubt-production-'))
afterAll(() => rmSync(folder, { recursive: true }))
const secretFile = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return `file:${path}`
}
const base = configuration({ port: 0, dataDir: join(folder, 'data') }, {})
const audit = { ...base.audit, outsideFolder: join(folder, 'outside') }
const production = (reference: string): Configuration => ({ ...base, profile: 'production', passphrase: reference, audit })

/** Of the test's process, which no shell has started without. */
const NO_CORE_DUMPS: CoreDumps = { limit: 0, memory: false }
const surroundings = { clock: systemClock, logger: silentLogger, kdf: QUICK_KDF, environment: {}, starterRows: 300 }

async function start(config: Configuration, coreDumps = NO_CORE_DUMPS): Promise<{ server: Server; warnings: readonly string[] }> {
  const warnings: string[] = []
  const server = await startServer(config, (message) => void warnings.push(message), { ...surroundings, coreDumps })
  await server.ready
  return { server, warnings }
}

const get = (server: Server, path: string, token?: string): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const sent = request(`${server.url}${path}`, { ca: readFileSync(server.caPath), agent: false, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    sent.once('error', reject).end()
  })

describe('production refuses to start', () => {
  it('with an insecure default, and names each (A4, E5)', async () => {
    expect(() => refuseInsecure({ ...base, profile: 'production' })).toThrowError(/`passphrase:`.*`audit\.witnesses`/)
    expect(() => refuseInsecure({ ...base, profile: 'production', audit })).toThrowError(/`passphrase:`/)
    expect(() => refuseInsecure({ ...base, profile: 'production', passphrase: 'env:X' })).toThrowError(/`audit\.witnesses`/)
    expect(() => refuseInsecure({ ...base, profile: 'production', passphrase: 'env:X', audit })).not.toThrow()
    expect(() => refuseInsecure(base)).not.toThrow()
    const unwatched = { ...production(secretFile('enough', 'long enough to be taken')), audit: base.audit, dataDir: join(folder, 'never') }
    await expect(start(unwatched)).rejects.toMatchObject({ code: 'ERR_CONFIG_INSECURE' })
    expect(existsSync(unwatched.dataDir)).toBe(false)
  })

  it('where a crash would leave a core file, before anything is made (A1)', async () => {
    const config = { ...production(secretFile('core', 'long enough to be taken')), dataDir: join(folder, 'never') }
    for (const limit of [null, 1]) {
      await expect(start(config, { limit, memory: false })).rejects.toMatchObject({ code: 'ERR_CONFIG_INSECURE' })
      expect(existsSync(config.dataDir)).toBe(false)
    }
  })

  it('with a passphrase that is short, empty, or open to everyone (A4)', () => {
    const take = (reference: string) => () => passphrase(production(reference), () => undefined)
    expect(take(secretFile('short', 'fifteen letters'))).toThrowError(/at least 16/)
    expect(take(secretFile('empty', '\n'))).toThrowError(/is empty/)
    const open = secretFile('open', 'long enough to be taken')
    chmodSync(open.slice(5), 0o644)
    expect(take(open)).toThrowError(/open to everyone/)
    expect(passphrase(production(secretFile('good', 'long enough to be taken\n')), () => undefined)).toEqual(
      new TextEncoder().encode('long enough to be taken'),
    )
  })
})

describe('the passphrase of development', () => {
  const secretsDir = join(folder, 'secrets-of-development')
  const take = () => passphrase({ ...base, secretsDir }, () => undefined)

  it('is made for its owner alone, and read only while it is (A4)', () => {
    const first = take()
    expect(first.byteLength).toBe(43)
    chmodSync(secretsDir, 0o755)
    expect(take()).toEqual(first)
    expect(statSync(secretsDir).mode & 0o777).toBe(0o700)
    chmodSync(join(secretsDir, 'passphrase'), 0o640)
    expect(take).toThrowError(/chmod 600/)
  })

  it('is not read through a link (A4)', () => {
    rmSync(join(secretsDir, 'passphrase'))
    symlinkSync(secretFile('elsewhere', 'chosen by somebody else').slice(5), join(secretsDir, 'passphrase'))
    expect(take).toThrowError(/no plain file/)
  })
})

describe('a house that was set up in development and goes into production', () => {
  let server: Server
  let bootstrap: AccountFile
  let officer: { accountId: string; privateKeyJwk: AccountFile['privateKeyJwk'] }
  const token = async (account: Pick<AccountFile, 'accountId' | 'privateKeyJwk'>): Promise<string> => {
    const { accountId, privateKeyJwk } = account
    return (await requestToken({ accountId, privateKeyJwk, baseUrl: server.url, ca: readFileSync(server.caPath) })).accessToken
  }
  const keyFile = join(base.secretsDir, BOOTSTRAP_KEY_FILE)
  let port = 0
  let warnings = ''

  beforeAll(async () => {
    const started = await start(base)
    server = started.server
    warnings = started.warnings.join('\n')
    port = Number(new URL(server.url).port)
    bootstrap = readAccountFile(keyFile)!
    const body = JSON.stringify({ name: 'officer', roles: ['security-officer'], purpose: 'security', legalBasis: 'legal-obligation' })
    const answer = await new Promise<string>((resolve, reject) => {
      token(bootstrap).then((bearer) => {
        const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json', 'content-length': body.length }
        const options = { method: 'POST', ca: readFileSync(server.caPath), agent: false, headers }
        const sent = request(`${server.url}/api/v1/service-accounts`, options, (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (part: string) => (text += part))
          response.on('end', () => resolve(text))
        })
        sent.once('error', reject).end(body)
      }, reject)
    })
    const { privateKeyJwk } = JSON.parse(answer) as { privateKeyJwk: AccountFile['privateKeyJwk'] }
    officer = { accountId: 'officer', privateKeyJwk }
    await server.close()
  })
  afterAll(() => server.close())

  const config = (): Configuration => ({
    ...production(`file:${join(base.secretsDir, 'passphrase')}`),
    server: { ...base.server, port },
  })

  it('was told of each insecure default, not only by doctor', () => {
    for (const words of ['bootstrap account', 'passphrase', 'no checkpoint leaves', 'no administrator', 'sandbox'])
      expect(warnings).toContain(words)
  })

  it('does not start while the key of the bootstrap account lies there (B3)', async () => {
    await expect(start(config())).rejects.toMatchObject({ code: 'ERR_CONFIG_INSECURE' })
  })

  describe('once that key is gone', () => {
    let told = ''
    beforeAll(async () => {
      rmSync(keyFile)
      const started = await start(config())
      server = started.server
      told = started.warnings.join('\n')
    })

    it('starts without bootstrap account and sandbox, and lets an administrator enrol (B3, B8)', async () => {
      expect(told).not.toMatch(/passphrase|checkpoint|sandbox|bootstrap/)
      expect(existsSync(keyFile)).toBe(false)
      expect(server.sandbox).toBe(false)
      expect(server.enrolmentLink).not.toBeNull()
      expect((await get(server, new URL(server.enrolmentLink!).pathname)).status).toBe(200)
      expect(existsSync(join(folder, 'outside', 'checkpoint'))).toBe(true)
    })

    it('gives the bootstrap account no token, with its key kept, and takes none of it (B3, B8)', async () => {
      await expect(token(bootstrap)).rejects.toMatchObject({ code: 'ERR_CLIENT_AUTHENTICATION' })
    })

    it('serves the accounts that were made before (B2)', async () => {
      const bearer = await token(officer)
      expect((await get(server, '/api/v1/service-accounts', bearer)).status).toBe(200)
      const status = JSON.parse((await get(server, '/api/v1/status', bearer)).text) as { profile: string; insecure: { what: string }[] }
      expect(status.profile).toBe('production')
      expect(status.insecure.map(({ what }) => what)).toEqual([
        'no administrator is enrolled',
        'administrators and other powerful people may sign in with any passkey, also with one that is copied between devices',
        'alerts are sent to nobody: they wait for someone to look',
      ])
      expect(JSON.parse((await get(server, '/v1/models', bearer)).text)).toMatchObject({ data: [] })
    })
  })
})
