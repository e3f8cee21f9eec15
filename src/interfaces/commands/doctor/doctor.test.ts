import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RedoubtError, systemClock } from '#foundation/core'
import { createCertificateAuthority } from '#foundation/crypto'
import { Client } from '../client.ts'
import type { Place } from '../place.ts'
import { runProgram, withGlobalOptions } from '../program.ts'
import { doctorCommand } from './doctor-command.ts'
import type { Finding } from './finding.ts'
import { legChecks } from './leg-checks.ts'
import { authorityCheck, diskCheck, nodeCheck, permissionChecks } from './host-checks.ts'
import { type Status, serverChecks, stateChecks, statusChecks, tlsChecks } from './server-checks.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const now = systemClock.now()
let place: Place
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-doctor-'))
  const dataDir = join(folder, 'data')
  const secretsDir = join(folder, 'secrets')
  for (const made of [dataDir, secretsDir]) mkdirSync(made, { mode: 0o700 })
  place = {
    url: 'https://localhost:1',
    dataDir,
    secretsDir,
    loginDir: secretsDir,
    caPath: join(dataDir, 'ca.pem'),
    systemAuthorities: false,
  }
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const healthy: Status = {
  version: '1.0.0',
  profile: 'production',
  now,
  ready: 'ready',
  administratorEnrolled: true,
  certificateNotAfter: now + DAY_MS,
  upstreams: [{ name: 'main', ok: true, detail: '' }],
  log: { ok: true, size: 10, published: 10, outside: [{ name: 'witness', size: 10, problem: null }] },
  alerts: {
    open: { info: 1, warning: 0, critical: 0 },
    unrecorded: 0,
    unsaved: 0,
    malformed: 0,
    lost: 0,
    undelivered: 0,
    places: [{ name: 'ops', waiting: 0, failures: 0, problem: null, delivered: 3, givenUp: 0 }],
    problem: null,
  },
  breakGlass: { unreviewed: 0, overdue: 0 },
  keyRotation: { error: null, move: null },
  keyReconciliation: { at: now, agrees: true, problem: null },
  coreDumps: { limit: 0, memory: false },
  insecure: [],
  conditions: { principals: 3, countryFile: { type: 'Country', builtAt: now - DAY_MS }, problem: null },
}

const states = (findings: readonly Finding[]): Record<string, string> =>
  Object.fromEntries(findings.map(({ check, state }) => [check, state]))

/** A file as its owner keeps it, whatever the umask. */
function write(path: string, mode: number, content = 'x'): void {
  writeFileSync(path, content)
  chmodSync(path, mode)
}

async function authority(at: number): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return createCertificateAuthority({ privateKey, publicKey, commonName: 'Redoubt local CA of a test', now: at })
}

describe('the doctor finds on this host', () => {
  it('a Node that is too old', () => {
    expect(nodeCheck('22.11.0')).toMatchObject({ state: 'problem', mend: expect.stringContaining('npm ci') })
    expect(nodeCheck('24.0.0').state).toBe('ok')
    expect(nodeCheck().state).toBe('ok')
  })

  it('a disk that is nearly or wholly full', () => {
    const free = (bytes: number) => diskCheck(place, () => ({ bavail: bytes / 4096, bsize: 4096 }))
    expect(free(100 * 1024 ** 2)).toMatchObject({ check: 'disk', state: 'problem' })
    expect(free(1024 ** 3).state).toBe('warning')
    expect(free(50 * 1024 ** 3).state).toBe('ok')
  })

  it('a data directory that is not there, and never calls that fine', () => {
    rmSync(place.dataDir, { recursive: true })
    expect(diskCheck(place).state).toBe('unknown')
    expect(permissionChecks(place)[0]?.state).toBe('unknown')
  })

  it('directories and secrets that others can open', () => {
    const check = () => states(permissionChecks(place))
    write(join(place.dataDir, 'redoubt.db'), 0o644)
    write(join(place.secretsDir, 'passphrase'), 0o600)
    expect(check()).toEqual({ 'permissions of data': 'ok', 'permissions of secrets': 'ok' })

    chmodSync(place.dataDir, 0o750)
    expect(check()['permissions of data']).toBe('problem')
    chmodSync(place.dataDir, 0o700)

    chmodSync(join(place.dataDir, 'redoubt.db'), 0o666)
    expect(check()['permissions of data']).toBe('problem')
    chmodSync(join(place.dataDir, 'redoubt.db'), 0o600)

    chmodSync(join(place.secretsDir, 'passphrase'), 0o640)
    expect(check()['permissions of secrets']).toBe('problem')
    mkdirSync(join(place.secretsDir, 'accounts'), { mode: 0o700 })
    chmodSync(join(place.secretsDir, 'passphrase'), 0o600)
    write(join(place.secretsDir, 'accounts', 'scorer.json'), 0o604)
    const [, secrets] = permissionChecks(place)
    expect(secrets).toMatchObject({
      state: 'problem',
      mend: expect.stringContaining('chmod'),
      detail: expect.stringContaining('scorer.json'),
    })
  })

  it('a local CA that is absent, over, or not begun', async () => {
    expect(authorityCheck(place, now).state).toBe('unknown')
    writeFileSync(place.caPath, await authority(now))
    expect(authorityCheck(place, now).state).toBe('ok')
    expect(authorityCheck(place, now - 30 * DAY_MS)).toMatchObject({ state: 'problem', mend: 'set the clock of this host' })
    expect(authorityCheck(place, now + 100 * 365 * DAY_MS)).toMatchObject({ state: 'problem' })
  })

  it('a local CA that is no certificate', () => {
    writeFileSync(place.caPath, 'nonsense')
    expect(authorityCheck(place, now)).toMatchObject({ check: 'local CA', state: 'problem' })
  })
})

