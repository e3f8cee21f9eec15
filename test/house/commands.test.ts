/** The whole command line against the whole server, in this process. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createProgram } from '../../src/composition/program.ts'
import { mlp } from '../fixtures/onnx-models.ts'
import { type House, openHouse, starterRow } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'

let house: House
let folder: string
beforeAll(async () => {
  house = await openHouse()
  folder = mkdtempSync(join(tmpdir(), 'redoubt-command-line-'))
})
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

const redoubt = (...args: string[]) => runRedoubt(house, args)

/** Runs a command with `--json` and demands that it is done. */
async function json(...args: string[]): Promise<any> {
  const { code, out, err } = await redoubt(...args, '--json')
  expect(`${args.join(' ')}: ${code} ${code === 0 ? '' : out}${err}`).toBe(`${args.join(' ')}: 0 `)
  return JSON.parse(out)
}

async function refused(code: string, ...args: string[]): Promise<void> {
  const words = await redoubt(...args)
  expect(`${args.join(' ')}: ${words.code} ${words.err}`).toContain(`${args.join(' ')}: 1 redoubt: `)
  expect(words.err).toContain(`code  ${code}\n  next  `)
  const document = await redoubt(...args, '--json')
  expect(document.code).toBe(1)
  expect(JSON.parse(document.out).error).toMatchObject({ code, status: expect.any(Number), next: expect.any(String) })
}

function leaves(command: Command, path: readonly string[] = []): readonly { readonly path: string; readonly command: Command }[] {
  if (command.commands.length === 0) return [{ path: path.join(' '), command }]
  return command.commands.flatMap((sub) => leaves(sub, [...path, sub.name()]))
}

describe('every command', () => {
  it('takes `--json` and the options that find the server, and says what it does', () => {
    const all = leaves(createProgram(['redoubt']))
    expect(all.length).toBeGreaterThan(25)
    for (const { path, command } of all) {
      const options = command.options.map(({ long }) => long)
      for (const wanted of ['--json', '--data-dir', '--secrets-dir', '--port', '--url']) expect(options, path).toContain(wanted)
      expect(command.description().length, path).toBeGreaterThan(5)
    }
  })

  it('ends with 2 for usage, with a hint and without asking the server', async () => {
    const before = await house.logSize()
    for (const args of [
      ['unheard'],
      ['data', 'import'],
      ['model', 'train', '--name', 'x'],
      ['keys', 'rotate', '--class', 'all'],
      ['keys', 'rotate'],
      ['keys', 'rotate', '--class', 'model', '--model', 'credit'],
      ['policy', 'why'],
    ]) {
      const { code, err } = await redoubt(...args)
      expect(`${args.join(' ')} ${code}`).toBe(`${args.join(' ')} 2`)
      expect(err.length).toBeGreaterThan(10)
    }
    for (const args of [
      ['data', 'import', '/nowhere.csv', '--name', 'x', '--sensitivity', 'internal', '--purpose', 'p', '--legal-basis', 'contract'],
      ['policy', 'put', '/nowhere.cedar'],
      ['model', 'register', '/nowhere.onnx', '--name', 'x', '--purpose', 'p'],
      ['audit', 'verify', '--proof', '/nowhere'],
      ['audit', 'verify', '--key', 'mistyped.vkey'],
      ['token', '--as', '../x'],
    ])
      expect((await redoubt(...args)).code, args.join(' ')).toBe(2)
    expect(await house.logSize()).toBe(before + 1)
  })
})

