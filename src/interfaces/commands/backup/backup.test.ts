import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type RedoubtError, systemClock } from '#foundation/core'
import { nodeFolder, openDatabase } from '#foundation/storage'
import { openAuditLog } from '#trust/audit'
import { openKeyring } from '#trust/keys'
import { MANIFEST, readManifest } from './backup-manifest.ts'
import { type RestoreAsk, restoreBackup } from './restore-backup.ts'
import { type BackupAsk, takeBackup } from './take-backup.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2026, 0, 10)

const JOURNAL = `CREATE TABLE erasures (id TEXT PRIMARY KEY); INSERT INTO erasures VALUES ('er_1');
  CREATE TABLE room_key (one INTEGER PRIMARY KEY, wrapped TEXT); INSERT INTO room_key VALUES (1, 'under the version of now')`

let root: string
let dataDir: string
let ask: BackupAsk
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'redoubt-backup-'))
  dataDir = join(root, 'data')
  await makeData()
  ask = {
    dataDir,
    to: join(root, 'backups'),
    keysTo: join(root, 'key-backups'),
    keepKeysDays: 7,
    version: '1',
    now: NOW,
    settle: async () => undefined,
    progress: () => undefined,
  }
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** What a server leaves behind, in small. */
async function makeData(): Promise<void> {
  for (const folder of ['keys', 'objects/datasets', 'policies', 'log']) mkdirSync(join(dataDir, folder), { recursive: true })
  const keysDatabase = openDatabase(join(dataDir, 'keys', 'keys.db'))
  const keyring = await openKeyring({
    folder: nodeFolder(join(dataDir, 'keys')),
    database: keysDatabase,
    passphrase: Buffer.from('a passphrase for the test'),
    clock: systemClock,
    kdf: { memoryKiB: 19_456, passes: 2, parallelism: 1 },
  })
  const log = await openAuditLog({
    folder: nodeFolder(join(dataDir, 'log')),
    signer: keyring.checkpointSigner,
    sealer: keyring.sealer,
    searchKey: keyring.searchKey,
    indexPath: join(dataDir, 'audit-index.db'),
    origin: 'redoubt.test/log',
    clock: systemClock,
    instance: 'test',
  })
  const uid = { type: 'System', id: 'test' }
  const event = { type: 'test.event', actor: uid, action: 'view', resource: uid, outcome: 'success' } as const
  for (let i = 0; i < 3; i++) await log.record({ ...event, personal: [{ subject: 'ada', fields: { age: 36 } }] })
  writeFileSync(join(dataDir, 'log.vkey'), `${log.verifierKey()}\n`)
  await log.close()
  keyring.close()
  await keysDatabase.close()
  for (const [path, sql] of [
    ['redoubt.db', 'CREATE TABLE applied_erasures (id TEXT PRIMARY KEY)'],
    ['keys/erasures.db', JOURNAL],
    ['limits.db', 'CREATE TABLE taken (n INTEGER)'],
  ] as const) {
    const database = openDatabase(join(dataDir, path))
    database.raw.exec(sql)
    await database.close()
  }
  for (const [path, text] of [
    ['objects/datasets/ds_1-group-0.rdbt', 'sealed rows'],
    ['objects/datasets/ds_2-group-0.rdbtxyz.sealing', 'unfinished'],
    ['objects/datasets/ds_2-spool.rdbt', 'a spool'],
    ['policies/one.cedar', 'permit'],
    ['ca.pem', 'ca'],
    ['server.json', '{}'],
    ['lock', ''],
  ] as const)
    writeFileSync(join(dataDir, path), text)
}

const restoring = (from: string, keysFrom: string, more: Partial<RestoreAsk> = {}): RestoreAsk => ({
  from,
  keysFrom,
  dataDir: join(root, 'restored'),
  progress: () => undefined,
  ...more,
})
const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: RedoubtError) => error.code,
  )
const below = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .toSorted()

