/** The end of a person's data, against the whole server and its backups: who may, what is left, and what a backup from before still tells (A1, A7, E3). */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { startServer } from '../../src/composition/compose.ts'
import { configuration } from '../../src/composition/configuration.ts'
import { restoreBackup } from '../../src/interfaces/commands/backup/restore-backup.ts'
import { type House, type HouseAccount, openHouse, QUICK_KDF, starterRow } from './house.fixture.ts'
import { type Opened, openEverything } from './open-everything.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'
import { filesBelow, searchFiles } from './search-canaries.ts'

const WHO = 'Philippa-Erasable-1875'
const NOTE = 'her-unmistakable-footnote-5512'
const OTHER = 'Balthasar-Staying-2210'
const CANARIES = [WHO, NOTE].map((value) => ({ name: value, value: Buffer.from(value) }))
const QUERY = 'label=label&subject=person&sensitivity=restricted&purpose=credit-scoring&legalBasis=contract'

let house: House
let officer: HouseAccount
let folder: string
beforeAll(async () => {
  house = await openHouse()
  folder = mkdtempSync(join(tmpdir(), 'redoubt-erasing-'))
  officer = await house.account('officer', 'privacy-officer')
  await imported('people', 9_000)
  await imported('small', 40)
  await scoreFor(WHO)
  await scoreFor(OTHER)
  expect(
    (await house.call('POST', '/api/v1/models/learned/train', { token: house.token, json: { dataset: 'small', algorithm: 'logistic' } }))
      .text,
  ).toContain('"result"')
}, 19_000)
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

async function imported(name: string, rows: number): Promise<void> {
  const lines = Array.from({ length: rows }, (_, row) => {
    const hers = row === 5 || row === rows - 1
    return `${hers ? WHO : row % 7 === 0 ? OTHER : `p${row % 100}`},${hers ? NOTE : 'none'},${row % 13},${row % 2}`
  })
  const answer = await house.call('POST', `/api/v1/datasets/${name}/versions?${QUERY}`, {
    token: house.token,
    body: `person,note,amount,label\n${lines.join('\n')}\n`,
    headers: { 'content-type': 'text/csv' },
  })
  expect(answer.text).toContain('"result"')
}

async function scoreFor(subject: string): Promise<void> {
  const json = { parameters: { subject }, ...starterRow(subject === WHO ? { purpose: NOTE } : {}) }
  expect((await house.call('POST', '/v2/models/credit/infer', { token: house.token, json })).status).toBe(200)
}

const command = async (...words: string[]): Promise<{ code: number; out: string; err: string }> => runRedoubt(house, words, officer.token)
const json = async (...words: string[]): Promise<any> => {
  const { code, out, err } = await command(...words, '--json')
  expect([code, err]).toEqual([0, expect.anything()])
  return JSON.parse(out)
}
const backUp = (): Promise<{ data: string; keys: string; logSize: number }> =>
  json('backup', '--to', join(folder, 'backups'), '--keys-to', join(folder, 'key-backups'))
const passphrase = (): Uint8Array => Buffer.from(readFileSync(join(house.secretsDir, 'passphrase'), 'utf8').trim())
const origin = (): string => readFileSync(join(house.dataDir, 'log.vkey'), 'utf8').split('+')[0]!

async function readAll(name: string, data: string, keys: string): Promise<{ opened: Opened; dataDir: string; found: readonly string[] }> {
  const dataDir = join(folder, name)
  await restoreBackup({ from: data, keysFrom: keys, dataDir, progress: () => undefined })
  const into = join(folder, `${name}-in-clear`)
  const opened = await openEverything(dataDir, passphrase(), origin(), into)
  const found = searchFiles([...filesBelow(dataDir), ...filesBelow(into)], CANARIES).map(({ file }) => file)
  return { opened, dataDir, found }
}