describe('the doctor finds at the server', () => {
  it('that none answers', async () => {
    writeFileSync(place.caPath, await authority(now))
    const [finding, ...more] = await tlsChecks(new Client(place, 'token'), now)
    expect(finding).toMatchObject({ check: 'TLS', state: 'problem', mend: expect.stringContaining('start the server') })
    expect(more).toEqual([])
    expect(states(await serverChecks(new Client(place, 'token'), { now: () => now }))).toEqual({ TLS: 'problem' })
  })

  it('that something else answers on its port', async () => {
    writeFileSync(place.caPath, await authority(now))
    const plain = createServer((socket) => {
      socket.on('error', () => undefined).resume()
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    const url = `https://localhost:${(plain.address() as AddressInfo).port}`
    expect((await tlsChecks(new Client({ ...place, url }, 'token'), now))[0]?.state).toBe('problem')
    await new Promise((resolve) => plain.close(resolve))
  })

  const place503 = { name: 'ops', waiting: 2, failures: 4, problem: 'status 503', delivered: 0, givenUp: 1 }

  it('nothing when nothing is wrong', () => {
    expect(new Set(Object.values(states(statusChecks(healthy, now, now))))).toEqual(new Set(['ok']))
  })

  it.each<[string, Partial<Status>, string, string]>([
    ['a clock that differs', { now: now - 60_000 }, 'clock', 'problem'],
    ['a server that is not ready', { ready: 'failed' }, 'ready', 'problem'],
    ['a log that cannot be written', { log: { ...healthy.log, ok: false } }, 'audit log', 'problem'],
    [
      'a place outside that receives nothing',
      { log: { ...healthy.log, outside: [{ name: 'witness', size: -1, problem: 'ECONNREFUSED' }] } },
      'outside place',
      'problem',
    ],
    [
      'an upstream that cannot be reached',
      { upstreams: [{ name: 'main', ok: false, detail: 'cannot be reached' }] },
      'upstream',
      'problem',
    ],
    ['habits that cannot be saved', { conditions: { ...healthy.conditions, problem: 'ERR_STORAGE_IO' } }, 'habits', 'problem'],
    [
      'an old file of countries',
      { conditions: { ...healthy.conditions, countryFile: { type: 'Country', builtAt: now - 200 * DAY_MS } } },
      'country file',
      'warning',
    ],
    ['alerts that nobody acknowledged', { alerts: { ...healthy.alerts, open: { info: 0, warning: 2, critical: 1 } } }, 'alerts', 'warning'],
    ['alerts that cannot be saved', { alerts: { ...healthy.alerts, unsaved: 4, problem: 'ERR_STORAGE_IO' } }, 'alerts', 'problem'],
    ['alerts that cannot be read', { alerts: { ...healthy.alerts, open: null } }, 'alerts', 'problem'],
    ['alerts that the log did not take', { alerts: { ...healthy.alerts, unrecorded: 4 } }, 'alerts in the log', 'problem'],
    ['alerts that made room for others', { alerts: { ...healthy.alerts, lost: 1 } }, 'alerts lost', 'problem'],
    ['a place that takes no alerts', { alerts: { ...healthy.alerts, places: [place503] } }, 'alert place', 'problem'],
    [
      'a rotation that stopped',
      { keyRotation: { error: 'ERR_KEYS_PROVIDER_UNAVAILABLE', move: { from: 'pkcs11', to: 'transit', proved: false } } },
      'key rotation',
      'problem',
    ],
    [
      'a move that needs two providers',
      { keyRotation: { error: null, move: { from: 'pkcs11', to: 'transit', proved: false } } },
      'key rotation',
      'warning',
    ],
    [
      'uses of keys that are not all counted',
      { keyReconciliation: { at: now, agrees: null, problem: 'ERR_KEYS_PROVIDER_UNAVAILABLE' } },
      'key use',
      'warning',
    ],
    ['keys that were used past the record', { keyReconciliation: { at: now, agrees: false, problem: null } }, 'key use', 'problem'],
    [
      'uses of keys that cannot be held against the log',
      { keyReconciliation: { at: now, agrees: true, problem: 'ERR_KEYS_PROVIDER_UNAVAILABLE' } },
      'key use',
      'warning',
    ],
    ['a grant that waits for its review', { breakGlass: { unreviewed: 2, overdue: 0 } }, 'break-glass', 'warning'],
    ['a review that is overdue', { breakGlass: { unreviewed: 2, overdue: 1 } }, 'break-glass', 'problem'],
    ['grants that cannot be read', { breakGlass: { unreviewed: null, overdue: null } }, 'break-glass', 'problem'],
    ['a crash that leaves a core file', { coreDumps: { limit: null, memory: false } }, 'core dumps', 'warning'],
    ['a crash whose memory goes to a handler', { coreDumps: { limit: 0, memory: true } }, 'core dumps', 'warning'],
    ['an insecure default', { insecure: [{ what: 'the passphrase was generated', mend: 'name one' }] }, 'insecure default', 'warning'],
  ])('%s', (_name, change, check, state) => {
    const found = statusChecks({ ...healthy, ...change }, now, now).find((finding) => finding.check === check)
    expect(found).toMatchObject({ state, mend: expect.stringMatching(/\w/) })
  })
})

describe('the doctor looks at connections', () => {
  const leg = (name: string, verdict: string) => ({ leg: name, verdict, detail: 'no post-quantum hybrid' })
  const found = (...legs: object[]) => legChecks({ call: async () => ({ legs }) as never })

  it('and names each weak one, on development too, where it is used', async () => {
    expect(await found(leg('listener', 'protected'), leg('upstream/a', 'weak'), leg('mail/b', 'weak'))).toMatchObject([
      { check: 'connections', state: 'warning', detail: expect.stringContaining('`upstream/a`') },
      { check: 'connections', state: 'warning', detail: expect.stringContaining('`mail/b`') },
    ])
    expect(await found(leg('listener', 'protected'), leg('upstream/a', 'excepted'))).toMatchObject([{ state: 'ok' }])
  })

  it.each([
    ['ERR_POLICY_DENIED', 'warning'],
    ['ERR_SERVER_UNREACHABLE', 'unknown'],
  ] as const)('and never says that all is well when it could not look: %s', async (code, state) => {
    expect(await legChecks({ call: async () => Promise.reject(new RedoubtError(code, 'refused')) })).toMatchObject([
      { check: 'connections', state, mend: expect.stringMatching(/\w/) },
    ])
  })
})

describe('the doctor asks the server', () => {
  it('and takes a slow answer for no wrong clock, and a wrong one for one however slow', async () => {
    const clockOf = async (server: number): Promise<Finding | undefined> => {
      const times = [now, now + 60_000]
      const client = { call: async () => ({ ...healthy, now: server, legs: [] }) as never }
      return (await stateChecks(client, { now: () => times.shift()! })).find(({ check }) => check === 'clock')
    }
    for (const server of [now, now + 30_000, now + 61_000]) expect(await clockOf(server)).toMatchObject({ state: 'ok' })
    for (const server of [now - 3_000, now + 63_000])
      expect(await clockOf(server)).toMatchObject({ state: 'problem', detail: 'this host and the server differ by 3 s' })
  })

  it.each([
    ['ERR_AUDIT_UNAVAILABLE', 'problem', /log directory/],
    ['ERR_POLICY_DENIED', 'unknown', /redoubt login/],
    ['ERR_USAGE', 'unknown', /REDOUBT_TOKEN/],
  ] as const)('and says what to do about a refusal: %s', async (code, state, mend) => {
    const client = { call: async () => Promise.reject(new RedoubtError(code, 'refused')) }
    expect(await stateChecks(client, systemClock)).toMatchObject([{ check: 'server', state, mend: expect.stringMatching(mend) }])
  })
})

describe('redoubt doctor', () => {
  async function doctor(check: () => void, ...args: string[]): Promise<{ readonly code: number; readonly out: string }> {
    let out = ''
    const program = withGlobalOptions(new Command('redoubt')).addCommand(withGlobalOptions(doctorCommand(check)))
    const places = ['--data-dir', place.dataDir, '--secrets-dir', place.secretsDir, '--url', place.url]
    const code = await runProgram(program, ['node', 'redoubt', 'doctor', ...places, ...args], {
      writeOut: (text) => void (out += text),
      writeErr: () => undefined,
    })
    return { code, out }
  }

  it('ends with 1 and says what to mend', async () => {
    const { code, out } = await doctor(() => undefined)
    expect(code).toBe(1)
    expect(out).toMatch(/PROBLEM {2}TLS/)
    expect(out).toMatch(/UNKNOWN {2}local CA/)
    expect(out).toMatch(/\d to mend\n$/)
  })

  it('names the key of a configuration that is wrong', async () => {
    const wrong = (): never => {
      throw new RedoubtError('ERR_CONFIG_INVALID', 'the key `server.prot` is not known')
    }
    const { out } = await doctor(wrong, '--json')
    const { findings } = JSON.parse(out) as { findings: readonly Finding[] }
    expect(findings.find(({ check }) => check === 'configuration')).toMatchObject({
      state: 'problem',
      detail: 'the key `server.prot` is not known',
    })
  })
})