describe('a backup', () => {
  it('has the data, without what is unfinished or made anew, and the keys apart from them', async () => {
    const { data, keys, logSize, keysUntil } = await takeBackup(ask)
    const log = below(data).filter((path) => path.startsWith('log/'))
    expect(below(data).filter((path) => !log.includes(path))).toEqual([
      MANIFEST,
      'ca.pem',
      'limits.db',
      'log.vkey',
      'objects/datasets/ds_1-group-0.rdbt',
      'policies/one.cedar',
      'redoubt.db',
    ])
    expect(log).toEqual(['log/bodies/000.p/3', 'log/checkpoint', 'log/tile/0/000.p/3', 'log/tile/entries/000.p/3'])
    expect(below(keys)).toEqual([MANIFEST, 'erasures.db', 'keyring.json', 'keys-db.json', 'keys.db'])
    expect([logSize, keysUntil]).toEqual([3, NOW + 7 * DAY])
    for (const path of below(root).filter((name) => name.includes('backups/')))
      expect([path, statSync(join(root, path)).mode & 0o077]).toEqual([path, 0])
  })

  it('is restored, whole, with what is erased since told', async () => {
    const { data, keys } = await takeBackup(ask)
    expect(await restoreBackup(restoring(data, keys))).toMatchObject({ dataOf: NOW, keysOf: NOW, logSize: 3, erasuresToApply: 1 })
    expect(readFileSync(join(root, 'restored/objects/datasets/ds_1-group-0.rdbt'), 'utf8')).toBe('sealed rows')
    expect(existsSync(join(root, 'restored/keys/keyring.json'))).toBe(true)
    expect(readdirSync(root).filter((name) => name.includes('restoring'))).toEqual([])
  })

  it('is of one moment: what changes while it is copied is copied again', async () => {
    let changes = 0
    const changing = { ...ask, progress: () => { if (changes++ < 3) writeFileSync(join(dataDir, 'objects/datasets/ds_1-group-0.rdbt'), `rows ${changes}`) } } // prettier-ignore
    const { data } = await takeBackup(changing)
    expect(readFileSync(join(data, 'objects/datasets/ds_1-group-0.rdbt'), 'utf8')).toBe('rows 3')
    let number = 0
    const never = { ...ask, progress: () => writeFileSync(join(dataDir, 'policies/one.cedar'), `${number++}`) }
    expect(await refusal(takeBackup(never))).toBe('ERR_BUSY')
    expect([readdirSync(ask.to).length, readdirSync(ask.keysTo).length]).toEqual([1, 1])
  })

  it('keeps keys apart: neither place lies in the other, or in the data', async () => {
    for (const [to, keysTo] of [
      ['b', 'b'],
      ['b', 'b/keys'],
      ['b/data', 'b'],
      ['data/b', 'k'],
      ['b', 'data/keys'],
    ] as const)
      expect([to, keysTo, await refusal(takeBackup({ ...ask, to: join(root, to), keysTo: join(root, keysTo) }))]).toEqual([
        to,
        keysTo,
        'ERR_USAGE',
      ])
    expect(await refusal(takeBackup({ ...ask, dataDir: root }))).toBe('ERR_USAGE')
  })

  it('ends older key backups, and those alone', async () => {
    const first = await takeBackup(ask)
    const second = await takeBackup({ ...ask, now: NOW + 6 * DAY })
    expect(second.pruned).toEqual([])
    mkdirSync(join(ask.keysTo, 'keys-of-mine'))
    const third = await takeBackup({ ...ask, now: NOW + 8 * DAY })
    expect(third.pruned).toEqual([first.keys])
    expect([existsSync(first.keys), existsSync(first.data), existsSync(second.keys), existsSync(join(ask.keysTo, 'keys-of-mine'))]).toEqual(
      [false, true, true, true],
    )
  })

  it.each([
    [30, null, 7],
    [30, 30, 30],
    [3, null, 3],
    [0, null, 1],
  ])('keeps key backups no longer than the grace of key versions: %s days, %s asked, %s kept', async (graceDays, asked, kept) => {
    writeFileSync(join(dataDir, 'server.json'), JSON.stringify({ url: 'https://localhost:8443', graceDays }))
    const { retention, keysUntil } = await takeBackup({ ...ask, keepKeysDays: asked })
    expect(retention).toEqual({ keepKeysDays: kept, graceDays, outlivesGrace: kept > graceDays })
    expect(keysUntil).toBe(NOW + kept * DAY)
  })

  it('is none that would outlive the grace of key versions', async () => {
    for (const [graceDays, asked] of [
      [30, 31],
      [7, 90],
      [0, 2],
    ] as const) {
      writeFileSync(join(dataDir, 'server.json'), JSON.stringify({ url: 'https://localhost:8443', graceDays }))
      const refused = await takeBackup({ ...ask, keepKeysDays: asked }).catch((error: unknown) => error as RedoubtError)
      expect(refused).toMatchObject({ code: 'ERR_USAGE', message: expect.stringContaining('keys.rotation.graceDays') })
    }
    expect([existsSync(ask.to), existsSync(ask.keysTo)]).toEqual([false, false])
    // What no server told is no bound, and is said.
    for (const text of ['{}', '{"graceDays": "30"}', '{"graceDays": -1}', 'no JSON']) {
      writeFileSync(join(dataDir, 'server.json'), text)
      expect((await takeBackup({ ...ask, keepKeysDays: 90 })).retention).toEqual({
        keepKeysDays: 90,
        graceDays: null,
        outlivesGrace: false,
      })
    }
  })

  it('is none when the log does not verify', async () => {
    const tile = join(dataDir, 'log/tile/entries/000.p/3')
    const bytes = readFileSync(tile)
    bytes[40] = bytes[40]! ^ 1
    writeFileSync(tile, bytes)
    expect(await refusal(takeBackup(ask))).toBe('ERR_AUDIT_CORRUPT')
    expect(readdirSync(ask.to)).toEqual([])
  })
})

