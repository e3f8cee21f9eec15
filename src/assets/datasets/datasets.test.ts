import { beforeEach, describe, expect, it } from 'vitest'
import { type AuditEvent, type AuditSink, ManualClock, RedoubtError } from '#foundation/core'
import { sealObject } from '#foundation/crypto'
import { type Database, MemoryFolder, openDatabase } from '#foundation/storage'
import type { KeyUse } from '#trust/keys'
import { memoryKeys, memorySealer as sealer, noHolds } from '../../../test/evaluation/memory-datasets.ts'
import { type Datasets, openDatasets } from './datasets.ts'
import type { DatasetVersion, RowGroup } from './dataset-version.ts'
import type { ImportOptions } from './options.ts'
import { EVERY_ROW_WHOLE } from './row-access.ts'
import { encodeRowGroup } from './row-group-codec.ts'

const ADA = { type: 'ServiceAccount', id: 'ada' }
const USE: KeyUse = { principal: ADA, purpose: 'credit-scoring', resource: { type: 'Dataset', id: 'people' } }
const OPTIONS: ImportOptions = { name: 'people', sensitivity: 'restricted', purposes: ['credit-scoring'], legalBasis: 'contract', by: ADA }

let database: Database
let objects: MemoryFolder
let events: AuditEvent[]
let keyLog: string[]
let auditFails: (event: AuditEvent) => boolean
let datasets: Datasets

function open(): Datasets {
  const audit: AuditSink = {
    async record(event) {
      if (auditFails(event)) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
      events.push(event)
      return { index: events.length - 1, leafHash: '' }
    },
  }
  return openDatasets({
    database,
    objects,
    keys: memoryKeys((use) => keyLog.push(use)),
    audit,
    clock: new ManualClock(1_700_000_000_000),
    sealer,
    holds: noHolds,
    environment: 'development',
  })
}

beforeEach(() => {
  database = openDatabase(':memory:')
  objects = new MemoryFolder()
  events = []
  keyLog = []
  auditFails = () => false
  datasets = open()
})

async function* chunks(text: string, size = 64 * 1024): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text, 'utf8')
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
}

const load = (text: string, options: Partial<ImportOptions> = {}): Promise<DatasetVersion> =>
  datasets.import(chunks(text), { ...OPTIONS, ...options })

async function readAll(version: DatasetVersion): Promise<RowGroup[]> {
  const groups: RowGroup[] = []
  for await (const group of datasets.read(version, USE, EVERY_ROW_WHOLE)) groups.push(group)
  return groups
}

const plain = (group: RowGroup): Record<string, unknown[]> =>
  Object.fromEntries(group.columns.map((column) => [column.name, [...column.values]]))

const refusal = async (text: string, options: Partial<ImportOptions> = {}): Promise<RedoubtError> => {
  try {
    await load(text, options)
  } catch (error) {
    return error as RedoubtError
  }
  throw new Error('it was accepted')
}

const PEOPLE = 'name,age,income,label\r\nAda,36,1.5,1\r\n"Byron, Lord",,2,0\r\n"say ""hi""\nthere",7,,1\r\n'