describe('erasing (A1, A7, B2)', () => {
  it('is for privacy officers, and of the person’s key for those who may destroy keys', async () => {
    const ask = { subject: 'nobody', ground: 'objection' }
    for (const role of ['administrator', 'auditor', 'security-officer', 'data-scientist', 'ml-engineer', 'application']) {
      const { token } = await house.account(`e-${role}`, role)
      for (const [path, body] of [
        ['/api/v1/subjects/erase', ask],
        ['/api/v1/subjects/erase', { ...ask, dataset: 'small' }],
        ['/api/v1/datasets/small/shred', { ground: 'objection' }],
        ['/api/v1/holds', { on: { dataset: 'small' }, until: '2099-01-01T00:00:00Z', reason: 'r' }],
      ] as const)
        expect([role, path, (await house.call('POST', path, { token, json: body })).json.code]).toEqual([role, path, 'ERR_POLICY_DENIED'])
    }
    // Who may erase data sets in development may destroy no key.
    expect((await house.call('POST', '/api/v1/subjects/erase', { token: house.token, json: ask })).json.code).toBe('ERR_POLICY_DENIED')
    expect(
      (await house.call('POST', '/api/v1/datasets/small/shred', { token: house.token, json: { ground: 'objection' } })).json.code,
    ).toBe('ERR_POLICY_DENIED')
    const free = await house.call('POST', '/api/v1/subjects/erase', {
      token: officer.token,
      json: { ...ask, ground: 'because Philippa asked' },
    })
    expect(free.status).toBe(400)
  })

  it('waits for the end of a legal hold, and every way to erase does; the refusal is on record', async () => {
    const held = await json('data', 'hold', 'set', '--subject', WHO, '--until', '2099-12-31', '--reason', `${WHO} sues`)
    expect(held).toMatchObject({ kind: 'subject', state: 'held', until: Date.UTC(2099, 11, 31, 23, 59, 59) })
    for (const words of [
      ['data', 'erase', '--subject', WHO, '--ground', 'objection', '--yes'],
      ['data', 'erase', '--subject', WHO, '--dataset', 'small', '--ground', 'objection', '--yes'],
      ['data', 'shred', 'small', '--ground', 'objection', '--yes'],
      ['data', 'remove', 'small'],
      ['keys', 'destroy', '--subject', WHO, '--yes'],
    ]) {
      const { code, err } = await command(...words)
      expect([words.join(' '), code, err.includes('ERR_LEGAL_HOLD'), err.includes('2099-12-31'), err.includes('`officer`')]).toEqual([
        words.join(' '),
        1,
        true,
        true,
        true,
      ])
    }
    const refusals = await house.entries({ code: 'ERR_LEGAL_HOLD' })
    expect(refusals.filter(({ event }) => event['type'] === 'control.refusal')).toHaveLength(5)
    expect(JSON.stringify(await house.entries({ actor: 'ServiceAccount::officer' }))).not.toContain(WHO)
    expect((await command('data', 'hold', 'list')).out).toContain('a person')
    expect(await json('data', 'hold', 'lift', held.id, '--reason', 'settled')).toMatchObject({ state: 'lifted' })
  })
})

describe('what erasing says (A1)', () => {
  it('tells of a person of whom nothing was here, so that a misspelt name is no erasure', async () => {
    const { code, out, err } = await command('data', 'erase', '--subject', `${WHO} `, '--ground', 'objection', '--yes')
    expect([code, out.includes('0 sealed objects'), err]).toEqual([0, true, expect.stringContaining('neither rows nor a key')])
    expect((await house.call('GET', '/api/v1/datasets/small/rows?limit=1000', { token: officer.token })).text).toContain(NOTE)
  })

  it.each(['banana', '2027-02-30', '2027-13-01', '2027-02-30T12:00:00Z', '9999999-01-01', ''])('takes no `--until %s`', async (until) => {
    const { code, err } = await command('data', 'hold', 'set', '--subject', WHO, '--reason', 'r', '--until', until)
    expect([code, err]).toEqual([2, expect.stringContaining('such as 2027-06-30')])
  })
})

