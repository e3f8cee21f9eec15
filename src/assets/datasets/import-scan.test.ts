import { beforeEach, describe, expect, it } from 'vitest'
import { type AuditEvent, type ColumnScanner, type DataScan, ManualClock, RedoubtError } from '#foundation/core'
import { MemoryFolder, openDatabase } from '#foundation/storage'
import { memoryKeys, memorySealer as sealer, noHolds, someone, someUse } from '../../../test/evaluation/memory-datasets.ts'
import { type Datasets, openDatasets } from './datasets.ts'
import type { ImportedVersion } from './dataset-version.ts'
import type { ImportOptions } from './options.ts'
import { EVERY_ROW_WHOLE } from './row-access.ts'
import { scanOf } from './scan-rows.ts'

const OPTIONS: ImportOptions = { name: 'people', sensitivity: 'internal', purposes: ['care'], legalBasis: 'contract', by: someone }
const TABLE = 'Jane Doe,age\nJohn Smith,36\nMary Major,\n'

/** Says of every column that it calls for `confidential`, and keeps what it was given. */
const given: string[][] = []
const scanner: ColumnScanner = {
  begin(names) {
    given.push([...names])
    let rows = 0
    return {
      row: (fields) => void (rows += given.push([...fields]) > 0 ? 1 : 0),
      finish: async (): Promise<DataScan> => ({
        rows,
        isSample: false,
        sensitivity: 'confidential',
        categories: ['religion'],
        subject: names[0]!,
        columns: names.map((name) => ({
          name,
          values: rows,
          entities: [{ entity: 'PERSON', values: rows, share: 1 }],
          categories: ['religion'],
          sensitivity: 'confidential',
        })),
      }),
    }
  },
}

let objects: MemoryFolder
let events: AuditEvent[]
let datasets: Datasets
beforeEach(() => {
  given.length = 0
  objects = new MemoryFolder()
  events = []
  datasets = openDatasets({
    database: openDatabase(':memory:'),
    objects,
    keys: memoryKeys(),
    audit: { record: async (event) => ({ index: events.push(event) - 1, leafHash: '' }) },
    clock: new ManualClock(1_700_000_000_000),
    sealer,
    holds: noHolds,
    scanner,
    environment: 'development',
  })
})

async function* chunks(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
const load = (options: Partial<ImportOptions> = {}): Promise<ImportedVersion> => datasets.import(chunks(TABLE), { ...OPTIONS, ...options })

describe('what an import finds (A1, C6)', () => {
  it('is told with the version, kept beside it, and gone with the data set', async () => {
    const version = await load()
    expect(given).toEqual([
      ['Jane Doe', 'age'],
      ['John Smith', '36'],
      ['Mary Major', ''],
    ])
    expect(version.scan).toMatchObject({ rows: 2, sensitivity: 'confidential' })
    expect(datasets.scan(version)).toEqual(version.scan)
    expect(datasets.get('people')).not.toHaveProperty('scan')
    await datasets.remove('people', someUse)
    expect(datasets.scan(version)).toBeNull()
  })

  it('is in the record as counts, without a name of a column, which in a file without a header is a value', async () => {
    await load()
    const imported = events.find(({ type }) => type === 'data.import')!
    expect(imported.details?.['scan']).toEqual({
      rows: 2,
      isSample: false,
      sensitivity: 'confidential',
      isStricter: true,
      categories: ['religion'],
      columnsByEntity: { PERSON: 2 },
      hasSubject: true,
    })
    expect(JSON.stringify(events)).not.toContain('Jane')
  })

  it('says that it calls for more only where it does', async () => {
    await load({ sensitivity: 'confidential' })
    await load({ sensitivity: 'restricted' })
    const found = events.flatMap(({ details }) => (details?.['scan'] === undefined ? [] : [details['scan']]))
    expect(found).toMatchObject([{ isStricter: false }, { isStricter: false }])
  })

  it('refuses with `strict` what calls for more than was said, leaves nothing behind, and records it', async () => {
    await expect(load({ strict: true })).rejects.toMatchObject({
      code: 'ERR_DATA_SENSITIVITY',
      evidence: { given: 'internal', found: 'confidential', columns: 2 },
    })
    expect(datasets.list()).toEqual([])
    expect([...objects.list('datasets')]).toEqual([])
    expect(events.filter(({ type }) => type === 'data.import')).toMatchObject([{ outcome: 'failed', code: 'ERR_DATA_SENSITIVITY' }])
    expect(JSON.stringify(events)).not.toContain('Jane')
    expect((await load({ strict: true, sensitivity: 'confidential' })).version).toBe(1)
  })

  it('ends when it is cut off, and the import with it', async () => {
    const controller = new AbortController()
    const reason = new RedoubtError('ERR_POLICY_DENIED')
    const slow = openDatasets({
      database: openDatabase(':memory:'),
      objects,
      keys: memoryKeys(),
      audit: { record: async () => ({ index: 0, leafHash: '' }) },
      clock: new ManualClock(0),
      sealer,
      holds: noHolds,
      scanner: {
        begin: () => ({
          row: () => undefined,
          async finish(signal) {
            controller.abort(reason)
            signal!.throwIfAborted()
            throw new Error('it went on')
          },
        }),
      },
      environment: 'development',
    })
    await expect(slow.import(chunks(TABLE), { ...OPTIONS, signal: controller.signal })).rejects.toBe(reason)
    expect(slow.list()).toEqual([])
  })
})

describe('what is found in rows that may be seen (B2)', () => {
  it('is looked for in unmasked columns of admitted rows only', async () => {
    const version = await load()
    given.length = 0
    const rows = { digest: 'd', columns: [], admits: () => true }
    const reading = datasets.read(version, someUse, { ...EVERY_ROW_WHOLE, rows, masks: { 'Jane Doe': 'redact' } })
    await scanOf(reading, scanner, new AbortController().signal)
    expect(given).toEqual([['age'], ['36'], ['']])
  })
})
