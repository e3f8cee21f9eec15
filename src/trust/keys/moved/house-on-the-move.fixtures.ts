import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AuditEvent, type AuditSink, systemClock } from '#foundation/core'
import { openObject, removeUnfinished, sealObject } from '#foundation/crypto'
import { type DurableFolder, nodeFolder, openDatabase } from '#foundation/storage'
import { ADULT, PASSPHRASE, QUICK_KDF, USE } from '../keys.fixtures.ts'
import type { AuditedKeys, Keyring } from '../keys.ts'
import { openKeyring, type OpenKeyringOptions } from '../open-keyring.ts'
import type { KeyRotation } from '../rotation/key-rotation.ts'

export type Providers = Pick<OpenKeyringOptions, 'provider' | 'moveFrom'>

/** What was made and told of: it has to open whatever happens afterwards. */
interface Made {
  readonly name: string
  /** Of a person's field that was sealed with it. */
  readonly pseudonym: string
  readonly ciphertext: string
}

export interface HouseOnTheMove {
  readonly keyring: Keyring
  readonly keys: AuditedKeys
  readonly rotation: KeyRotation
  /** Seals an object of a data set, one of the house and a field of a person, and notes it when all are durable. */
  make(name: string): Promise<void>
  /** @throws unless everything that was noted opens, and says what it said. @returns how many there are. */
  expectWhole(): Promise<number>
  close(): Promise<void>
}

/** An event a line, written before `record` resolves: what a killed process was told to be on record is there for the next one. */
export function auditFile(path: string, told: (event: AuditEvent) => void = () => undefined): AuditSink {
  return {
    async record(event) {
      appendFileSync(path, `${JSON.stringify(event)}\n`)
      told(event)
      return { index: 0, leafHash: '' }
    },
  }
}

export function readLines(path: string): readonly unknown[] {
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
}

/** A house on the file system whose keys move from one provider to another, in processes that follow each other. */
export async function openHouseOnTheMove(root: string, providers: Providers, told?: (event: AuditEvent) => void): Promise<HouseOnTheMove> {
  const database = openDatabase(join(root, 'keys.db'))
  const objects: DurableFolder = nodeFolder(join(root, 'objects'))
  const options = { folder: nodeFolder(join(root, 'keys')), database, clock: systemClock, passphrase: PASSPHRASE, kdf: QUICK_KDF }
  const keyring = await openKeyring({ ...options, ...providers }).catch(async (thrown: unknown) => {
    await database.close()
    throw thrown
  })
  const audit = auditFile(join(root, 'audit'), told)
  const keys = keyring.keys(audit)
  removeUnfinished(objects, '')
  const listed = (prefix: string, owner: string | null) => () =>
    objects.list('').flatMap((path) => (path.startsWith(prefix) && path.endsWith('.rdbt') ? [{ path, owner }] : []))
  const rotation = keyring.rotation({
    audit,
    alerts: { raise: () => undefined },
    folder: objects,
    objects: [
      { name: 'objects of data sets', keyClass: 'dataset', list: listed('data-', ADULT.name) },
      { name: 'objects of the house', keyClass: 'configuration', list: listed('house-', null) },
    ],
    wrapped: [],
    config: { graceDays: 0, objectsPerSecond: 1_000 },
  })
  await keyring.finishMove(audit)
  const resourceOf = (path: string): string => `object/${path}`
  const opened = async (path: string): Promise<string> => {
    const object = await openObject(objects, path, (wrapped) => keys.unwrap(wrapped, USE), { resource: resourceOf(path) })
    return Buffer.from(await object.readAll()).toString()
  }
  return {
    keyring,
    keys,
    rotation,
    async make(name) {
      for (const [path, owner] of [
        [`data-${name}.rdbt`, ADULT],
        [`house-${name}.rdbt`, 'configuration'],
      ] as const)
        await sealObject(objects, path, await keys.generateDataKey(owner, resourceOf(path), USE), Buffer.from(`content of ${path}`))
      const { pseudonym, ciphertext } = await keyring.sealer.seal(`person ${name}`, Buffer.from(`field of ${name}`), 'c')
      const made: Made = { name, pseudonym, ciphertext: Buffer.from(ciphertext).toString('base64') }
      appendFileSync(join(root, 'made'), `${JSON.stringify(made)}\n`)
    },
    async expectWhole() {
      const all = readLines(join(root, 'made')) as readonly Made[]
      for (const { name, pseudonym, ciphertext } of all) {
        for (const path of [`data-${name}.rdbt`, `house-${name}.rdbt`])
          if ((await opened(path)) !== `content of ${path}`) throw new Error(`${path} says something else`)
        const field = await keyring.sealer.open({ pseudonym, ciphertext: Buffer.from(ciphertext, 'base64') }, 'c')
        if (Buffer.from(field).toString() !== `field of ${name}`) throw new Error(`the field of ${name} says something else`)
        if (keyring.sealer.pseudonym(`person ${name}`) !== pseudonym) throw new Error(`${name} has another pseudonym`)
      }
      return all.length
    },
    async close() {
      await rotation.close()
      keyring.close()
      await database.close()
    },
  }
}