describe('import and read', () => {
  it('gives back every value, typed, missing ones as missing (A1)', async () => {
    const version = await load(`\uFEFF${PEOPLE}`, { label: 'label' })
    expect(version).toMatchObject({
      name: 'people',
      version: 1,
      rows: 3,
      groups: 1,
      label: 'label',
      subject: null,
      sensitivity: 'restricted',
      createdAt: 1_700_000_000_000,
    })
    expect(version.columns).toEqual([
      { name: 'name', type: 'text', nullable: false },
      { name: 'age', type: 'integer', nullable: true },
      { name: 'income', type: 'real', nullable: true },
      { name: 'label', type: 'integer', nullable: false },
    ])
    expect((await readAll(version)).map(plain)).toEqual([
      { name: ['Ada', 'Byron, Lord', 'say "hi"\nthere'], age: [36, Number.NaN, 7], income: [1.5, 2, Number.NaN], label: [1, 0, 1] },
    ])
  })

  it('keeps order over many groups and chunks of any size, and reports progress', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => `${i},t${i % 7}`)
    const seen: number[] = []
    const version = await datasets.import(chunks(`i,t\n${rows.join('\n')}`, 997), { ...OPTIONS, progress: (done) => seen.push(done) })
    const groups = await readAll(version)
    expect(version.groups).toBe(3)
    expect(groups.flatMap((group) => plain(group)['i'])).toEqual(rows.map((_, i) => i))
    expect(seen).toEqual([8192, 16_384, 20_000])
  })

  it('makes each import of a name an immutable next version, and never gives a number twice', async () => {
    const first = await load(PEOPLE)
    const second = await load('a\n1\n')
    expect([first.version, second.version]).toEqual([1, 2])
    expect(datasets.get('people')).toEqual(second)
    expect(datasets.get('people', 1)).toEqual(first)
    expect(datasets.list()).toEqual([first, second])
    expect(first.digest).not.toBe(second.digest)
    expect((await readAll(first))[0]?.rows).toBe(3)
    await datasets.remove('people', USE)
    expect((await load(PEOPLE)).version).toBe(3)
  })

  it('gives facts for policies, the same object while unchanged (B2)', async () => {
    const version = await load(PEOPLE)
    expect(datasets.facts(version)).toEqual({
      type: 'Dataset',
      id: 'people',
      attributes: { sensitivity: 3, purposes: ['credit-scoring'], legalBases: ['contract'] },
      parents: [
        { type: 'DatasetVersion', id: 'people/1' },
        { type: 'Environment', id: 'development' },
      ],
    })
    expect(datasets.facts(datasets.get('people')!)).toBe(datasets.facts(version))
  })

  it('imports two files at once under one name as two versions', async () => {
    const versions = await Promise.all([load(PEOPLE), load(PEOPLE), load(PEOPLE)])
    expect(versions.map((version) => version.version).toSorted((a, b) => a - b)).toEqual([1, 2, 3])
  })

  it('survives a restart', async () => {
    const version = await load(PEOPLE)
    const before = objects.list('datasets')
    expect(open().get('people')).toEqual(version)
    expect(objects.list('datasets')).toEqual(before)
  })
})

