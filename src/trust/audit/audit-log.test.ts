import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { type AuditEvent, canonicalJson, ManualClock, RedoubtError } from '#foundation/core'
import { MemoryFolder, nodeFolder } from '#foundation/storage'
import { MemorySealer, openTestLog, readerOf, TEST_TIME, testEvent, testSigner } from './audit-testing.ts'
import { openCheckpoint } from './checkpoint.ts'
import { folderSink } from './checkpoint-sinks.ts'
import { entryText, parseEntry } from './event-entry.ts'
import { leafHash } from './merkle-hash.ts'
import { parallelWriter } from './parallel-writer.ts'
import { verifyProof } from './tlog-proof.ts'
import { verifyLog } from './verify-log.ts'

const leafOf = (i: number): Uint8Array => Buffer.from(`leaf ${i}`)

describe('append', () => {
  it('gives consecutive indices in the order of the calls, and resolves in that order', async () => {
    const log = await openTestLog()
    const order: number[] = []
    const indices = await Promise.all(
      Array.from({ length: 700 }, async (_, i) => {
        const index = await log.append(leafOf(i))
        order.push(index)
        return index
      }),
    )
    expect(indices).toEqual(Array.from({ length: 700 }, (_, i) => i))
    expect(order).toEqual(indices)
    expect(Buffer.from(log.entryBytes(699)!).toString()).toBe('leaf 699')
    expect(log.entryBytes(700)).toBeNull()
    await log.close()
  })

  it('shares one fdatasync among the appends of one turn', async () => {
    let syncs = 0
    const folder = new MemoryFolder({
      fault: (call, path) => {
        if (call === 'datasync' && path.startsWith('wal/')) syncs++
        return 'none'
      },
    })
    const log = await openTestLog({ folder, segmentBytes: 65_536 })
    syncs = 0
    await Promise.all(Array.from({ length: 100 }, (_, i) => log.append(leafOf(i))))
    expect(syncs).toBe(1)
    await log.close()
  })

  it('makes a record durable before it resolves: a power cut right after keeps it (E5)', async () => {
    const folder = new MemoryFolder()
    const log = await openTestLog({ folder })
    const { index } = await log.record(testEvent())
    // Zero drops every write that was not synced.
    const survivor = folder.powerCut(() => 0)
    const again = await openTestLog({ folder: survivor })
    expect(again.size()).toBe(index + 1)
    expect(again.entry(index)?.['type']).toBe('inference.admission')
    await again.close()
  })

  it('refuses an entry over 65,535 bytes and a body over its bound, and takes the largest', async () => {
    const log = await openTestLog({ segmentBytes: 1_048_576 })
    await expect(log.append(new Uint8Array(65_536))).rejects.toMatchObject({ code: 'ERR_AUDIT_ENTRY_TOO_LARGE' })
    await expect(log.append(leafOf(0), new Uint8Array(262_145))).rejects.toMatchObject({ code: 'ERR_AUDIT_ENTRY_TOO_LARGE' })
    const huge = testEvent({ details: { text: 'x'.repeat(65_536) } })
    await expect(log.record(huge)).rejects.toMatchObject({ code: 'ERR_AUDIT_ENTRY_TOO_LARGE' })
    expect(await log.append(new Uint8Array(65_535), new Uint8Array(262_144))).toBe(0)
    await log.publish()
    const wide = await log.record(testEvent({ details: { text: '\u20ac'.repeat(21_000) } }))
    expect(log.entry(wide.index)).toMatchObject({ details: { text: '\u20ac'.repeat(21_000) } })
    await log.close()
  })

  it('continues after a restart with the same tree, checkpointed or not', async () => {
    const folder = new MemoryFolder()
    for (let round = 0; round < 5; round++) {
      const log = await openTestLog({ folder })
      expect(log.size()).toBe(round * 300)
      await Promise.all(Array.from({ length: 300 }, (_, i) => log.append(leafOf(round * 300 + i), i % 7 === 0 ? leafOf(i) : undefined)))
      if (round % 2 === 0) await log.close()
    }
    const log = await openTestLog({ folder })
    await log.publish()
    const verdict = await verifyLog({ read: readerOf(folder), verifierKey: log.verifierKey() })
    expect(verdict.findings).toEqual([])
    expect(verdict.size).toBe(1500)
    await log.close()
  })
})

