import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type RedoubtError, systemClock } from '#foundation/core'
import { nodeFolder, openDatabase } from '#foundation/storage'
import { openAuditLog } from '#trust/audit'
import { openKeyring, type OpenKeyringOptions } from '#trust/keys'
import { MANIFEST } from '../../src/interfaces/commands/backup/backup-manifest.ts'
import { restoreBackup } from '../../src/interfaces/commands/backup/restore-backup.ts'
import { takeBackup } from '../../src/interfaces/commands/backup/take-backup.ts'
import { awsKmsSchema } from '../../src/trust/keys/aws-kms/config.ts'
import { FAKE_CREDENTIALS, FakeKms } from '../../src/trust/keys/aws-kms/fake-kms.fixtures.ts'
import { MemoryAudit, PASSPHRASE, QUICK_KDF, USE } from '../../src/trust/keys/keys.fixtures.ts'
import { transitSchema } from '../../src/trust/keys/transit/config.ts'
import { FakeTransit } from '../../src/trust/keys/transit/fake-transit.fixtures.ts'

const SEALED = { kind: 'sealed-file' } as const
const NOW = Date.UTC(2026, 0, 10)
const SECRETS = {
  REDOUBT_TEST_TOKEN: 'fake-token',
  REDOUBT_TEST_ID: FAKE_CREDENTIALS.accessKeyId,
  REDOUBT_TEST_SECRET: FAKE_CREDENTIALS.secretAccessKey,
}

let root: string
let dataDir: string
const closing: (() => unknown)[] = []
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'redoubt-key-backups-'))
  dataDir = join(root, 'data')
  mkdirSync(dataDir)
  Object.assign(process.env, SECRETS)
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  for (const name of Object.keys(SECRETS)) delete process.env[name]
  rmSync(root, { recursive: true, force: true })
})

async function services() {
  const [bao, kms] = [await FakeTransit.start(), await FakeKms.start()]
  closing.push(
    () => bao.server.stop(),
    () => kms.server.stop(),
  )
  const transit = transitSchema.parse({ kind: 'transit', url: bao.server.origin, ca: bao.server.caFile, token: 'env:REDOUBT_TEST_TOKEN' })
  const credentials = { accessKeyId: 'env:REDOUBT_TEST_ID', secretAccessKey: 'env:REDOUBT_TEST_SECRET' }
  const { origin: endpoint, caFile: ca } = kms.server
  return { transit, awsKms: awsKmsSchema.parse({ kind: 'aws-kms', region: 'eu-central-1', endpoint, ca, credentials }) }
}
type Providers = Pick<OpenKeyringOptions, 'provider' | 'moveFrom'>

/** The keyring of a data directory and a log beside it; closed by whoever opened it, or at the end. */
async function open(place: string, providers: Providers) {
  mkdirSync(join(place, 'keys'), { recursive: true })
  const database = openDatabase(join(place, 'keys/keys.db'))
  const passphrase = PASSPHRASE
  const folder = nodeFolder(join(place, 'keys'))
  const keyring = await openKeyring({ folder, database, passphrase, clock: systemClock, kdf: QUICK_KDF, ...providers }).catch(
    async (thrown) => {
      await database.close()
      throw thrown
    },
  )
  const close = async (): Promise<void> => {
    keyring.close()
    await database.close()
  }
  return { keyring, keys: keyring.keys(new MemoryAudit()), close }
}

/** What a server leaves behind, as far as it is needed for a backup. */
async function filled(providers: Providers) {
  const { keyring, keys, close } = await open(dataDir, providers)
  const made = await keys.generateDataKey('configuration', 'room', USE)
  const sealed = await keyring.sealer.seal('ann', Buffer.from('a name'), 'c')
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
  await log.record({ type: 'test.event', actor: uid, action: 'view', resource: uid, outcome: 'success' })
  writeFileSync(join(dataDir, 'log.vkey'), `${log.verifierKey()}\n`)
  await log.close()
  await close()
  for (const [path, sql] of [
    ['redoubt.db', 'CREATE TABLE applied_erasures (id TEXT PRIMARY KEY)'],
    ['keys/erasures.db', 'CREATE TABLE erasures (id TEXT PRIMARY KEY)'],
  ] as const) {
    const database = openDatabase(join(dataDir, path))
    database.raw.exec(sql)
    await database.close()
  }
  return { made, sealed }
}

