/** What someone reads who has a data directory, its key store and the passphrase: every object, every sealed field, every row of SQL. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type AuditEvent, type RedoubtError, systemClock } from '#foundation/core'
import { openObject } from '#foundation/crypto'
import { nodeFolder, openDatabase } from '#foundation/storage'
import { openAuditLog } from '#trust/audit'
import { openKeyring } from '#trust/keys'
import { filesBelow } from './search-canaries.ts'

/** RDBT1: two header slots come first. */
const SLOT_BYTES = 4_096

export interface Opened {
  /** Objects that opened, and the codes of those that did not, by path. */
  readonly objects: ReadonlyMap<string, string>
  readonly sealedFields: { readonly opened: number; readonly gone: number }
}

/** Writes all that can be read into `into`, in clear. The directory must not be in use. */
export async function openEverything(dataDir: string, passphrase: Uint8Array, origin: string, into: string): Promise<Opened> {
  mkdirSync(into, { recursive: true })
  const database = openDatabase(join(dataDir, 'keys', 'keys.db'))
  const keyring = await openKeyring({ folder: nodeFolder(join(dataDir, 'keys')), database, passphrase, clock: systemClock })
  const keys = keyring.keys({ record: async (event: AuditEvent) => ({ index: event.type.length, leafHash: '' }) })
  const use = { principal: { type: 'User', id: 'thief' }, purpose: 'reading', resource: { type: 'System', id: 'all' } }
  const objects = new Map<string, string>()
  const folder = nodeFolder(join(dataDir, 'objects'))
  for (const file of filesBelow(join(dataDir, 'objects'))) {
    const path = relative(join(dataDir, 'objects'), file)
    // By either header slot alone: the one that is not in use may still hold a key.
    for (const slot of [0, 1]) {
      const bytes = Buffer.from(folder.read(path)!)
      bytes.fill(0, slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)
      const one = `slot-${slot}.rdbt`
      writeFileSync(join(into, one), bytes)
      const found = await openObject(nodeFolder(into), one, (wrapped) => keys.unwrap(wrapped, use)).then(
        async (object) => {
          writeFileSync(join(into, `${path.replaceAll('/', '_')}.${slot}.clear`), await object.readAll())
          return 'opened'
        },
        (error: RedoubtError) => error.code,
      )
      if (objects.get(path) !== 'opened') objects.set(path, found)
    }
  }
  const log = await openAuditLog({
    folder: nodeFolder(join(dataDir, 'log')),
    signer: keyring.checkpointSigner,
    sealer: keyring.sealer,
    searchKey: keyring.searchKey,
    indexPath: join(dataDir, 'audit-index.db'),
    origin,
    clock: systemClock,
    instance: 'drill',
  })
  const sealedFields = { opened: 0, gone: 0 }
  for (let index = 0; index < log.size(); index++) {
    const personal = await log.openPersonal(index)
    for (const { fields } of personal) sealedFields[fields === null ? 'gone' : 'opened']++
    writeFileSync(join(into, `entry-${index}.json`), JSON.stringify([log.entry(index), personal]))
  }
  await log.close()
  await keys.close()
  keyring.close()
  await database.close()
  for (const name of [...readdirSync(dataDir), ...readdirSync(join(dataDir, 'keys')).map((file) => `keys/${file}`)])
    if (name.endsWith('.db')) dump(join(dataDir, name), join(into, `${name.replaceAll('/', '_')}.json`))
  return { objects, sealedFields }
}

function dump(path: string, to: string): void {
  const database = new DatabaseSync(path, { readOnly: true })
  const tables = database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all() as { name: string }[]
  const rows = tables.map(({ name }) => [name, database.prepare(`SELECT * FROM "${name}"`).all()])
  writeFileSync(
    to,
    JSON.stringify(rows, (_key, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value)),
  )
  database.close()
}