describe('on the file system of this host', () => {
  const root = mkdtempSync(join(tmpdir(), 'redoubt-audit-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  it('refuses while its folder is moved away, loses nothing, and goes on when it is back (E3)', async () => {
    const path = join(root, 'moved')
    const log = await openTestLog({ folder: nodeFolder(path), parallelWriter: parallelWriter(path) })
    await log.append(leafOf(0))
    const published = await log.publish()
    await log.append(leafOf(1))
    renameSync(path, `${path}.away`)
    await expect(log.append(leafOf(2))).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    await expect(log.record(testEvent())).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    rmSync(path, { recursive: true, force: true })
    renameSync(`${path}.away`, path)
    const index = await log.append(leafOf(3))
    expect(Buffer.from(log.entryBytes(1)!).toString()).toBe('leaf 1')
    expect(Buffer.from(log.entryBytes(index)!).toString()).toBe('leaf 3')
    await log.close()
    const verdict = await verifyLog({ read: readerOf(nodeFolder(path)), verifierKey: log.verifierKey(), olderCheckpoint: published })
    expect(verdict.findings).toEqual([])
  })

  it('publishes nothing when the tiles could not be synced, and does when they can (E5)', async () => {
    const path = join(root, 'unsynced')
    const sync = parallelWriter(path)
    let failing = true
    const log = await openTestLog({
      folder: nodeFolder(path),
      parallelWriter: (files, folders) => (failing ? Promise.reject(new RedoubtError('ERR_STORAGE_IO')) : sync(files, folders)),
    })
    await log.append(leafOf(0))
    await expect(log.publish()).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(openCheckpoint(log.checkpoint(), log.verifierKey()).size).toBe(0)
    failing = false
    expect(openCheckpoint(await log.publish(), log.verifierKey()).size).toBe(1)
    await expect(sync([{ path: 'none/000', bytes: leafOf(0) }], [])).rejects.toMatchObject({ code: 'ERR_STORAGE_IO' })
    await log.close()
  })

  it('lets appends wait when the write-ahead log is far ahead of the checkpoints, and takes them all', async () => {
    const path = join(root, 'behind')
    const log = await openTestLog({ folder: nodeFolder(path), parallelWriter: parallelWriter(path), segmentBytes: 4_096 })
    const indices = await Promise.all(Array.from({ length: 3_000 }, (_, i) => log.append(Buffer.from(`leaf ${i} ${'x'.repeat(50)}`))))
    expect(indices.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 3_000 }, (_, i) => i))
    await log.close()
    const verdict = await verifyLog({ read: readerOf(nodeFolder(path)), verifierKey: log.verifierKey() })
    expect(verdict).toMatchObject({ ok: true, size: 3_000 })
  })
})

