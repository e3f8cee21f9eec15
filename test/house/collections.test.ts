/** Rows that applications add, against the whole server: over the routes and by the command line. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { runProgram } from '#interfaces/commands'
import { createProgram } from '../../src/composition/program.ts'
import { type Answer, type House, type HouseAccount, openHouse } from './house.fixture.ts'
import { filesBelow, searchFiles } from './search-canaries.ts'

const COLUMNS = [
  { name: 'patient', type: 'text' },
  { name: 'age', type: 'integer', nullable: true },
]
const MAKE = { columns: COLUMNS, subject: 'patient', sensitivity: 'restricted', purposes: ['credit-scoring'], legalBasis: 'contract' }
const CANARY = 'canary-patient-of-a-batch'

let house: House
let root: string
let app: HouseAccount
let other: HouseAccount
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'redoubt-collections-'))
  house = await openHouse()
  app = await house.account('collecting-app', 'application')
  other = await house.account('other-app', 'application')
  const made = await house.call('POST', '/api/v1/datasets/visits/collection', { token: house.token, json: { ...MAKE, collectors: [app.name] } }) // prettier-ignore
  if (made.status !== 200) throw new Error(made.text)
})
afterAll(async () => {
  await house.close()
  rmSync(root, { recursive: true, force: true })
})
afterEach(() => {
  delete process.env['REDOUBT_TOKEN']
})

const send = (account: HouseAccount, lines: string, headers: Record<string, string> = {}, name = 'visits'): Promise<Answer> =>
  house.call('POST', `/api/v1/datasets/${name}/rows`, {
    token: account.token,
    headers: { 'content-type': 'application/x-ndjson', ...headers },
    body: lines,
  })
const pending = async (): Promise<number> =>
  (await house.call('GET', '/api/v1/datasets/visits/collection', { token: house.token })).json.pending.rows as number

async function redoubt(token: string, ...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let out = ''
  let err = ''
  process.env['REDOUBT_TOKEN'] = token
  const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (err += text) }
  const code = await runProgram(createProgram(['redoubt']), ['node', 'redoubt', ...args, '--data-dir', house.dataDir], terminal)
  return { code, out, err }
}

describe('rows that applications add', () => {
  it('are taken from those whom the collection was granted to, and from no other (A9, B2)', async () => {
    const before = await pending()
    const taken = await send(app, `{"patient":"${CANARY}","age":31}\n{"patient":"two"}\n`)
    expect([taken.status, taken.json]).toEqual([200, { name: 'visits', batch: expect.stringMatching(/^rows_/), rows: 2, known: false }])
    expect(taken.headers['ratelimit-policy']).toBeDefined()
    const refused = await send(other, '{"patient":"no"}\n')
    expect([refused.status, refused.json.code]).toEqual([403, 'ERR_POLICY_DENIED'])
    // Whoever sets the house up adds none either.
    const owner = await house.call('POST', '/api/v1/datasets/visits/rows', { token: house.token, json: { rows: [{ patient: 'no' }] } })
    expect(owner.status).toBe(403)
    expect(await pending()).toBe(before + 2)
    const [entry] = await house.entries({ type: 'data.append', limit: '1' })
    expect(entry?.event).toMatchObject({ actor: { id: 'collecting-app' }, resource: { id: 'visits' }, details: { rows: 2, process: { pid: process.pid } } }) // prettier-ignore
    expect(JSON.stringify(entry)).not.toContain(CANARY)
  })

  it('are seen by none of those who add them, before and after they are a version (A9)', async () => {
    await send(app, '{"patient":"seen"}\n')
    const cut = await house.call('POST', '/api/v1/datasets/visits/collection/cut', { token: house.token })
    expect(cut.text).toContain('"type":"result"')
    for (const path of ['datasets/visits', 'datasets/visits/rows', 'datasets/visits/collection', 'datasets/visits/scan'])
      expect((await house.call('GET', `/api/v1/${path}`, { token: app.token })).status, path).toBe(403)
    for (const [path, json] of [
      ['query', {}],
      ['export', undefined],
    ] as const)
      // prettier-ignore
      expect((await house.call('POST', `/api/v1/datasets/visits/${path}`, { token: app.token, json })).status, path).toBe(403)
    expect((await house.call('GET', '/api/v1/datasets', { token: app.token })).json.datasets).toEqual([])
    expect((await house.call('GET', '/api/v1/collections', { token: other.token })).json.collections).toEqual([])
  })

  it('are refused as a batch with the bad ones named, and nothing is added (A9)', async () => {
    const before = await pending()
    const refused = await send(app, '{"patient":"a"}\n{"age":1}\n{"patient":"c","age":"old"}\n')
    expect([refused.status, refused.json.code, refused.json.named]).toEqual([422, 'ERR_DATA_ROWS', '1 2'])
    expect((await house.entries({ code: 'ERR_DATA_ROWS', limit: '1' }))[0]?.event).toMatchObject({ action: 'appendRows', outcome: 'refused' }) // prettier-ignore
    for (const [body, type, status] of [
      ['{"patient":"a"}', 'text/csv', 415],
      ['{"rows":{}}', 'application/json', 400],
      ['{"rows":[1]}', 'application/json', 422],
      ['not json', 'application/x-ndjson', 422],
      ['', 'application/x-ndjson', 400],
    ] as const)
      expect((await send(app, body, { 'content-type': type })).status, `${type} ${body}`).toBe(status)
    expect((await send(app, '{"patient":"a"}', { 'idempotency-key': 'two words' })).status).toBe(400)
    expect((await send(app, 'x'.repeat(5 * 2 ** 20))).status).toBe(413)
    expect((await send(app, '{"patient":"a"}', {}, 'nothing')).status).toBe(404)
    expect(await pending()).toBe(before)
  })

  it('are added once, however often they are sent under a key', async () => {
    const before = await pending()
    const key = { 'idempotency-key': 'batch-7' }
    const first = await send(app, '{"patient":"once"}\n', key)
    expect((await send(app, '{"patient":"once"}\n', key)).json).toEqual({ ...first.json, known: true })
    expect((await send(app, '{"patient":"twice"}\n', key)).status).toBe(409)
    expect(await pending()).toBe(before + 1)
  })

  it('wait when more comes in than fits in memory, and are told how long (A9)', async () => {
    const bytes = 4 * 2 ** 20
    const head = `POST /api/v1/datasets/visits/rows HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${app.token}\r\ncontent-type: application/x-ndjson\r\ncontent-length: ${bytes}\r\n\r\n{`
    const slow = await Promise.all(
      Array.from({ length: 16 }, async () => {
        const socket = await house.socket()
        socket.on('error', () => undefined).write(head)
        return socket
      }),
    )
    let answer = await send(app, '{"patient":"early"}\n')
    for (let tries = 0; tries < 100 && answer.status === 200; tries++) answer = await send(app, '{"patient":"early"}\n')
    expect([answer.status, answer.json.code, answer.headers['retry-after']]).toEqual([503, 'ERR_BUSY', '1'])
    for (const socket of slow) socket.destroy()
    for (let tries = 0; tries < 100 && answer.status === 503; tries++) answer = await send(app, '{"patient":"after"}\n')
    expect(answer.status).toBe(200)
  })

  it('are collected, appended and closed by the command line (A9, G1)', async () => {
    const owner = house.token
    const args = ['--columns', 'patient:text,age:integer?', '--subject', 'patient', '--sensitivity', 'restricted', '--purpose', 'credit-scoring', '--legal-basis', 'contract'] // prettier-ignore
    const made = await redoubt(owner, 'data', 'collect', 'calls', ...args)
    expect([made.code, made.err]).toEqual([0, ''])
    const file = join(root, 'calls.jsonl')
    writeFileSync(file, `${Array.from({ length: 4_500 }, (_, n) => JSON.stringify({ patient: `p${n % 70}`, age: n % 90 })).join('\n')}\n\n`)
    const early = await redoubt(app.token, 'data', 'append', 'calls', file)
    expect([early.code, early.err]).toEqual([1, expect.stringContaining('ERR_POLICY_DENIED')])
    expect((await redoubt(owner, 'data', 'collectors', 'calls', 'collecting-app')).code).toBe(0)
    expect((await redoubt(owner, 'data', 'collectors', 'calls', 'nobody-at-all')).err).toContain('ERR_NOT_FOUND')
    expect((await redoubt(app.token, 'data', 'append', 'calls', file)).out).toContain('added 4,500 rows')
    const again = await redoubt(app.token, 'data', 'append', 'calls', file, '--json')
    expect(JSON.parse(again.out)).toEqual({ name: 'calls', rows: 0, batches: 3, known: 4_500 })
    writeFileSync(file, '{"patient":"fine"}\n{"patient":"bad","age":"x"}\n')
    const bad = await redoubt(app.token, 'data', 'append', 'calls', file)
    expect([bad.code, bad.err]).toEqual([1, expect.stringContaining('of the batch that begins in line 1, row 1 has a `age`')])
    expect((await redoubt(owner, 'data', 'collectors', 'calls')).out).toContain('4,500 rows in none')
    expect((await redoubt(owner, 'data', 'collections')).out).toMatch(/calls +open/)
    // One name is not imported into and collected for at once.
    const imported = await house.call('POST', '/api/v1/datasets/calls/versions?sensitivity=internal&purpose=p&legalBasis=contract', { token: owner, headers: { 'content-type': 'text/csv' }, body: 'a\n1\n' }) // prettier-ignore
    expect(imported.json.code).toBe('ERR_CONFLICT')
    expect((await redoubt(owner, 'data', 'cut', 'calls')).out).toContain('version 1: 4,500 rows')
    expect((await redoubt(owner, 'data', 'close', 'calls')).out).toContain('takes no more rows')
    writeFileSync(file, '{"patient":"late"}\n')
    expect((await redoubt(app.token, 'data', 'append', 'calls', file)).err).toContain('ERR_CONFLICT')
    const why = await redoubt(owner, 'policy', 'why', '--account', 'collecting-app', '--action', 'appendRows', '--resource', 'Dataset::calls') // prettier-ignore
    expect(why.out).toContain('application-append-rows')
    expect((await redoubt(owner, 'data', 'remove', 'calls')).code).toBe(0)
    expect((await redoubt(owner, 'data', 'collections', '--json')).out).not.toContain('calls')
  })

  it('lie nowhere in clear, from their arrival on (A1, A9)', async () => {
    await send(app, `{"patient":"${CANARY}-again","age":7}\n`)
    const files = filesBelow(house.dataDir)
    expect(files.some((file) => file.includes('/collections/'))).toBe(true)
    expect(searchFiles(files, [{ name: 'patient', value: Buffer.from(CANARY) }])).toEqual([])
  })

  it('end with their person and with their data set, though they were in no version (A9, D3)', async () => {
    const officer = await house.account('privacy', 'privacy-officer')
    const WHO = 'erased-before-any-version'
    const ended = { ground: 'consent-withdrawn' }
    await house.call('POST', '/api/v1/datasets/beds/collection', { token: house.token, json: { ...MAKE, collectors: [app.name] } })
    await send(app, `{"patient":"${WHO}","age":9}\n{"patient":"staying","age":10}\n`, {}, 'beds')
    const erased = await house.call('POST', '/api/v1/subjects/erase', { token: officer.token, json: { subject: WHO, ...ended } })
    expect(erased.text).toContain('"result"')
    const rows = async () => (await house.call('GET', '/api/v1/datasets', { token: house.token })).json.datasets as { name: string; rows: number }[] // prettier-ignore
    expect((await rows()).filter(({ name }) => name === 'beds').map((one) => one.rows)).toEqual([1])
    await send(app, '{"patient":"late","age":11}\n', {}, 'beds')
    expect((await house.call('POST', '/api/v1/datasets/beds/shred', { token: officer.token, json: ended })).status).toBe(200)
    expect((await send(app, '{"patient":"later"}\n', {}, 'beds')).status).toBe(404)
    expect((await rows()).some(({ name }) => name === 'beds')).toBe(false)
  })

  it('are kept with their collection while a person in them is under a legal hold, though they are in no version (A9, D3)', async () => {
    const officer = await house.account('holder', 'privacy-officer')
    await house.call('POST', '/api/v1/datasets/wards/collection', { token: house.token, json: { ...MAKE, collectors: [app.name] } })
    const hold = { on: { subject: 'held' }, until: new Date(Date.now() + 3_600_000).toISOString(), reason: 'a case' }
    const { id } = (await house.call('POST', '/api/v1/holds', { token: officer.token, json: hold })).json as { id: string }
    await send(app, '{"patient":"held","age":1}\n', {}, 'wards')
    const remove = async (): Promise<Answer> => house.call('DELETE', '/api/v1/datasets/wards', { token: officer.token })
    const shred = async (): Promise<Answer> => house.call('POST', '/api/v1/datasets/wards/shred', { token: officer.token, json: { ground: 'objection' } }) // prettier-ignore
    expect((await remove()).json.code).toBe('ERR_LEGAL_HOLD')
    await send(app, '{"patient":"held","age":2}\n', {}, 'wards')
    expect((await shred()).json.code).toBe('ERR_LEGAL_HOLD')
    const wards = async (): Promise<number[]> =>
      ((await house.call('GET', '/api/v1/datasets', { token: house.token })).json.datasets as { name: string; rows: number }[])
        .filter(({ name }) => name === 'wards')
        .map(({ rows }) => rows)
    expect(Math.max(...(await wards()))).toBe(2)
    expect((await house.call('POST', `/api/v1/holds/${id}/lift`, { token: officer.token, json: { reason: 'over' } })).status).toBe(200)
    expect((await remove()).status).toBe(200)
    expect(await wards()).toEqual([])
  })
})