describe('a restore drill (A1, E3)', () => {
  it('reads the person in yesterday’s backup with yesterday’s keys, and nothing of them with today’s', async () => {
    const yesterday = await backUp()
    const before = await readAll('yesterday', yesterday.data, yesterday.keys)
    // The positive control: rows in objects, the call in the log.
    expect(before.found.some((file) => file.includes('datasets_'))).toBe(true)
    expect(before.found.some((file) => file.includes('entry-'))).toBe(true)
    expect(before.found.filter((file) => file.startsWith(`${before.dataDir}/`))).toEqual([])
    expect([...before.opened.objects.values()].filter((state) => state !== 'opened')).toEqual([])

    const out = join(folder, 'certificate.json')
    const erasure = await json('data', 'erase', '--subject', WHO, '--ground', 'consent-withdrawn', '--out', out, '--yes')
    expect(erasure.versions.map(({ name, rows }: { name: string; rows: number }) => [name, rows])).toEqual([
      ['people', 2],
      ['small', 2],
    ])
    // At once, for everyone.
    expect((await house.call('GET', '/api/v1/datasets/people/rows?limit=1000', { token: officer.token })).text).not.toContain(NOTE)
    expect((await json('model', 'show', 'learned')).versions[0].erasedSince.state).toBe('rows')
    expect((await command('model', 'show', 'learned')).out).toContain('rows erased since')

    const today = await backUp()
    const after = await readAll('today', today.data, today.keys)
    expect(after.found).toEqual([])
    expect([...after.opened.objects.values()].filter((state) => state !== 'opened')).toEqual([])

    const drill = await readAll('drill', yesterday.data, today.keys)
    expect(drill.found).toEqual([])
    // What is gone is gone by its keys, and what has nothing to do with it is there.
    const states = new Map([...drill.opened.objects].map(([path, state]) => [path, state]))
    expect(new Set(states.values())).toEqual(new Set(['opened', 'ERR_KEYS_DESTROYED']))
    expect([...states].filter(([path, state]) => state !== 'opened' && !path.startsWith('datasets/'))).toEqual([])
    expect(drill.opened.sealedFields.opened).toBeGreaterThan(0)
    expect(drill.opened.sealedFields.gone).toBeGreaterThan(0)

    // The certificate, offline, with the key that was fetched before.
    const key = join(folder, 'key.pem')
    writeFileSync(key, (await json('data', 'certificate-key')).publicKey)
    const statement = await json('data', 'verify-certificate', out, '--key', key)
    expect(statement).toMatchObject({
      erasure: erasure.id,
      pseudonym: erasure.pseudonym,
      ground: 'consent-withdrawn',
      by: { id: 'officer' },
    })
    const [tombstone] = await house.entries({ type: 'erasure.done' })
    expect(tombstone).toMatchObject({
      index: statement.log.index,
      event: { details: { erasure: erasure.id, erasedRows: 4, keys: statement.keys } },
    })
    expect(JSON.stringify([tombstone, statement])).not.toContain(WHO)
  }, 19_000)

  it('applies the erasures since to what was restored with the keys of its time, before it serves, and keeps everyone else', async () => {
    const dataDir = join(folder, 'served')
    const taken = (name: string, at: number): string => join(folder, name, readdirSync(join(folder, name)).toSorted().at(at)!)
    const [data, keys, today] = [taken('backups', 0), taken('key-backups', 0), taken('key-backups', -1)]
    const words = ['restore', '--from', data, '--keys-from', keys, '--erasures-from', today]
    // The directory of a server is not empty.
    const refused = await command(...words)
    expect([refused.code, refused.err.includes('ERR_CONFLICT')]).toEqual([1, true])
    const ask = { from: data, keysFrom: keys, erasuresFrom: today, dataDir, progress: () => undefined }
    expect(await restoreBackup(ask)).toMatchObject({ erasuresToApply: 1 })
    // The first server holds its secrets directory; what was restored opens with the same passphrase.
    const secretsDir = join(folder, 'served-secrets')
    mkdirSync(secretsDir, { mode: 0o700 })
    copyFileSync(join(house.secretsDir, 'passphrase'), join(secretsDir, 'passphrase'))
    const config = configuration({ port: 0, dataDir, secretsDir }, {})
    const surroundings = { clock: systemClock, logger: silentLogger, kdf: QUICK_KDF, environment: {}, holdInvariants: false }
    const server = await startServer(config, () => undefined, surroundings)
    await server.ready
    await server.close()
    const into = join(folder, 'served-in-clear')
    const { objects } = await openEverything(dataDir, passphrase(), origin(), into)
    expect(searchFiles([...filesBelow(dataDir), ...filesBelow(into)], CANARIES)).toEqual([])
    const others = searchFiles(filesBelow(into), [{ name: 'other', value: Buffer.from(OTHER) }])
    expect(others.some(({ file }) => file.includes('datasets_'))).toBe(true)
    expect([...objects.values()].filter((state) => state !== 'opened')).toEqual([])
  }, 60_000)
})

describe('shredding a data set (A1, A7)', () => {
  it('takes it with its keys, flags what learned from it, and never gives its name again', async () => {
    const shredded = await json('data', 'shred', 'small', '--ground', 'retention-ended', '--yes')
    expect(shredded).toMatchObject({ kind: 'dataset', datasets: ['small'], doneAt: expect.any(Number) })
    expect((await command('model', 'show', 'learned')).out).toContain('data shredded since')
    expect((await house.call('GET', '/api/v1/datasets/small', { token: officer.token })).json.code).toBe('ERR_DATA_UNKNOWN')
    const again = await house.call('POST', `/api/v1/datasets/small/versions?${QUERY}`, {
      token: house.token,
      body: 'person,note,amount,label\na,b,1,0\n',
      headers: { 'content-type': 'text/csv' },
    })
    expect(again.text).toContain('ERR_DATA_SHREDDED')
    const { out } = await command('data', 'erasures')
    expect(out.split('\n').filter((line) => line.includes('er_'))).toHaveLength(3)
  })
})