describe('refusals name line and column', () => {
  const numbers = (n: number): string => Array.from({ length: n }, (_, i) => `${i},x`).join('\n')

  it.each<[string, string, Partial<ImportOptions>, string, object]>([
    ['a ragged row', 'a,b\n1,2\n3\n', {}, 'ERR_DATA_RAGGED', { line: 3, expected: 2, found: 1 }],
    ['a ragged row after a quoted line end', 'a,b\n"1\n2",2\n3,4,5\n', {}, 'ERR_DATA_RAGGED', { line: 4, expected: 2, found: 3 }],
    ['a mistyped value', `n,t\n${numbers(200)}\nabc,x\n`, {}, 'ERR_DATA_MISTYPED', { line: 202, column: 'n', others: 1 }],
    ['a mistyped value in a short file', `n,t\n${numbers(9)}\nabc,x\n`, {}, 'ERR_DATA_MISTYPED', { line: 11, column: 'n' }],
    ['a missing label', 'a,label\n1,1\n2,\n', { label: 'label' }, 'ERR_DATA_MISTYPED', { line: 3, column: 'label' }],
    ['semicolons in place of commas', 'a;b\n1;2\n', {}, 'ERR_DATA_COLUMN', { column: 'a;b' }],
    ['semicolons, before the quotes that they break', 'a;b\n1;"two, or more"\n', {}, 'ERR_DATA_COLUMN', { column: 'a;b' }],
    ['tabs in place of commas', 'a\tb\n1\t2\n', {}, 'ERR_DATA_COLUMN', { column: 'a\tb' }],
    ['a label that is not there', 'a,b\n1,2\n', { label: 'c' }, 'ERR_DATA_COLUMN', { column: 'c' }],
    ['a subject that is not there', 'a,b\n1,2\n', { subject: 'c' }, 'ERR_DATA_COLUMN', { column: 'c' }],
    ['label and subject in one', 'a,b\n1,2\n', { subject: 'a', label: 'a' }, 'ERR_DATA_COLUMN', { column: 'a' }],
    ['a doubled column', 'a,a\n1,2\n', {}, 'ERR_DATA_COLUMN', { column: 'a' }],
    ['a nameless column', 'a,\n1,2\n', {}, 'ERR_DATA_COLUMN', { column: '2' }],
    ['no rows', 'a,b\n', {}, 'ERR_DATA_MALFORMED', {}],
    ['an empty file', '', {}, 'ERR_DATA_MALFORMED', {}],
    ['a name that is a path', PEOPLE, { name: '../x' }, 'ERR_INPUT_INVALID', {}],
    ['no purpose', PEOPLE, { purposes: [] }, 'ERR_INPUT_INVALID', {}],
  ])('refuses %s and leaves nothing behind (A1)', async (_, text, options, code, evidence) => {
    const error = await refusal(text, options)
    expect(error.code).toBe(code)
    expect(error.evidence).toMatchObject(evidence)
    expect(datasets.list()).toEqual([])
    expect(objects.list('datasets')).toEqual([])
    expect(events.at(-1)).toMatchObject({ type: 'data.import', outcome: 'failed', code })
  })

  it('tells the caller of a file without a header what it took for a name, and the log nothing of it (A1, E3)', async () => {
    const error = await refusal('Jane Roe,planted@example.org,planted@example.org\nJohn Doe,b,c\n')
    expect(error.evidence).toEqual({ line: 1, column: 'planted@example.org' })
    expect(events.at(-1)).toMatchObject({ type: 'data.import', code: 'ERR_DATA_COLUMN', details: { line: 1 } })
    expect(JSON.stringify(events)).not.toContain('planted')
  })

  it('never puts a value into a message', async () => {
    const error = await refusal(`n,t\n${numbers(200)}\nSECRETVALUE,x\n`)
    expect(JSON.stringify([error.message, error.evidence, events])).not.toContain('SECRETVALUE')
  })

  it('takes a column that turns real or text late in the file', async () => {
    const rows = Array.from({ length: 9000 }, (_, i) => `${i},${i}`)
    const version = await load(`a,b\n${rows.join('\n')}\n0.5,x\n${'1,y\n'.repeat(200)}`)
    expect(version.columns.map((column) => column.type)).toEqual(['real', 'text'])
  })
})