describe('a restore', () => {
  it('refuses a directory that is not empty, and leaves it as it is', async () => {
    const { data, keys } = await takeBackup(ask)
    mkdirSync(join(root, 'restored'))
    writeFileSync(join(root, 'restored/.hidden'), 'x')
    expect(await refusal(restoreBackup(restoring(data, keys)))).toBe('ERR_CONFLICT')
    expect(readdirSync(join(root, 'restored'))).toEqual(['.hidden'])
    rmSync(join(root, 'restored/.hidden'))
    expect(await refusal(restoreBackup(restoring(data, keys)))).toBe('done')
  })

  it('refuses every file that was changed, cut, removed or exchanged, and leaves nothing', async () => {
    const { data, keys } = await takeBackup(ask)
    for (const [folder, path] of [
      ...below(data).map((name) => [data, name] as const),
      ...below(keys).map((name) => [keys, name] as const),
    ]) {
      if (path === MANIFEST) continue
      const full = join(folder, path)
      const whole = readFileSync(full)
      const flipped = Buffer.from(whole)
      flipped[flipped.length >> 1] = flipped[flipped.length >> 1]! ^ 1
      for (const bytes of [flipped, whole.subarray(0, -1), null]) {
        if (bytes === null) rmSync(full)
        else writeFileSync(full, bytes)
        expect([path, await refusal(restoreBackup(restoring(data, keys)))]).toEqual([path, 'ERR_BACKUP_INVALID'])
        writeFileSync(full, whole)
      }
    }
    expect(readdirSync(root).toSorted()).toEqual(['backups', 'data', 'key-backups'])
  })

  it('refuses a manifest that leads elsewhere, is of the other kind, or is none', async () => {
    const { data, keys } = await takeBackup(ask)
    expect(await refusal(restoreBackup(restoring(keys, data)))).toBe('ERR_BACKUP_INVALID')
    expect(() => readManifest(dirname(data), 'data')).toThrow(`such as \`${data}\``)
    const text = readFileSync(join(data, MANIFEST), 'utf8')
    for (const changed of [
      text.replace('"ca.pem"', '"../../ca.pem"'),
      text.replace('"ca.pem"', '"/etc/passwd"'),
      text.replace('"ca.pem"', '"policies/../../x"'),
      text.replace('"ca.pem"', '"limits.db"'),
      text.replace('@v1', '@v2'),
      text.slice(0, -3),
      '',
      '{}',
    ]) {
      writeFileSync(join(data, MANIFEST), changed)
      expect([changed.slice(0, 40), await refusal(restoreBackup(restoring(data, keys)))]).toEqual([
        changed.slice(0, 40),
        'ERR_BACKUP_INVALID',
      ])
    }
    rmSync(join(data, MANIFEST))
    expect(await refusal(restoreBackup(restoring(data, keys)))).toBe('ERR_BACKUP_INVALID')
  })

  it('refuses any other manifest, without another error', () => {
    const folder = join(root, 'invented')
    mkdirSync(folder)
    const file = fc.record({ path: fc.string(), bytes: fc.integer(), sha256: fc.string() }, { requiredKeys: [] })
    const shape = fc.record(
      { format: fc.constant('redoubt-backup@v1'), kind: fc.constant('data'), files: fc.array(file) },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          shape.map((value) => JSON.stringify(value)),
          fc.string(),
        ),
        (text) => {
          writeFileSync(join(folder, MANIFEST), text)
          expect(() => readManifest(folder, 'data')).toThrow(expect.objectContaining({ code: 'ERR_BACKUP_INVALID' }))
        },
      ),
      { numRuns: 200 },
    )
  })

  it('writes nothing outside of its place, whatever a manifest says', async () => {
    const { data, keys } = await takeBackup(ask)
    const text = 'from elsewhere'
    writeFileSync(join(ask.to, 'outside'), text)
    const path = join(data, MANIFEST)
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as { files: object[] }
    const sha256 = createHash('sha256').update(text).digest('hex')
    manifest.files.push({ path: '../outside', bytes: text.length, sha256 })
    writeFileSync(path, JSON.stringify(manifest))
    expect([await refusal(restoreBackup(restoring(data, keys))), existsSync(join(root, 'outside'))]).toEqual(['ERR_BACKUP_INVALID', false])
  })

  it('refuses keys from before the data, which would bring back what was erased since, and take what was sealed', async () => {
    const first = await takeBackup(ask)
    const second = await takeBackup({ ...ask, now: NOW + DAY })
    expect(await refusal(restoreBackup(restoring(second.data, first.keys)))).toBe('ERR_BACKUP_INVALID')
    expect(await refusal(restoreBackup(restoring(first.data, second.keys)))).toBe('done')
  })

  it('takes the erasures of a younger key store of the same server, and none other', async () => {
    const first = await takeBackup(ask)
    const store = new DatabaseSync(join(dataDir, 'keys/keys.db'))
    expect(store.prepare('UPDATE subject_keys SET wrapped = NULL, destroyed_at = 7').run().changes).toBe(1)
    store.close()
    const journal = new DatabaseSync(join(dataDir, 'keys/erasures.db'))
    journal.exec(`INSERT INTO erasures VALUES ('er_2'); UPDATE room_key SET wrapped = 'under a later version'`)
    journal.close()
    const second = await takeBackup({ ...ask, now: NOW + DAY })
    expect(await restoreBackup(restoring(first.data, first.keys, { erasuresFrom: second.keys }))).toMatchObject({
      keysOf: NOW,
      erasuresToApply: 2,
    })
    const read = (path: string, sql: string): unknown => {
      const database = new DatabaseSync(join(root, 'restored/keys', path), { readOnly: true })
      try {
        return database.prepare(sql).get()
      } finally {
        database.close()
      }
    }
    expect(read('keys.db', 'SELECT wrapped, destroyed_at AS at FROM subject_keys')).toEqual({ wrapped: null, at: 7 })
    expect(read('erasures.db', 'SELECT wrapped FROM room_key')).toEqual({ wrapped: 'under the version of now' })
    expect(below(join(root, 'restored/keys'))).toEqual(['erasures.db', 'keyring.json', 'keys-db.json', 'keys.db'])
    const again = { dataDir: join(root, 'again') }
    expect(await refusal(restoreBackup(restoring(second.data, second.keys, { ...again, erasuresFrom: first.keys })))).toBe(
      'ERR_BACKUP_INVALID',
    )
    rmSync(dataDir, { recursive: true })
    await makeData()
    const stranger = await takeBackup({ ...ask, now: NOW + 2 * DAY })
    expect(await refusal(restoreBackup(restoring(first.data, first.keys, { ...again, erasuresFrom: stranger.keys })))).toBe(
      'ERR_BACKUP_INVALID',
    )
    expect(existsSync(again.dataDir)).toBe(false)
  })

  it('refuses a log that is another than the manifest says', async () => {
    const { data, keys } = await takeBackup(ask)
    const path = join(data, MANIFEST)
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as { log: { size: number } }
    writeFileSync(path, JSON.stringify({ ...manifest, log: { ...manifest.log, size: 2 } }))
    expect(await refusal(restoreBackup(restoring(data, keys)))).toBe('ERR_AUDIT_CORRUPT')
    expect(existsSync(join(root, 'restored'))).toBe(false)
  })
})