describe('from data to answer', () => {
  const csv = (): string => {
    const rows = Array.from({ length: 300 }, (_, i) => `${18 + (i % 60)},${i % 3 === 0 ? 'red' : 'blue'},${i % 3 === 0 ? 1 : 0}`)
    return `age,colour,label\n${rows.join('\n')}\n`
  }

  it('imports, trains, deploys and lists (B4)', async () => {
    const file = join(folder, 'table.csv')
    writeFileSync(file, csv())
    const options = [
      '--name',
      'table',
      '--label',
      'label',
      '--sensitivity',
      'restricted',
      '--purpose',
      'credit-scoring',
      '--legal-basis',
      'contract',
    ]
    expect(await json('data', 'import', file, ...options)).toMatchObject({ name: 'table', version: 1, rows: 300, label: 'label' })
    const trained = await json('model', 'train', '--dataset', 'table', '--algorithm', 'logistic', '--name', 'colours', '--seed', '3')
    expect(trained).toMatchObject({ name: 'colours', version: 1, signed: true, lineage: { dataset: { name: 'table', version: 1 } } })
    expect(trained.metrics.accuracy).toBeGreaterThan(0.9)
    expect(await json('model', 'deploy', 'colours')).toMatchObject({
      deployed: true,
      url: expect.stringMatching(/\/v2\/models\/colours\/infer$/),
    })
    expect((await json('model', 'list')).map(({ name }: { name: string }) => name)).toContain('colours')
    expect((await json('data', 'list')).map(({ name }: { name: string }) => name).toSorted()).toEqual(['credit', 'table'])
    expect((await redoubt('data', 'list')).out).toMatch(/^name +version +rows +sensitivity +purposes\n-+/)
    const bundle = await json('model', 'signature', 'colours', '--version', '1')
    expect(bundle.mediaType).toContain('sigstore.bundle')
    expect((await json('model', 'lineage', 'colours')).versions[0].lineage.codeDigest).toMatch(/^[0-9a-f]{64}$/)
  })

  it('names the line of a ragged row and ends with 1', async () => {
    const file = join(folder, 'ragged.csv')
    writeFileSync(file, 'a,b\n1,2\n3\n')
    const options = ['--name', 'ragged', '--sensitivity', 'internal', '--purpose', 'p', '--legal-basis', 'contract']
    await refused('ERR_DATA_RAGGED', 'data', 'import', file, ...options)
    expect((await redoubt('data', 'import', file, ...options)).err).toContain('3')
  })

  it('registers, deploys, quarantines and removes a model made elsewhere', async () => {
    const file = join(folder, 'foreign.onnx')
    writeFileSync(file, mlp())
    const registered = await json('model', 'register', file, '--name', 'foreign', '--purpose', 'credit-scoring')
    expect(registered).toMatchObject({ name: 'foreign', foreign: true, signed: true })
    expect(await json('model', 'deploy', 'foreign')).toMatchObject({ deployed: true })
    const { token } = await house.account('foreign-caller')
    const body = { inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4] }] }
    const scored = await house.call('POST', '/v2/models/foreign/infer', { token, json: body })
    expect(scored.status, scored.text).toBe(200)
    await refused('ERR_POLICY_DENIED', 'model', 'quarantine', 'foreign', '--reason', 'a test')
    expect(await json('model', 'remove', 'foreign')).toMatchObject({ removed: true })
    await refused('ERR_MODEL_UNKNOWN', 'model', 'deploy', 'foreign')
  })
})