describe('at rest', () => {
  it('stores no value in clear, in objects or in SQL (A1)', async () => {
    await load('name,city,label\nCANARY-ada,CANARY-town,1\nCANARY-bob,CANARY-town,0\n', { label: 'label', subject: 'name' })
    const stored = objects.list('datasets').map((name) => Buffer.from(objects.read(`datasets/${name}`)!).toString('latin1'))
    const rows = database.raw.prepare('SELECT * FROM datasets').all()
    expect(stored.length).toBeGreaterThanOrEqual(3)
    for (const text of [...stored, JSON.stringify(rows), JSON.stringify(events)]) expect(text).not.toContain('CANARY')
  })

  it('never writes the rows in clear while it imports (A1)', async () => {
    const writes: string[] = []
    const watched = new MemoryFolder()
    const realOpen = watched.open.bind(watched)
    objects = Object.assign(watched, {
      open: (path: string, options?: { create?: boolean }) => {
        const file = realOpen(path, options)
        return (
          file && {
            ...file,
            writeAt: (bytes: Uint8Array | readonly Uint8Array[], at: number) => (
              writes.push(Buffer.concat(bytes instanceof Uint8Array ? [bytes] : bytes).toString('latin1')),
              file.writeAt(bytes, at)
            ),
          }
        )
      },
    })
    datasets = open()
    await load(`name\n${'CANARY\n'.repeat(2000)}`)
    expect(writes.join('').length).toBeGreaterThan(14_000)
    expect(writes.join('')).not.toContain('CANARY')
  })

  it('seals every row group under its own data key (A1)', async () => {
    await load(`i\n${Array.from({ length: 20_000 }, (_, i) => i).join('\n')}`)
    // Spool, three groups, manifest.
    expect(keyLog).toEqual(Array.from({ length: 5 }, () => 'generate dataset'))
  })

  it('refuses a row group that was exchanged, changed or rolled back (A1)', async () => {
    const version = await load(`i\n${Array.from({ length: 9000 }, (_, i) => i).join('\n')}`)
    const other = await load(`i\n${Array.from({ length: 9000 }, (_, i) => i + 1).join('\n')}`)
    const path = (id: string, part: string): string => `datasets/${id}-${part}.rdbt`
    const content = (at: string): Uint8Array => objects.read(at)!
    const put = (at: string, bytes: Uint8Array): void => {
      const file = objects.open(at)!
      file.truncate(0)
      file.writeAt(bytes, 0)
    }
    const group = content(path(version.id, 'group-0'))
    for (const wrong of [
      content(path(version.id, 'group-1')),
      content(path(other.id, 'group-0')),
      group.subarray(0, -1),
      group.with(9000, group[9000]! ^ 1),
    ]) {
      put(path(version.id, 'group-0'), wrong)
      await expect(readAll(version)).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(CRYPTO|STORAGE)_/) })
    }
    put(path(version.id, 'group-0'), group)
    await expect(readAll(version)).resolves.toHaveLength(2)
    database.raw.exec(`UPDATE datasets SET digest = '${'0'.repeat(64)}' WHERE id = '${version.id}'`)
    await expect(readAll(version)).rejects.toMatchObject({ code: 'ERR_STORAGE_CORRUPT' })
  })

  it('names the place of an object in its header, and takes none from another place (A1)', async () => {
    const first = await load(PEOPLE)
    const second = await load(PEOPLE)
    const path = (id: string): string => `datasets/${id}-manifest.rdbt`
    objects.rename(path(second.id), path(first.id))
    await expect(readAll(first)).rejects.toMatchObject({ code: 'ERR_CRYPTO_AUTHENTICATION' })
  })

  it('refuses a row group that was resealed under a key of its own place (A1)', async () => {
    const keys = memoryKeys()
    const ports = {
      database,
      objects,
      keys,
      audit: { record: async () => ({ index: 0, leafHash: '' }) },
      clock: new ManualClock(0),
      sealer,
      holds: noHolds,
      environment: 'development' as const,
    }
    const forged = openDatasets(ports)
    const version = await forged.import(chunks('i\n1\n'), OPTIONS)
    const key = await keys.generateDataKey({ keyClass: 'dataset', name: OPTIONS.name }, `dataset/${version.id}/group-0`, USE)
    const group: RowGroup = { rows: 1, columns: [{ name: 'i', type: 'integer', values: Float64Array.of(2) }] }
    await sealObject(objects, `datasets/${version.id}-group-0.rdbt`, key, encodeRowGroup(group))
    await expect(forged.read(version, USE, EVERY_ROW_WHOLE)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'ERR_STORAGE_CORRUPT',
    })
  })
})

