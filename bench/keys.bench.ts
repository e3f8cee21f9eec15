import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuditSink, systemClock } from '#foundation/core'
import { sealObjectUndigested, SEGMENT_64_KIB } from '#foundation/crypto'
import { type DurableFolder, nodeFolder, openDatabase } from '#foundation/storage'
import { openKeyring, type SealedObjects } from '#trust/keys'
import type { Row } from './row.ts'

const OBJECTS = 4_000
const OBJECT_BYTES = 65_536
const HEADERS_BYTES = 8_192
const READS = 200_000
const USE = { principal: { type: 'System', id: 'bench' }, purpose: 'bench', resource: { type: 'Dataset', id: 'bench' } } as const

/** Counts what is written behind the header slots. */
function counting(folder: DurableFolder): { readonly folder: DurableFolder; readonly written: { headers: number; bulk: number } } {
  const written = { headers: 0, bulk: 0 }
  return {
    written,
    folder: {
      open(path, options) {
        const file = folder.open(path, options)
        if (file === null) return null
        return {
          size: () => file.size(),
          readAt: (into, position) => file.readAt(into, position),
          writeAt(bytes, position) {
            const count = [bytes].flat().reduce((sum, part) => sum + part.byteLength, 0)
            if (position < HEADERS_BYTES) written.headers += count
            else written.bulk += count
            file.writeAt(bytes, position)
          },
          writeBeside(bytes, position) {
            written.bulk += bytes.byteLength
            return file.writeBeside(bytes, position)
          },
          readBeside: (into, position) => file.readBeside(into, position),
          truncate: (size) => file.truncate(size),
          datasync: () => file.datasync(),
          datasyncBeside: () => file.datasyncBeside(),
          close: () => file.close(),
        }
      },
      read: (path) => folder.read(path),
      list: (path) => folder.list(path),
      exists: (path) => folder.exists(path),
      makeFolder: (path) => folder.makeFolder(path),
      rename: (from, to) => folder.rename(from, to),
      remove: (path) => folder.remove(path),
      syncFolder: (path) => folder.syncFolder(path),
    },
  }
}

export const benchmark = {
  name: 'keys',
  async run(): Promise<readonly Row[]> {
    const root = mkdtempSync(join(tmpdir(), 'redoubt-bench-keys-'))
    const database = openDatabase(join(root, 'keys.db'))
    try {
      const keyring = await openKeyring({
        folder: nodeFolder(join(root, 'keys')),
        database,
        passphrase: randomBytes(16),
        clock: systemClock,
        kdf: { memoryKiB: 19_456, passes: 2, parallelism: 1 },
      })
      let events = 0
      const audit: AuditSink = { record: async () => ({ index: events++, leafHash: '' }) }
      const keys = keyring.keys(audit)
      const owner = { keyClass: 'dataset', name: 'bench' } as const
      const plain = nodeFolder(join(root, 'objects'))
      const content = randomBytes(OBJECT_BYTES)
      for (let i = 0; i < OBJECTS; i++) {
        const key = await keys.generateDataKey(owner, `bench/${i}`, USE)
        await sealObjectUndigested(plain, `${i}`, key, content, { segmentSize: SEGMENT_64_KIB })
      }
      const { wrapped } = await keys.generateDataKey(owner, 'cached', USE)
      await keys.unwrap(wrapped, USE)
      const cached = keyring.keys(audit)
      const begun = performance.now()
      for (let i = 0; i < READS; i++) await cached.unwrap(wrapped, USE)
      const perRead = ((performance.now() - begun) * 1_000) / READS

      const { folder, written } = counting(plain)
      const objects: SealedObjects = {
        name: 'objects',
        keyClass: 'dataset',
        list: () => plain.list('').map((path) => ({ path, owner: owner.name })),
      }
      const rotation = keyring.rotation({
        audit,
        alerts: { raise: () => undefined },
        folder,
        objects: [objects],
        wrapped: [],
        config: { graceDays: 30, objectsPerSecond: 100_000 },
      })
      await keys.rotate(owner, USE)
      const cpu = process.cpuUsage()
      const before = performance.now()
      await rotation.run()
      const seconds = (performance.now() - before) / 1_000
      const { user, system } = process.cpuUsage(cpu)
      const { moved } = rotation.progress().objects
      if (moved !== OBJECTS) throw new Error(`${moved} of ${OBJECTS} objects were moved`)
      await rotation.close()
      const each = `${OBJECTS} objects of 64 KiB on ${tmpdir()}, the proof included; ${Math.round(OBJECTS / ((user + system) / 1e6))} a CPU-second`
      return [
        {
          what: 'objects moved to a new key version a second, both header slots durable',
          value: moved / seconds,
          unit: 'objects/s',
          target: 3_000,
          comparator: '>=',
          note: each,
        },
        {
          what: 'bulk bytes rewritten by it',
          value: written.bulk,
          unit: 'bytes',
          target: 0,
          comparator: '<=',
          note: `${written.headers} bytes of headers`,
        },
        { what: 'data key from the cache', value: perRead, unit: 'µs', target: 20, comparator: '<=' },
      ]
    } finally {
      await database.close()
      rmSync(root, { recursive: true, force: true })
    }
  },
}