describe('accounts and tokens', () => {
  it('makes an account, keeps its key here for its owner alone, and prints a bare token (B4)', async () => {
    const account = await json(
      'access',
      'service-accounts',
      'create',
      'scorer',
      '--role',
      'application',
      '--purpose',
      'credit-scoring',
      '--legal-basis',
      'contract',
    )
    expect(account).toMatchObject({ name: 'scorer', roles: ['application'] })
    expect(account.privateKey.startsWith(house.secretsDir)).toBe(true)
    expect(statSync(account.privateKey).mode & 0o777).toBe(0o600)
    expect(JSON.stringify({ ...account, privateKey: '' })).not.toContain('"d"')

    const { code, out } = await redoubt('token', '--as', 'scorer')
    expect(code).toBe(0)
    expect(out).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/)
    const whoami = await house.call('GET', '/api/v1/whoami', { token: out.trim() })
    expect(whoami.json).toMatchObject({ name: 'scorer', purpose: 'credit-scoring' })

    expect(await json('token', '--as', 'scorer', '--revoke', out.trim())).toEqual({ revoked: true })
    expect((await house.call('GET', '/api/v1/whoami', { token: out.trim() })).json.code).toBe('ERR_TOKEN_REVOKED')
    expect((await json('access', 'service-accounts', 'list')).map(({ name }: { name: string }) => name)).toContain('scorer')
    expect(await json('access', 'service-accounts', 'disable', 'scorer')).toMatchObject({ disabled: true })
    await refused('ERR_CLIENT_AUTHENTICATION', 'token', '--as', 'scorer')
  })

  it('refuses a name that is none or is taken, and a role that there is not', async () => {
    const create = (name: string, ...more: string[]) => ['access', 'service-accounts', 'create', name, '--legal-basis', 'contract', ...more]
    const { code, err } = await redoubt(...create('UPPER', '--role', 'application', '--purpose', 'x'))
    expect([code, err]).toEqual([2, expect.stringContaining('code  ERR_USAGE')])
    await json(...create('taken', '--role', 'auditor', '--purpose', 'audit'))
    await refused('ERR_CONFLICT', ...create('taken', '--role', 'auditor', '--purpose', 'audit'))
    expect((await redoubt(...create('boss', '--role', 'bootstrap', '--purpose', 'x'))).code).toBe(2)
  })

  it('says where to look when this host does not hold the key', async () => {
    const { code, err } = await redoubt('token', '--as', 'stranger')
    expect(code).toBe(2)
    expect(err).toContain('REDOUBT_SECRETS_DIR')
    for (const line of err.split('\n')) expect(line.length <= 80 || line.includes('/')).toBe(true)
  })
})

describe('the record', () => {
  it('is searched, shown, proved and verified offline (E3, E5)', async () => {
    const found = await json('audit', 'search', '--type', 'server.start')
    expect(found.entries[0].event).toMatchObject({ type: 'server.start', outcome: 'success' })
    const index = String(found.entries[0].index)
    expect(await json('audit', 'show', index)).toMatchObject({ event: { type: 'server.start' }, personal: [] })
    const name = join(folder, 'start')
    const proof = await json('audit', 'prove', index, '--out', name)
    const verify = ['audit', 'verify', '--proof', `${name}.tlog-proof`, '--entry', `${name}.entry`, '--key', proof.verifierKey]
    expect(await json(...verify)).toMatchObject({ ok: true, index: Number(index) })

    writeFileSync(`${name}.entry`, readFileSync(`${name}.entry`, 'utf8').replace('success', 'refused'))
    const tampered = await redoubt(...verify, '--json')
    expect(tampered.code).toBe(1)
    expect(JSON.parse(tampered.out)).toMatchObject({ ok: false })
    await refused('ERR_NOT_FOUND', 'audit', 'show', '99999')
  })

  it('is verified as a whole from its folder, without a server’s word', async () => {
    const log = await json('audit', 'key')
    expect(log.verifierKey).toMatch(/^redoubt/)
    const verdict = await json('audit', 'verify', '--key', log.verifierKey)
    expect(verdict).toMatchObject({ ok: true })
    expect(verdict.checked.entries).toBeGreaterThanOrEqual(log.size)
  })

  it('is not whole without the sealed personal fields that entries commit to, unless it is said that a copy leaves them out (E5)', async () => {
    const { token } = await house.account('person-asked-about')
    const row = { ...starterRow(), parameters: { subject: 'applicant-4711' } }
    expect((await house.call('POST', '/v2/models/credit/infer', { token, json: row })).status).toBe(200)
    const { verifierKey } = await json('audit', 'key')
    const copy = join(folder, 'log')
    const verify = ['audit', 'verify', '--log', copy, '--key', verifierKey]
    await expect
      .poll(
        async () => {
          rmSync(copy, { recursive: true, force: true })
          cpSync(join(house.dataDir, 'log'), copy, { recursive: true })
          return JSON.parse((await redoubt(...verify, '--json')).out).checked.bodies
        },
        { timeout: 10_000 },
      )
      .toBeGreaterThan(0)
    expect(await json(...verify)).toMatchObject({ ok: true, checked: { bodiesMissing: 0 } })
    rmSync(join(copy, 'bodies'), { recursive: true })
    const dropped = await redoubt(...verify, '--json')
    expect(dropped.code).toBe(1)
    expect(JSON.parse(dropped.out).findings).toContainEqual(
      expect.objectContaining({ kind: 'missing', path: expect.stringContaining('bodies/') }),
    )
    expect(await json(...verify, '--without-bodies')).toMatchObject({ ok: true, checked: { bodies: 0 } })
    expect((await redoubt(...verify, '--without-bodies')).out).toContain('were not checked')
  })
})

