import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCollections, rowsOfLines, rowsOfObjects } from '#assets/collections'
import { openDatasets } from '#assets/datasets'
import { systemClock } from '#foundation/core'
import { sealObject } from '#foundation/crypto'
import { type Database, nodeFolder, openDatabase } from '#foundation/storage'
import { openAuditLog } from '#trust/audit'
import { keysConfigSchema, openKeyring } from '#trust/keys'
import { runProgram, withGlobalOptions } from '../program.ts'
import { escrowCommand } from './escrow-commands.ts'
import { recipientCommand } from './recipient-command.ts'

const PLAINTEXT = Buffer.alloc(300_000, 'a row group ')
const COLUMNS = [
  { name: 'who', type: 'text', nullable: false },
  { name: 'age', type: 'integer', nullable: true },
] as const
const ROWS = [{ who: 'ann', age: 41 }, { who: 'bob' }, { who: 'cleo, "the"', age: 7 }]
const folder = mkdtempSync(join(tmpdir(), 'redoubt-escrow-'))
const at = (...names: string[]): string => join(folder, ...names)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function redoubt(...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const program = withGlobalOptions(new Command('redoubt').enablePositionalOptions())
  for (const command of [escrowCommand(), recipientCommand()]) {
    program.addCommand(withGlobalOptions(command))
    for (const inner of command.commands) withGlobalOptions(inner)
  }
  let out = ''
  let err = ''
  const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (err += text) }
  const code = await runProgram(program, ['node', 'redoubt', ...args, '--data-dir', folder], terminal)
  return { code, out, err }
}

const use = { principal: { type: 'System', id: 'test' }, purpose: 'test', resource: { type: 'Dataset', id: 'adult' } } as const
let data: Database
let segment: string
let gone: string
beforeAll(async () => {
  for (const name of ['ada', 'bob']) expect((await redoubt('recipient', '--out', at(name), '--no-passphrase')).code).toBe(0)
  const database = openDatabase(at('keys.db'))
  mkdirSync(at('objects'))
  const keyring = await openKeyring({
    folder: nodeFolder(at('keys')),
    database,
    passphrase: Buffer.from('a passphrase that is lost'),
    clock: systemClock,
    kdf: { memoryKiB: 19_456, passes: 2, parallelism: 1 },
    escrow: [readFileSync(at('ada.pub'), 'utf8').trim()],
  })
  const keys = keyring.keys({ record: async () => ({ index: 0, leafHash: '' }) })
  const key = await keys.generateDataKey({ keyClass: 'dataset', name: 'adult' }, 'dataset/adult/1', use)
  await sealObject(nodeFolder(at('objects')), 'group', key, [PLAINTEXT], {})
  data = openDatabase(at('redoubt.db'))
  const objects = nodeFolder(at('objects'))
  const holds = { demandNone: () => undefined, heldSubjects: () => [] }
  const audit = { record: async () => ({ index: 0, leafHash: '' }) }
  const common = { database: data, objects, keys, audit, clock: systemClock, environment: 'development' } as const
  const datasets = openDatasets({ ...common, sealer: keyring.sealer, holds })
  const collections = openCollections({ ...common, datasets, holds, digestKey: new Uint8Array(32), codeDigest: async () => 'c' })
  for (const name of ['visits', 'gone']) {
    await collections.create({ name, columns: COLUMNS, subject: 'who', sensitivity: 'internal', purposes: ['care'], legalBasis: 'contract', collectors: [], cutHours: null, by: use.principal }) // prettier-ignore
    for (const [key, some] of [['a', ROWS.slice(0, 2)], ['b', ROWS.slice(2)]] as const)
      await collections.append(name, { rows: rowsOfObjects(some, COLUMNS), bytes: 100, key, by: use.principal, purpose: 'care' }) // prettier-ignore
  }
  await collections.end()
  const [visits, other] = ['visits', 'gone'].map((name) =>
    readdirSync(at('objects', 'collections')).find((file) => file.startsWith(collections.get(name)!.id))!,
  )
  copyFileSync(at('objects', 'collections', other!), at('segment-of-what-is-gone'))
  segment = at('objects', 'collections', visits!)
  gone = collections.get('gone')!.id
  await collections.remove('gone', use)
  await data.close()
  await keys.close()
  keyring.close()
  await database.close()
  // The provider is lost.
  rmSync(at('keys'), { recursive: true })
}, 60_000)