describe('failures', () => {
  it.each(['lost', 'done-but-reported-lost', 'disk-full'] as const)(
    'refuses while the disk fails (%s), and goes on without fork or doubled index when it is back (E3)',
    async (fault) => {
      let failing = false
      const folder = new MemoryFolder({ fault: () => (failing ? fault : 'none') })
      const log = await openTestLog({ folder })
      await log.append(leafOf(0))
      const published = await log.publish()
      await log.append(leafOf(1))
      failing = true
      const outcomes = await Promise.allSettled([log.append(leafOf(2)), log.record(testEvent())])
      for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_AUDIT_UNAVAILABLE' } })
      await expect(log.append(leafOf(3))).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
      await expect(log.publish()).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
      failing = false
      const index = await log.append(leafOf(4))
      expect(Buffer.from(log.entryBytes(1)!).toString()).toBe('leaf 1')
      expect(Buffer.from(log.entryBytes(index)!).toString()).toBe('leaf 4')
      await log.publish()
      const verdict = await verifyLog({ read: readerOf(folder), verifierKey: log.verifierKey(), olderCheckpoint: published })
      expect(verdict.findings).toEqual([])
      expect(verdict.size).toBe(index + 1)
      await log.close()
    },
  )

  it('refuses when the folder vanishes, also through the file that is still open (E3)', async () => {
    const folder = new MemoryFolder()
    const log = await openTestLog({ folder })
    await log.append(leafOf(0))
    const names = ['checkpoint', ...folder.list('wal').map((name) => `wal/${name}`)]
    for (const name of names) folder.rename(name, `away/${name}`)
    await expect(log.append(leafOf(1))).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    await expect(log.append(leafOf(2))).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(folder.exists('checkpoint')).toBe(false)
    for (const name of names) folder.rename(`away/${name}`, name)
    const index = await log.append(leafOf(3))
    expect(Buffer.from(log.entryBytes(0)!).toString()).toBe('leaf 0')
    expect(Buffer.from(log.entryBytes(index)!).toString()).toBe('leaf 3')
    await log.close()
  })

  it('never signs a checkpoint before the tiles under it are durable (E5)', async () => {
    const synced = new Set<string>()
    const folder = new MemoryFolder({
      fault: (call, path) => {
        if (call === 'datasync') synced.add(path)
        return 'none'
      },
    })
    const base = testSigner()
    const missing: string[] = []
    const signer = {
      ...base,
      sign(message: Uint8Array) {
        const size = Number(Buffer.from(message).toString().split('\n')[1])
        if (size > 0) for (const path of [`tile/0/000.p/${size}`, `tile/entries/000.p/${size}`]) if (!synced.has(path)) missing.push(path)
        return base.sign(message)
      },
    }
    const log = await openTestLog({ folder, signer })
    for (let i = 0; i < 5; i++) {
      await log.append(leafOf(i))
      await log.publish()
    }
    expect(missing).toEqual([])
    await log.close()
  })

  it('never writes a file again that a signed checkpoint covers, for a crash could leave it torn (E5)', async () => {
    const written = new Set<string>()
    const folder = new MemoryFolder({
      fault: (call, path) => {
        if (call === 'writeAt' || call === 'truncate') written.add(path)
        return 'none'
      },
    })
    let log = await openTestLog({ folder })
    await Promise.all(Array.from({ length: 600 }, (_, i) => log.append(leafOf(i))))
    await log.publish()
    const covered = ['tile/0/000', 'tile/0/001', 'tile/0/002.p/88', 'tile/1/000.p/2', 'tile/entries/001', 'tile/entries/002.p/88']
    expect(covered.filter((path) => !written.has(path))).toEqual([])
    written.clear()
    await log.append(leafOf(600))
    await log.publish()
    await log.append(leafOf(601))
    // No close: the next one recovers the last record from the write-ahead log.
    log = await openTestLog({ folder })
    expect(covered.filter((path) => written.has(path))).toEqual([])
    expect(written.has('tile/0/002.p/90')).toBe(true)
    await log.close()
  })

  it.each([
    ['an entry', 'tile/entries/000.p/3', 5],
    ['a tile', 'tile/0/000.p/3', 5],
    ['the checkpoint', 'checkpoint', 30],
  ])('refuses to open when %s was changed under the last signed checkpoint (E5)', async (_, path, at) => {
    const folder = new MemoryFolder()
    const log = await openTestLog({ folder })
    await Promise.all([0, 1, 2].map((i) => log.append(leafOf(i))))
    await log.close()
    const bytes = folder.read(path)!
    bytes[at]! ^= 1
    folder.open(path)!.writeAt(bytes, 0)
    await expect(openTestLog({ folder })).rejects.toMatchObject({ code: 'ERR_AUDIT_CORRUPT' })
  })

  it('refuses to open when a tile above the edge was changed under the last signed checkpoint (E5)', async () => {
    const folder = new MemoryFolder()
    const log = await openTestLog({ folder })
    await Promise.all(Array.from({ length: 300 }, (_, i) => log.append(leafOf(i))))
    await log.close()
    const bytes = folder.read('tile/1/000.p/1')!
    bytes[0]! ^= 1
    folder.open('tile/1/000.p/1')!.writeAt(bytes, 0)
    await expect(openTestLog({ folder })).rejects.toMatchObject({ code: 'ERR_AUDIT_CORRUPT' })
  })

  it('refuses to begin anew where a log was, and to sign for a log of another key', async () => {
    const folder = new MemoryFolder()
    const log = await openTestLog({ folder })
    await log.append(leafOf(0))
    await log.close()
    await expect(openTestLog({ folder, signer: testSigner('other') })).rejects.toMatchObject({ code: 'ERR_AUDIT_CORRUPT' })
    folder.remove('checkpoint')
    await expect(openTestLog({ folder })).rejects.toMatchObject({ code: 'ERR_AUDIT_CORRUPT' })
  })

  it('refuses to open a log that an outside place has seen longer: a rollback (E5)', async () => {
    const outside = new MemoryFolder()
    const sink = folderSink(outside)
    const log = await openTestLog({ outside: [sink] })
    await log.append(leafOf(0))
    await log.close()
    await expect(openTestLog({ outside: [sink] })).rejects.toMatchObject({ code: 'ERR_AUDIT_CORRUPT' })
  })

  it('refuses after it was closed', async () => {
    const log = await openTestLog()
    await log.close()
    await expect(log.record(testEvent())).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
  })
})