describe('keys and policies', () => {
  it('lists keys, neither rotates nor destroys any as the account of this host, and destroys the key of a person for an officer (A7, B2)', async () => {
    const before = await json('keys', 'list')
    expect(JSON.stringify(before)).not.toMatch(/"d"|PRIVATE/)
    await refused('ERR_POLICY_DENIED', 'keys', 'rotate', '--class', 'model')
    const destroy = ['keys', 'destroy', '--subject', 'nobody-of-ours']
    // It cannot be undone, so scripts say that it is meant; and it is for officers.
    expect((await redoubt(...destroy)).code).toBe(2)
    await refused('ERR_POLICY_DENIED', ...destroy, '--yes')
    process.env['REDOUBT_TOKEN'] = (await house.account('key-officer', 'privacy-officer', 'subject-rights')).token
    try {
      expect(await json(...destroy, '--yes')).toMatchObject({ destroyed: false })
    } finally {
      delete process.env['REDOUBT_TOKEN']
    }
  })

  it('rotates the keys of one model for an officer, moves its files while it serves, and tells how far it is (A5)', async () => {
    process.env['REDOUBT_TOKEN'] = (await house.account('rotator', 'security-officer', 'administration')).token
    try {
      expect(await json('keys', 'rotate', '--model', 'credit')).toMatchObject({ version: 2 })
      await refused('ERR_KEYS_UNKNOWN', 'keys', 'rotate', '--dataset', 'never-heard-of')
      await json('keys', 'rotate', '--class', 'configuration')
      const stored = readdirSync(join(house.dataDir, 'objects'), { recursive: true, encoding: 'utf8' }).filter((name) =>
        name.endsWith('.rdbt'),
      )
      expect(stored.length).toBeGreaterThan(2)
      await vi.waitFor(
        async () => {
          const { doing, error, objects, keys, retirements } = await json('keys', 'rotation')
          // Whatever lies sealed is known to the rotation, and so is every room that keeps a key of its own.
          expect({ doing, error, seen: objects.seen, failed: [objects.failed, keys.failed] }).toEqual({
            doing: 'idle',
            error: null,
            seen: stored.length,
            failed: [0, 0],
          })
          expect(retirements).toMatchObject([
            { version: 1, phase: 'move', compromised: false },
            { version: 1, phase: 'move', compromised: false },
          ])
        },
        { timeout: 20_000, interval: 200 },
      )
      const rooms = ['approvals.db', 'oversight.db'].map((file) => {
        const database = new DatabaseSync(join(house.dataDir, file), { readOnly: true })
        const { wrapped } = database.prepare('SELECT wrapped FROM room_key').get() as { wrapped: string }
        database.close()
        return JSON.parse(wrapped).version
      })
      expect(rooms).toEqual([2, 2])
      const chain = (await json('keys', 'list')).filter(({ owner }: { owner?: string }) => owner === 'credit')
      const versions = chain.filter(({ keyClass }: { keyClass: string }) => keyClass === 'model')
      expect(versions.map(({ version, state }: { version: number; state: string }) => [version, state])).toEqual([
        [1, 'retired'],
        [2, 'primary'],
      ])
    } finally {
      delete process.env['REDOUBT_TOKEN']
    }
    const moved = await json('audit', 'search', '--type', 'key.rewrap')
    expect(moved.entries.length).toBeGreaterThan(0)
  })

  it('puts a policy in force, explains a decision by it, and removes it', async () => {
    const file = join(folder, 'closed.cedar')
    writeFileSync(file, '@id("closed") forbid (principal, action == Action::"invoke", resource == Model::"credit");')
    await house.account('asker')
    const put = await json('policy', 'put', file)
    expect(put).toMatchObject({ name: 'closed', digest: expect.stringMatching(/^[0-9a-f]{64}$/) })
    const why = await json('policy', 'why', '--account', 'asker', '--resource', 'Model::credit')
    expect(JSON.stringify(why)).toContain('closed')
    expect(why.effect ?? why.decision?.effect).toBe('deny')
    expect((await json('policy', 'list')).files.map(({ name }: { name: string }) => name)).toContain('closed.cedar')
    expect((await json('policy', 'remove', 'closed')).digest).not.toBe(put.digest)
    writeFileSync(file, 'permit (principal')
    await refused('ERR_POLICY_INVALID', 'policy', 'put', file)
  })
})