describe('redoubt keys escrow open (A4)', () => {
  const open = (key: string, out: string, object = at('objects', 'group'), database = at('keys.db'), data?: string) =>
    redoubt(
      'escrow',
      'open',
      object,
      '--keys-db',
      database,
      '--key',
      at(key),
      '--out',
      at(out),
      '--json',
      ...(data === undefined ? [] : ['--data-db', data]),
    )

  it('opens an object of a backup by the key of a recipient, and leaves the backup as it is', async () => {
    const before = readFileSync(at('keys.db'))
    const { code, out, err } = await open('ada', 'opened')
    expect([code, err]).toEqual([0, ''])
    expect(JSON.parse(out)).toMatchObject({ bytes: PLAINTEXT.byteLength, resource: 'dataset/adult/1' })
    expect(readFileSync(at('opened')).equals(PLAINTEXT)).toBe(true)
    expect(readFileSync(at('keys.db')).equals(before)).toBe(true)
  })

  it('opens rows that were in no version yet, as they may be sent again', async () => {
    const { code, out, err } = await open('ada', 'rows.jsonl', segment, at('keys.db'), at('redoubt.db'))
    expect([code, err]).toEqual([0, ''])
    expect(JSON.parse(out)).toMatchObject({ rows: 3, collection: 'visits' })
    const lines = readFileSync(at('rows.jsonl'))
    expect(lines.toString().trim().split('\n').map((line) => JSON.parse(line))).toEqual(ROWS.map((row) => ({ age: null, ...row }))) // prettier-ignore
    expect(rowsOfLines(lines, COLUMNS)).toEqual(rowsOfObjects(ROWS, COLUMNS))
    // A frame that was changed, one that is missing, and a file that is cut: nothing of it is given.
    const whole = readFileSync(segment)
    const changed = Buffer.from(whole)
    changed[4_096 + 40]! ^= 1
    writeFileSync(at('changed'), changed)
    const second = 4_096 + 20 + whole.readUInt32LE(4_096 + 16)
    writeFileSync(at('shorter'), Buffer.concat([whole.subarray(0, second), whole.subarray(second + 20 + whole.readUInt32LE(second + 16))]))
    writeFileSync(at('no-header'), whole.subarray(0, 100))
    const refused = [
      [await open('bob', 'none', segment, at('keys.db'), at('redoubt.db')), 'ERR_CRYPTO_NO_KEY'],
      [await open('ada', 'none', segment), 'ERR_USAGE'],
      [await open('ada', 'none', segment, at('keys.db'), at('keys.db')), 'ERR_STORAGE_CORRUPT'],
      [await open('ada', 'none', at('changed'), at('keys.db'), at('redoubt.db')), 'ERR_STORAGE_CORRUPT'],
      [await open('ada', 'none', at('shorter'), at('keys.db'), at('redoubt.db')), 'ERR_STORAGE_CORRUPT'],
      [await open('ada', 'none', at('no-header'), at('keys.db'), at('redoubt.db')), 'ERR_STORAGE_CORRUPT'],
    ] as const
    for (const [{ code: ended, err: said, out: told }, expected] of refused) expect([ended === 0, said + told]).toEqual([false, expect.stringContaining(expected)]) // prettier-ignore
    expect(readdirSync(folder).filter((name) => name.startsWith('none'))).toEqual([])
  })

  it('does not open rows of a collection whose keys were destroyed, where a copy of them is left', async () => {
    const database = openDatabase(at('redoubt.db'))
    // Of the database that the data came with, from before the removal.
    database.raw.prepare('UPDATE collections SET id = ?').run(gone)
    await database.close()
    const { code, err, out } = await open('ada', 'none', at('segment-of-what-is-gone'), at('keys.db'), at('redoubt.db'))
    expect([code === 0, err + out]).toEqual([false, expect.stringContaining('ERR_KEYS_DESTROYED')])
  })

  it('leaves nothing where the key, the object or the database is another, or damaged', async () => {
    const object = readFileSync(at('objects', 'group'))
    object[object.byteLength - 40]! ^= 1
    writeFileSync(at('objects', 'damaged'), object)
    writeFileSync(at('not.db'), 'nonsense')
    const refused = [
      [await open('bob', 'none'), 'ERR_CRYPTO_NO_KEY'],
      [await open('ada', 'none', at('objects', 'damaged')), 'ERR_CRYPTO_AUTHENTICATION'],
      [await open('ada', 'none', at('objects', 'group'), at('not.db')), 'ERR_CRYPTO_FORMAT'],
      [await open('ada', 'none', at('objects', 'missing')), 'ERR_NOT_FOUND'],
      [await open('ada', 'none', at('keys.db')), 'ERR_CRYPTO_FORMAT'],
    ] as const
    for (const [{ code, err, out }, expected] of refused) {
      expect(code).not.toBe(0)
      expect(err + out).toContain(expected)
    }
    expect(readdirSync(folder).filter((name) => name.startsWith('none'))).toEqual([])
  })
})