describe('checkpoints and proofs', () => {
  it('serves every published partial tile and bundle, also after wider ones replaced it (tlog-tiles)', async () => {
    const folder = new MemoryFolder()
    const log = await openTestLog({ folder })
    const seen: { path: string; bytes: Buffer }[] = []
    for (let i = 0; i < 260; i++) {
      await log.append(leafOf(i))
      if (i % 20 !== 3) continue
      await log.publish()
      for (const path of [`tile/0/000.p/${i + 1}`, `tile/entries/000.p/${i + 1}`])
        if (i < 256) seen.push({ path, bytes: Buffer.from(log.resource(path)!) })
    }
    await log.publish()
    for (const { path, bytes } of seen) expect(bytes.equals(log.resource(path)!)).toBe(true)
    expect(log.resource('tile/1/000.p/1')).toHaveLength(32)
    expect(folder.list('tile/0/000.p')).toEqual([])
    await log.close()
  })

  it.each([
    'bodies/000',
    'bodies/000.p/1',
    'tile/0/000',
    'tile/0/000.p/9',
    'tile/9/000',
    'wal/0000000000000001',
    '../keys',
    'tile/entries/x000/000',
    'tile/00/000',
  ])('serves nothing at `%s`, which no checkpoint covers or which is not public', async (path) => {
    const log = await openTestLog()
    await log.record(testEvent({ personal: [{ subject: 'p', fields: { name: 'x' } }] }))
    await log.publish()
    expect(log.resource(path)).toBeNull()
    await log.close()
  })

  it('proves every event to someone who has only the keys (E5)', async () => {
    const log = await openTestLog()
    for (let i = 0; i < 300; i++) void log.append(leafOf(i))
    const { index, leafHash: leaf } = await log.record(testEvent())
    const evidence = await log.prove(index)
    const entry = Buffer.from(evidence.entry)
    expect(Buffer.from(leafHash(entry)).toString('base64')).toBe(leaf)
    expect(verifyProof(evidence.proof, entry, log.verifierKey())).toMatchObject({ ok: true, index: 300, size: 301 })
    const forged = Buffer.from(evidence.entry.replace('success', 'refused'))
    expect(verifyProof(evidence.proof, forged, log.verifierKey()).ok).toBe(false)
    await expect(log.prove(301)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    await log.close()
  })

  it('publishes by itself within the interval', async () => {
    const log = await openTestLog({ checkpointIntervalMs: 10 })
    const outside = new Promise<string>((resolve) => {
      const wait = setInterval(() => {
        if (openCheckpoint(log.checkpoint(), log.verifierKey()).size !== 1) return
        clearInterval(wait)
        resolve(log.checkpoint())
      }, 2)
    })
    await log.append(leafOf(0))
    expect(await outside).toContain('\n1\n')
    await log.close()
  })
})

describe('events', () => {
  it('writes canonical JSON with a schema version for every event (RFC 8785, property)', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 })
    const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined })
    const event = fc.record({
      type: text,
      actor: fc.record({ type: text, id: text }),
      action: text,
      resource: fc.record({ type: text, id: text }),
      outcome: fc.constantFrom('success', 'refused', 'failed'),
      requestId: optional(text),
      purpose: optional(text),
      legalBasis: optional(text),
      decision: optional(
        fc.record({ effect: fc.constantFrom('allow', 'deny'), policies: fc.array(text), errors: fc.array(text), policySet: text }),
      ),
      details: optional(
        fc.dictionary(
          text.filter((name) => name !== '__proto__'),
          fc.jsonValue({ maxDepth: 2 }),
        ),
      ),
    }) as unknown as fc.Arbitrary<AuditEvent>
    const personal = fc.array(fc.record({ pseudonym: text, sha256: text, bytes: fc.nat() }), { maxLength: 2 })
    fc.assert(
      fc.property(event, personal, fc.nat(), (value, commitments, behind) => {
        let line: string
        try {
          line = entryText(value, { instance: 'i', time: 1, clockBehindMs: behind, personal: commitments })
        } catch (cause) {
          return cause instanceof RedoubtError
        }
        const parsed = JSON.parse(line) as Record<string, unknown>
        return canonicalJson(parsed) === line && parsed['schema'] === 1
      }),
      { numRuns: 300 },
    )
  })

  it('takes no time for an order: a clock set back is noted and the index goes on', async () => {
    const clock = new ManualClock(TEST_TIME)
    const log = await openTestLog({ clock })
    await log.record(testEvent())
    clock.setNow(TEST_TIME - 60_000)
    const { index } = await log.record(testEvent())
    expect(index).toBe(1)
    expect(log.entry(1)).toMatchObject({ time: TEST_TIME - 60_000, clockBehindMs: 60_000 })
    expect(log.entry(0)).not.toHaveProperty('clockBehindMs')
    await log.close()
  })

  it('refuses an event that JSON cannot carry, and records the others', async () => {
    const log = await openTestLog()
    await expect(log.record(testEvent({ requestId: '\ud800' }))).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' })
    expect((await log.record(testEvent())).index).toBe(0)
    await log.close()
  })

  it('never throws on an entry that an attacker wrote (fuzz)', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => parseEntry(bytes) === null))
    fc.assert(fc.property(fc.json(), (text) => parseEntry(Buffer.from(text)) === null || text.includes('schema')))
  })
})