describe('redoubt limits suggest', () => {
  it('proposes limits from what was used, beside those in force (C4)', async () => {
    const { token } = await house.account('limited')
    for (let n = 0; n < 3; n++)
      expect((await house.call('POST', '/v2/models/credit/infer', { token, json: starterRow() })).status).toBe(200)
    const answer = await json('limits', 'suggest', '--since', '24h', '--headroom', '2')
    const own = answer.limits.find(({ endpoint }: { endpoint: string }) => endpoint === 'Model::credit')
    expect(own.proposed.map(({ unit, refused }: { unit: string; refused: number }) => `${unit} ${refused}`)).toEqual([
      'requests 0',
      'requests 0',
      'rows 0',
      'rows 0',
    ])
    expect(own.proposed[0]).toMatchObject({ windowMs: 60_000, peak: 3, amount: 6 })
    expect(own).toMatchObject({
      role: 'application',
      present: [{ unit: 'requests' }, { unit: 'rows', windowMs: 3_600_000, amount: 200_000 }],
    })
    const { out } = await redoubt('limits', 'suggest')
    expect(out).toMatch(/@limit\("requests \d+\/1m, requests \d+\/1d, rows \d+\/1h, rows \d+\/1d"\)/)
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
    expect((await redoubt('limits', 'suggest', '--keep', '7')).code).toBe(2)
  })
})

describe('redoubt doctor', () => {
  it('looks at host and server, and says that a development server has insecure defaults', async () => {
    const { code, out } = await redoubt('doctor', '--json')
    const { findings } = JSON.parse(out) as { findings: readonly { check: string; state: string; detail: string }[] }
    const bad = findings.filter(({ state }) => state === 'problem' || state === 'unknown')
    expect(bad).toEqual([])
    expect(code).toBe(0)
    for (const check of ['TLS', 'TLS 1.2', 'certificate', 'clock', 'ready', 'audit log', 'upstream', 'local CA', 'disk'])
      expect(findings.map((finding) => finding.check)).toContain(check)
    expect(findings.find(({ check }) => check === 'TLS')?.detail).toContain('X25519MLKEM768')
    expect(findings.some(({ check, state }) => check === 'insecure default' && state === 'warning')).toBe(true)
    for (const line of (await redoubt('doctor')).out.split('\n')) expect(line.length <= 80 || line.includes('/'), line).toBe(true)
  })

  it('says when no server answers', async () => {
    const { code, err } = await redoubt('whoami', '--url', 'https://localhost:1')
    expect(code).toBe(1)
    expect(err).toContain('ERR_SERVER_UNREACHABLE')
    expect(err).toContain('redoubt up')
  })
})