const backUp = () =>
  takeBackup({
    dataDir,
    to: join(root, 'backups'),
    keysTo: join(root, 'key-backups'),
    keepKeysDays: 7,
    version: '1',
    now: NOW,
    settle: async () => undefined,
    progress: () => undefined,
  })
const restore = ({ data, keys }: { readonly data: string; readonly keys: string }, name: string) =>
  restoreBackup({ from: data, keysFrom: keys, dataDir: join(root, name), progress: () => undefined })
const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: RedoubtError) => error.code,
  )
const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .toSorted()

describe('a backup of keys that a key service holds (A4)', () => {
  it('has the records of them, and opens again with the service alone', async () => {
    const { transit } = await services()
    const { made, sealed } = await filled({ provider: transit })
    const taken = await backUp()
    expect(taken.heldBy).toEqual({ current: 'transit', former: null })
    expect(filesBelow(taken.keys)).toEqual([
      MANIFEST,
      'erasures.db',
      'keys-db.json',
      'keys.db',
      'outside-keys.json',
      'wrapped-signing-keys.json',
    ])
    expect((await restore(taken, 'restored')).heldBy).toEqual({ current: 'transit', former: null })
    const again = await open(join(root, 'restored'), { provider: transit })
    closing.push(again.close)
    expect((await again.keys.unwrap(made.wrapped, USE)).equals(made.key)).toBe(true)
    expect(Buffer.from(await again.keyring.sealer.open(sealed, 'c')).toString()).toBe('a name')
  })

  it.each([
    ['transit', 'aws-kms', ['aws-kms/outside-keys.json', 'aws-kms/wrapped-signing-keys.json', 'outside-keys.json']],
    ['transit', 'sealed-file', ['keyring.json', 'outside-keys.json']],
    ['sealed-file', 'transit', ['imported-keys.json', 'keyring.json', 'outside-keys.json']],
  ] as const)('in the middle of a move from %s to %s opens with both', async (from, to, expected) => {
    const { transit, awsKms } = await services()
    const configs = { transit, 'aws-kms': awsKms, 'sealed-file': SEALED }
    const { made, sealed } = await filled({ provider: configs[from] })
    const both = { provider: configs[to], moveFrom: configs[from] }
    // It serves while the backup is taken.
    const moving = await open(dataDir, both)
    closing.push(moving.close)
    const next = await moving.keys.generateDataKey('configuration', 'next', USE)
    const taken = await backUp()
    // What comes from a sealed file is wrapped anew by the first start, and needs the file no more.
    expect(taken.heldBy).toEqual({ current: to, former: from === 'sealed-file' ? null : from })
    expect(filesBelow(taken.keys)).toEqual(expect.arrayContaining([...expected]))
    await restore(taken, 'restored')
    const place = join(root, 'restored')
    if (from !== 'sealed-file') expect(await refusal(open(place, { provider: configs[to] }))).toBe('ERR_CONFIG_INVALID')
    const again = await open(place, both)
    closing.push(again.close)
    for (const { key, wrapped } of [made, next]) expect((await again.keys.unwrap(wrapped, USE)).equals(key)).toBe(true)
    expect(Buffer.from(await again.keyring.sealer.open(sealed, 'c')).toString()).toBe('a name')
  })

  it('is none without the records of a provider that holds keys, neither to take nor to restore', async () => {
    const { transit, awsKms } = await services()
    await filled({ provider: transit })
    await (await open(dataDir, { provider: awsKms, moveFrom: transit })).close()
    const taken = await backUp()
    for (const path of ['outside-keys.json', 'aws-kms/outside-keys.json']) {
      const manifest = readFileSync(join(taken.keys, MANIFEST), 'utf8')
      const { files, ...others } = JSON.parse(manifest) as { files: { path: string }[] }
      const fewer = files.filter((file) => file.path !== path)
      writeFileSync(join(taken.keys, MANIFEST), JSON.stringify({ ...others, files: fewer }))
      expect([path, await refusal(restore(taken, 'restored'))]).toEqual([path, 'ERR_KEYS_KEYRING_CORRUPT'])
      writeFileSync(join(taken.keys, MANIFEST), manifest)
      const live = join(dataDir, 'keys', path)
      const bytes = readFileSync(live)
      rmSync(live)
      expect([path, await refusal(backUp())]).toEqual([path, 'ERR_KEYS_KEYRING_CORRUPT'])
      writeFileSync(live, bytes)
    }
    expect(readdirSync(root).toSorted()).toEqual(['backups', 'data', 'key-backups'])
    expect(await refusal(restore(taken, 'restored'))).toBe('done')
  })
})