describe('personal fields', () => {
  it('keeps them out of tree and folder in clear, and opens them for who may (E3)', async () => {
    const folder = new MemoryFolder()
    const log = await openTestLog({ folder })
    const fields = { name: 'Ada Canary', email: 'ada@canary.example' }
    const { index } = await log.record(testEvent({ personal: [{ subject: 'patient-7', fields }] }))
    expect(await log.openPersonal(index)).toEqual([{ subject: new MemorySealer().pseudonym('patient-7'), fields }])
    await log.publish()
    for (const path of [
      'checkpoint',
      'tile/0/000.p/1',
      'tile/entries/000.p/1',
      'bodies/000.p/1',
      ...folder.list('wal').map((n) => `wal/${n}`),
    ]) {
      const bytes = Buffer.from(folder.read(path)!)
      for (const planted of ['Canary', 'canary.example', 'patient-7']) expect(bytes.includes(planted)).toBe(false)
    }
    await log.close()
  })

  it('makes them unreadable when the subject is erased, while every proof still verifies (E5)', async () => {
    const folder = new MemoryFolder()
    const sealer = new MemorySealer()
    const log = await openTestLog({ folder, sealer })
    const one = await log.record(testEvent({ personal: [{ subject: 'one', fields: { note: 'first' } }] }))
    const both = await log.record(
      testEvent({
        personal: [
          { subject: 'one', fields: { note: 'second' } },
          { subject: 'two', fields: { note: 'third' } },
        ],
      }),
    )
    const before = await log.publish()
    sealer.destroy('one')
    expect((await log.openPersonal(one.index)).map(({ fields }) => fields)).toEqual([null])
    expect((await log.openPersonal(both.index)).map(({ fields }) => fields)).toEqual([null, { note: 'third' }])
    for (const { index } of [one, both]) {
      const evidence = await log.prove(index)
      expect(verifyProof(evidence.proof, Buffer.from(evidence.entry), log.verifierKey()).ok).toBe(true)
    }
    const verdict = await verifyLog({
      read: readerOf(folder),
      verifierKey: log.verifierKey(),
      olderCheckpoint: before,
      bodies: 'required',
    })
    expect(verdict).toMatchObject({ ok: true, checked: { bodies: 2 } })
    await log.close()
  })

  it('finds a sealed body that was changed or taken away (E5)', async () => {
    const folder = new MemoryFolder()
    const log = await openTestLog({ folder })
    const { index } = await log.record(testEvent({ personal: [{ subject: 's', fields: { a: 1 } }] }))
    await log.close()
    const verify = (): ReturnType<typeof verifyLog> =>
      verifyLog({ read: readerOf(folder), verifierKey: log.verifierKey(), bodies: 'required' })
    expect((await verify()).ok).toBe(true)
    const file = folder.open('bodies/000.p/1')!
    const bytes = folder.read('bodies/000.p/1')!
    bytes[20]! ^= 1
    file.writeAt(bytes, 0)
    expect((await verify()).findings).toMatchObject([{ kind: 'body', index }])
    folder.remove('bodies/000.p/1')
    expect((await verify()).findings).toMatchObject([{ kind: 'missing', index }])
  })

  it('commits to the very ciphertext, and survives a power cut with it', async () => {
    const folder = new MemoryFolder()
    const sealer = new MemorySealer()
    const log = await openTestLog({ folder, sealer })
    const { index } = await log.record(testEvent({ personal: [{ subject: 's', fields: { a: 1 } }] }))
    const again = await openTestLog({ folder: folder.powerCut(() => 0), sealer })
    expect(await again.openPersonal(index)).toMatchObject([{ fields: { a: 1 } }])
    expect(again.entry(index)).toMatchObject({ personal: [{ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string }] })
    await again.close()
  })
})