describe('the record', () => {
  it('records an import before the version exists, with counts and digest (E3)', async () => {
    let known = -1
    auditFails = (event) => {
      if (event.outcome === 'success') known = datasets.list().length
      return false
    }
    const version = await load(PEOPLE, { requestId: 'req_1' })
    expect(known).toBe(0)
    expect(events).toMatchObject([
      {
        type: 'data.import',
        outcome: 'success',
        actor: ADA,
        requestId: 'req_1',
        legalBasis: 'contract',
        details: { digest: version.digest, rows: 3, version: 1 },
      },
    ])
  })

  it('refuses the import when it cannot be recorded, and leaves nothing behind (E3)', async () => {
    auditFails = () => true
    expect((await refusal(PEOPLE)).code).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(datasets.list()).toEqual([])
    expect(objects.list('datasets')).toEqual([])
  })

  it('records a read before the first row, and gives none when it cannot (E3)', async () => {
    const version = await load(PEOPLE)
    auditFails = (event) => event.type === 'data.read'
    const unwrapped = keyLog.length
    await expect(readAll(version)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(keyLog).toHaveLength(unwrapped)
    auditFails = () => false
    await readAll(version)
    expect(events.at(-1)).toMatchObject({
      type: 'data.read',
      purpose: 'credit-scoring',
      resource: USE.resource,
      details: { digest: version.digest },
    })
  })
})

describe('subjects', () => {
  it('finds the rows about a person by keyed pseudonym, and records the pseudonym only (B7)', async () => {
    const version = await load('who,x\n007,1\n7,2\n007,3\n,4\nbob,5\n', { subject: 'who' })
    expect(await datasets.rowsOf(version, '007', USE)).toEqual([0, 2])
    expect(await datasets.rowsOf(version, '7', USE)).toEqual([1])
    expect(await datasets.rowsOf(version, 'nobody', USE)).toEqual([])
    expect(events.at(-1)).toMatchObject({ type: 'data.lookup', details: { pseudonym: sealer.pseudonym('nobody') } })
    expect(JSON.stringify(events)).not.toContain('nobody')
  })

  it('profiles columns behind a recorded key use', async () => {
    const version = await load(PEOPLE)
    const [name, age] = await datasets.profile(version, USE)
    expect(name).toMatchObject({ distinct: 3, missing: 0 })
    expect(age).toEqual({ missing: 1, minimum: 7, maximum: 36, mean: 21.5, distinct: 0, frequent: [] })
    expect(events.at(-1)?.type).toBe('data.profile')
  })
})

describe('faults', () => {
  it('removes what a crash left of an import when it starts', async () => {
    const version = await load(PEOPLE)
    const kept = objects.list('datasets')
    for (const left of [`ds_${'x'.repeat(22)}-spool.rdbt`, `ds_${'x'.repeat(22)}-group-0.rdbt`, `${version.id}-group-0.rdbt.1234.sealing`])
      objects.open(`datasets/${left}`, { create: true })
    open()
    expect(objects.list('datasets')).toEqual(kept)
  })

  it('leaves nothing behind when the disk is full or a write is lost at any call', async () => {
    for (let at = 0; ; at++) {
      let calls = 0
      objects = new MemoryFolder({
        fault: (call) =>
          call === 'remove' || calls++ !== at + 2 ? 'none' : (['disk-full', 'lost', 'done-but-reported-lost'] as const)[at % 3]!,
      })
      database = openDatabase(':memory:')
      datasets = open()
      const outcome = await load(PEOPLE, { subject: 'name' }).catch((error: RedoubtError) => error.code)
      if (typeof outcome !== 'string') break
      expect(outcome).toMatch(/^ERR_STORAGE_/)
      expect(datasets.list()).toEqual([])
      expect(objects.list('datasets').filter((name) => !name.endsWith('.sealing'))).toEqual([])
      open()
      expect(objects.list('datasets')).toEqual([])
      expect(at).toBeLessThan(200)
    }
  })

  it('survives a power cut after the import was acknowledged', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      database = openDatabase(':memory:')
      objects = new MemoryFolder()
      datasets = open()
      const keys = memoryKeys()
      const audit = { record: async () => ({ index: 0, leafHash: '' }) }
      const ports = { database, keys, audit, clock: new ManualClock(0), sealer, holds: noHolds, environment: 'development' as const }
      const version = await openDatasets({ ...ports, objects }).import(chunks(PEOPLE), OPTIONS)
      let state = seed
      const survivor = objects.powerCut(() => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647)
      const after = openDatasets({ ...ports, objects: survivor })
      const rows: number[] = []
      for await (const group of after.read(after.get('people')!, USE, EVERY_ROW_WHOLE)) rows.push(group.rows)
      expect([seed, version.rows, ...rows]).toEqual([seed, 3, 3])
    }
  })

  it('stops when the signal fires and leaves nothing behind', async () => {
    const stop = new AbortController()
    const reason = new RedoubtError('ERR_DRAINING')
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a\n')
      for (let i = 0; ; i++) {
        if (i === 10) stop.abort(reason)
        yield Buffer.from('1\n')
      }
    }
    await expect(datasets.import(endless(), { ...OPTIONS, signal: stop.signal })).rejects.toBe(reason)
    expect(objects.list('datasets')).toEqual([])
  })
})