describe('redoubt keys escrow log (A4, D4)', () => {
  const open = (key: string, out: string, database = at('people.db')) =>
    redoubt('escrow', 'log', at('log'), '--keys-db', database, '--key', at(key), '--out', at(out), '--json')
  beforeAll(async () => {
    const database = openDatabase(at('people.db'))
    const keyring = await openKeyring({
      folder: nodeFolder(at('keys-of-people')),
      database,
      passphrase: Buffer.from('another passphrase that is lost'),
      clock: systemClock,
      kdf: { memoryKiB: 19_456, passes: 2, parallelism: 1 },
      escrow: [readFileSync(at('ada.pub'), 'utf8').trim()],
      escrowPeople: true,
    })
    mkdirSync(at('log'))
    const { sealer, searchKey, checkpointSigner: signer } = keyring
    const log = await openAuditLog({ folder: nodeFolder(at('log')), signer, sealer, searchKey, indexPath: ':memory:', origin: 'test.example/log', clock: systemClock, instance: 'test' }) // prettier-ignore
    const rotation = { audit: log, alerts: { raise: () => undefined }, folder: nodeFolder(at('objects')), objects: [], wrapped: [], config: keysConfigSchema.parse({}).rotation } // prettier-ignore
    await keyring.rotation(rotation).run()
    const event = { type: 'test', actor: { type: 'User', id: 'x' }, action: 'invoke', resource: { type: 'Model', id: 'm' }, outcome: 'success' } as const // prettier-ignore
    for (let n = 0; n < 300; n++)
      await log.record({ ...event, ...(n % 100 === 7 ? { personal: [{ subject: n === 107 ? 'erased' : `person ${n}`, fields: { prompt: `said ${n}` } }] } : {}) }) // prettier-ignore
    const keys = keyring.keys(log)
    await keys.destroySubject('erased', use)
    await log.publish()
    await log.close()
    keyring.close()
    await database.close()
    rmSync(at('keys-of-people'), { recursive: true })
  }, 60_000)

  it('opens what the log says of persons, but of those who were erased', async () => {
    const { code, out, err } = await open('ada', 'log.jsonl')
    expect([code, err]).toEqual([0, ''])
    expect(JSON.parse(out)).toMatchObject({ entries: 3, opened: 2, closed: 1 })
    const lines = readFileSync(at('log.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line)) // prettier-ignore
    expect(lines.map(({ personal }) => personal[0].fields)).toEqual([{ prompt: 'said 7' }, null, { prompt: 'said 207' }])
    expect(lines[0].entry).toMatchObject({ type: 'test' })
  })

  it('opens nothing by the key of somebody else, and nothing of a body that is another', async () => {
    const outcome = async (ran: ReturnType<typeof open>): Promise<string> => {
      const { code, out, err } = await ran
      return code === 0 ? 'opened' : out + err
    }
    expect(await outcome(open('bob', 'nobody'))).toContain('ERR_CRYPTO_NO_KEY')
    expect(await outcome(open('ada', 'nobody', at('keys.db')))).toContain('ERR_KEYS_UNKNOWN')
    const [bodies] = readdirSync(at('log'), { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('bodies') && name.endsWith('000')) // prettier-ignore
    const bytes = readFileSync(at('log', bodies!))
    bytes[bytes.findIndex((byte) => byte !== 0) + 40]! ^= 1
    writeFileSync(at('log', bodies!), bytes)
    expect(await outcome(open('ada', 'nobody'))).toContain('ERR_AUDIT_CORRUPT')
    expect(readdirSync(folder).filter((name) => name.startsWith('nobody'))).toEqual([])
  })
})
