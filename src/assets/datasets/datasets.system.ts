import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '#foundation/core'
import { nodeFolder, openDatabase } from '#foundation/storage'
import { openAuditLog } from '#trust/audit'
import { openKeyring } from '#trust/keys'
import { openDatasets } from './datasets.ts'
import { EVERY_ROW_WHOLE } from './row-access.ts'

const ADULT = `${process.env['REDOUBT_SHARED'] ?? fileURLToPath(new URL('../../../../shared', import.meta.url))}/data/tabular/adult_train.csv`
/** Values that occur in the file, long enough not to occur in ciphertext by chance. */
const CANARIES = ['Married-civ-spouse', 'Exec-managerial', 'Self-emp-not-inc']

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'redoubt-datasets-'))
})
afterEach(() => rmSync(root, { recursive: true }))

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
}

it('imports and reads the census table on disk with the real keyring and log, and leaves no value in clear (A1, E3)', async () => {
  if (!existsSync(ADULT)) throw new Error(`the test needs ${ADULT}`)
  const keysDatabase = openDatabase(join(root, 'keys.db'))
  const database = openDatabase(join(root, 'redoubt.db'))
  const clock = systemClock
  const keyring = await openKeyring({
    folder: nodeFolder(join(root, 'keys')),
    database: keysDatabase,
    passphrase: Buffer.from('a passphrase for the test'),
    clock,
    kdf: { memoryKiB: 19_456, passes: 2, parallelism: 1 },
  })
  const audit = await openAuditLog({
    folder: nodeFolder(join(root, 'log')),
    signer: keyring.checkpointSigner,
    sealer: keyring.sealer,
    searchKey: keyring.searchKey,
    indexPath: ':memory:',
    origin: 'redoubt.test/log',
    clock,
    instance: 'test',
  })
  const datasets = openDatasets({
    database,
    objects: nodeFolder(join(root, 'objects')),
    keys: keyring.keys(audit),
    audit,
    clock,
    sealer: keyring.sealer,
    holds: { demandNone: () => undefined, heldSubjects: () => [] },
    environment: 'development',
  })
  const by = { type: 'ServiceAccount', id: 'importer' }
  async function* source(): AsyncGenerator<Uint8Array> {
    const bytes = readFileSync(ADULT)
    for (let at = 0; at < bytes.byteLength; at += 65_536) yield bytes.subarray(at, at + 65_536)
  }
  const before = performance.now()
  const version = await datasets.import(source(), {
    name: 'adult',
    label: 'label',
    subject: 'fnlwgt',
    sensitivity: 'restricted',
    purposes: ['credit-scoring'],
    legalBasis: 'contract',
    by,
  })
  const seconds = (performance.now() - before) / 1000
  expect(version).toMatchObject({ rows: 32_561, groups: 4, label: 'label' })
  expect(seconds).toBeLessThan(10)

  let rows = 0
  let ones = 0
  const use = { principal: by, purpose: 'credit-scoring', resource: { type: 'Dataset', id: 'adult' } }
  for await (const group of datasets.read(version, use, EVERY_ROW_WHOLE)) {
    rows += group.rows
    const label = group.columns.find((column) => column.name === 'label')
    if (label?.type === 'integer') ones += label.values.reduce((sum, value) => sum + value, 0)
  }
  expect([rows, ones]).toEqual([32_561, 7841])
  expect(await datasets.rowsOf(version, '77516', use)).toContain(0)

  const types = audit.search({ limit: 100 }).entries.map(({ event }) => event['type'])
  expect(types).toContain('data.import')
  expect(types).toContain('data.read')
  expect(types.some((type) => typeof type === 'string' && type.startsWith('key.'))).toBe(true)
  await audit.close()
  keyring.close()
  await database.close()
  await keysDatabase.close()
  const files = filesBelow(root)
  expect(files.length).toBeGreaterThan(8)
  for (const canary of CANARIES) {
    expect(readFileSync(ADULT).includes(canary)).toBe(true)
    for (const form of [
      canary,
      Buffer.from(canary, 'utf16le'),
      Buffer.from(canary).toString('hex'),
      Buffer.from(canary).toString('base64').slice(0, -4),
    ])
      for (const path of files) expect(readFileSync(path).includes(form), path).toBe(false)
  }
})
