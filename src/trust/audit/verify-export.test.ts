/** Files that were taken out of the log, in the hands of someone who would rather that they said something else (E5). */
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ManualClock } from '#foundation/core'
import type { AuditLog } from './contract.ts'
import { openTestLog, TEST_TIME, testEvent, testSigner } from './audit-testing.ts'
import { CompactRange } from './compact-range.ts'
import { EXPORT_ENDED, type ExportSelection } from './export-format.ts'
import { leafHash } from './merkle-hash.ts'
import { coveringSubtrees, type NodeReader } from './prove-merkle.ts'
import { tileNodes } from './tile-reader.ts'
import { type ExportVerdict, verifyExport } from './verify-export.ts'

const SIZE = 600
const at = (index: number): number => TEST_TIME + index * 1_000
let log: AuditLog
let key: string
let whole: readonly string[]
let chosen: readonly string[]
beforeAll(async () => {
  log = await filledLog()
  key = log.verifierKey()
  whole = await taken(log, { from: at(130), to: at(330) })
  chosen = await taken(log, { type: 'key.unwrap' })
})
afterAll(() => log.close())

async function filledLog(seed?: string): Promise<AuditLog> {
  const clock = new ManualClock(TEST_TIME)
  const opened = await openTestLog({ clock, ...(seed === undefined ? {} : { signer: testSigner(seed) }) })
  for (let i = 0; i < SIZE; i++) {
    // Leaves of any form lie among the events.
    if (i % 100 === 50) await opened.append(Buffer.of(0xff, 0xfe, i % 256))
    else await opened.record(testEvent({ requestId: `req_${i}`, type: i % 7 === 0 ? 'key.unwrap' : 'inference.admission' }))
    clock.advance(1_000)
  }
  return opened
}

/** Lines of an export, without their newlines. */
async function taken(from: AuditLog, selection: ExportSelection): Promise<string[]> {
  const begun = await from.beginExport(selection)
  const parts: Buffer[] = []
  const ended = ({ entries, digest }: { readonly entries: number; readonly digest: string }) =>
    from.record(testEvent({ type: EXPORT_ENDED, action: 'exportAudit', details: { entries, digest } }))
  for await (const chunk of begun.chunks(ended)) parts.push(chunk)
  const text = Buffer.concat(parts).toString()
  expect(text.endsWith('\n')).toBe(true)
  return text.slice(0, -1).split('\n')
}

const verify = (lines: readonly string[], given: string | undefined = key): Promise<ExportVerdict> =>
  verifyExport([Buffer.from(lines.map((line) => `${line}\n`).join(''))], given === undefined ? {} : { verifierKey: given })
const kindsOf = async (lines: readonly string[], given?: string): Promise<readonly string[]> =>
  [...new Set((await verify(lines, given)).findings.map(({ kind }) => kind))].sort()
const changed = (lines: readonly string[], line: number, change: (parsed: any) => unknown): string[] =>
  lines.map((text, i) => (i === line ? JSON.stringify(change(JSON.parse(text))) : text))
/** Makes a file that was tampered with agree with itself again, as far as one can without the key of the log. */
function patched(lines: readonly string[]): string[] {
  const { createHash } = process.getBuiltinModule('node:crypto')
  const digest = createHash('sha256')
  for (const line of lines.slice(0, -1)) digest.update(`${line}\n`)
  const sum = digest.digest('hex')
  return changed(lines, lines.length - 1, ({ closing }) => ({ closing: { ...closing, entries: lines.length - 2, digest: sum } }))
}

describe('an exported range (E5)', () => {
  it('verifies offline, with the key that one knows or by the one it names itself', async () => {
    const verdict = await verify(whole)
    expect(verdict).toMatchObject({ ok: true, findings: [], kind: 'range', first: 130, end: 331, entries: 201, keyOfFile: false })
    expect(verdict.selection).toEqual({ from: at(130), to: at(330) })
    expect(await verify(whole, '')).toMatchObject({ ok: false })
    expect(await verifyExport([Buffer.from(`${whole.join('\n')}\n`)])).toMatchObject({ ok: true, keyOfFile: true, verifierKey: key })
    // Its entries are those of the log, whatever bytes they are.
    expect(whole.slice(1, -1).map((line) => (JSON.parse(line) as { index: number }).index)).toEqual(
      Array.from({ length: 201 }, (_, i) => 130 + i),
    )
    expect(JSON.parse(whole[21]!)).toMatchObject({ index: 150, entryBase64: Buffer.of(0xff, 0xfe, 150).toString('base64') })
  })

  it('takes in what lies between its first and last time, whatever a clock said that was set back', async () => {
    const clock = new ManualClock(TEST_TIME)
    const other = await openTestLog({ clock })
    for (const time of [0, 10, 20, 5, 30, 40]) {
      clock.setNow(TEST_TIME + time)
      await other.record(testEvent())
    }
    const verdict = await verify(await taken(other, { from: TEST_TIME + 10, to: TEST_TIME + 30 }), other.verifierKey())
    expect(verdict).toMatchObject({ ok: true, first: 1, end: 5, entries: 4 })
    expect(await verify(await taken(other, { from: TEST_TIME + 11, to: TEST_TIME + 12 }), other.verifierKey())).toMatchObject({
      ok: true,
      entries: 0,
    })
    await other.close()
  })

  it.each([
    ['an edited entry', () => changed(whole, 40, (line) => ({ ...line, entry: line.entry.replace('success', 'refused') })), 'edited'],
    [
      'an edited entry with the hash to go with it',
      () =>
        changed(whole, 40, (line) => {
          const entry = line.entry.replace('success', 'refused') as string
          return { ...line, entry, leafHash: leafHash(Buffer.from(entry)).toString('base64') }
        }),
      'root',
    ],
    ['an entry that was dropped', () => whole.filter((_, i) => i !== 40), 'order'],
    [
      'an entry that was dropped, the others renumbered',
      () =>
        whole
          .filter((_, i) => i !== 40)
          .map((line, i) => (i < 40 || i === 201 - 1 + 1 ? line : line.replace(/^\{"index":\d+/, `{"index":${129 + i}`))),
      'root',
    ],
    ['two entries in another order', () => [...whole.slice(0, 40), whole[41]!, whole[40]!, ...whole.slice(42)], 'order'],
    ['an entry that stands there twice', () => [...whole.slice(0, 40), whole[40]!, ...whole.slice(40)], 'order'],
    ['a file that ends early', () => whole.slice(0, 100), 'truncated'],
    ['a file without its last entries', () => [...whole.slice(0, 150), whole.at(-1)!], 'truncated'],
    ['something behind the end', () => [...whole, whole[1]!], 'malformed'],
    ['an empty file', () => [], 'truncated'],
    ['another question', () => changed(whole, 0, (line) => ({ ...line, selection: {} })), 'receipt'],
  ])('finds %s', async (_, tampered, kind) => {
    const lines = tampered()
    expect(await kindsOf(lines)).toContain(kind)
    // Nor does it help to put digest and count right.
    if (lines.length > 150) expect((await verify(patched(lines))).ok).toBe(false)
  })

  it('finds a file that was cut between two lines', async () => {
    expect(await kindsOf(whole.slice(0, -1))).toEqual(['truncated'])
    expect(await kindsOf(whole.slice(0, 1))).toEqual(['truncated'])
  })

  it('is of no use with an end that the log never recorded', async () => {
    const lines = await taken(log, { from: at(5), to: at(8) })
    const { closing } = JSON.parse(lines.at(-1)!) as { closing: { receipt: { entry: string } } }
    const entry = closing.receipt.entry.replace('"id":"scoring"', '"id":"another"')
    const end = { closing: { ...closing, receipt: { ...closing.receipt, entry } } }
    expect(await kindsOf([...lines.slice(0, -1), JSON.stringify(end)])).toEqual(['receipt'])
  })

  it('finds a file cut in the middle of a line', async () => {
    const bytes = Buffer.from(`${whole.join('\n')}\n`)
    for (const cut of [1, 50, 20_000, bytes.byteLength - 1]) {
      const verdict = await verifyExport([bytes.subarray(0, cut)], { verifierKey: key })
      expect(verdict.findings.map(({ kind }) => kind)).toContain('truncated')
    }
  })

  it('finds a range that was made shorter and proved anew, by what the log recorded of its end', async () => {
    // Whoever knows the hashes of the tree, which are public, can prove any range: that it is the one that was asked for the log alone says.
    const nodes: NodeReader = tileNodes(log.size(), (path) => log.resource(path))
    const { closing } = JSON.parse(whole.at(-1)!) as { closing: { checkpoint: string } }
    const size = Number(closing.checkpoint.split('\n')[1])
    const right = coveringSubtrees(321, size).map(({ height, index }) => Buffer.from(nodes(height, index)).toString('base64'))
    const shorter = changed([...whole.slice(0, -11), whole.at(-1)!], 0, (line) => ({ ...line, end: 321 }))
    const forged = patched(changed(shorter, shorter.length - 1, (line) => ({ closing: { ...line.closing, right } })))
    expect(await kindsOf(forged)).toEqual(['receipt'])
  })

  it('is of no use with the end of another export', async () => {
    const other = await taken(log, { from: at(200), to: at(210) })
    const end = JSON.parse(other.at(-1)!) as { closing: object }
    const { receipt } = end.closing as { receipt: object }
    expect(await kindsOf([...whole.slice(0, -1), other.at(-1)!])).toContain('receipt')
    expect((await verify(changed(whole, whole.length - 1, ({ closing }) => ({ closing: { ...closing, receipt } })))).ok).toBe(false)
    // An entry that is in the log, and says something else.
    const entry = { index: 1, entry: (JSON.parse((await taken(log, { from: at(1), to: at(1) }))[1]!) as { entry: string }).entry }
    const { path } = await inclusionOf(1, end)
    expect(await kindsOf([...other.slice(0, -1), JSON.stringify({ closing: { ...end.closing, receipt: { ...entry, path } } })])).toEqual([
      'receipt',
    ])
  })

  it('does not pass as of a log whose key one knows when another signed it', async () => {
    const other = await filledLog('another')
    const lines = await taken(other, { from: at(130), to: at(330) })
    expect(await kindsOf(lines)).toEqual(['checkpoint', 'key'])
    // The key that one knows written into it.
    const claimed = changed(lines, lines.length - 1, ({ closing }) => ({ closing: { ...closing, verifierKey: key } }))
    expect(await kindsOf(claimed)).toEqual(['checkpoint'])
    expect(await verify(lines, other.verifierKey())).toMatchObject({ ok: true })
    await other.close()
  })

  it('demands the cosignatures that are asked for', async () => {
    const options = { verifierKey: key, witnesses: [key] }
    const verdict = await verifyExport([Buffer.from(`${whole.join('\n')}\n`)], options)
    expect(verdict.findings.map(({ kind }) => kind)).toEqual(['witness'])
  })

  it('verifies for every range, and with any one byte changed for none', async () => {
    const range = fc.tuple(fc.nat(SIZE - 1), fc.nat(40)).map(([first, width]) => [first, Math.min(SIZE - 1, first + width)] as const)
    await fc.assert(
      fc.asyncProperty(range, fc.nat(), fc.integer({ min: 1, max: 255 }), async ([first, last], place, flip) => {
        const bytes = Buffer.from(`${(await taken(log, { from: at(first), to: at(last) })).join('\n')}\n`)
        const cut = place % bytes.byteLength
        expect(await verifyExport([bytes.subarray(0, cut), bytes.subarray(cut)], { verifierKey: key })).toMatchObject({ ok: true })
        bytes[cut]! ^= flip
        expect((await verifyExport([bytes], { verifierKey: key })).ok).toBe(false)
      }),
      { numRuns: 60 },
    )
  })

  it('reads whatever it is given, in bounds', async () => {
    const piece = fc.oneof(fc.constantFrom('\n', '{}', '{"closing":{}}', ...whole.slice(0, 3), whole.at(-1)!), fc.string(), fc.json())
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
        expect(
          (
            await verifyExport(
              pieces.map((text) => Buffer.from(text)),
              { verifierKey: key },
            )
          ).ok,
        ).toBe(false)
      }),
      { numRuns: 300 },
    )
    function* endless(): Generator<Uint8Array> {
      for (;;) yield Buffer.alloc(65_536, 0x61)
    }
    expect((await verifyExport(endless())).findings).toMatchObject([{ kind: 'malformed' }])
  })
})

describe('an exported selection (E5)', () => {
  it('proves each entry by itself, and says that it is a selection', async () => {
    const verdict = await verify(chosen)
    expect(verdict).toMatchObject({ ok: true, kind: 'selection', selection: { type: 'key.unwrap' } })
    expect(verdict.entries).toBe(Array.from({ length: SIZE }, (_, i) => i).filter((i) => i % 7 === 0 && i % 100 !== 50).length)
    const { verifyProof } = await import('./tlog-proof.ts')
    const { proof, entry } = JSON.parse(chosen[3]!) as { proof: string; entry: string }
    expect(verifyProof(proof, Buffer.from(entry), key)).toMatchObject({ ok: true })
  })

  it.each([
    ['an edited entry', () => changed(chosen, 5, (line) => ({ ...line, entry: line.entry.replace('success', 'refused') })), 'edited'],
    ['an entry without a proof', () => changed(chosen, 5, (line) => ({ ...line, proof: undefined })), 'edited'],
    ['an entry under the index of another', () => changed(chosen, 5, (line) => ({ ...line, index: line.index + 1 })), 'edited'],
    ['two entries in another order', () => [...chosen.slice(0, 5), chosen[6]!, chosen[5]!, ...chosen.slice(7)], 'order'],
    ['an entry that was left out', () => chosen.filter((_, i) => i !== 5), 'receipt'],
    ['a file that ends early', () => chosen.slice(0, 20), 'truncated'],
    ['that it was called a range', () => changed(chosen, 0, (line) => ({ ...line, kind: 'range' })), 'root'],
  ])('finds %s', async (_, tampered, kind) => {
    expect(await kindsOf(tampered())).toContain(kind)
    if (kind !== 'truncated') expect((await verify(patched(tampered()))).ok).toBe(false)
  })

  it('leaves out nothing, however far the index lags', async () => {
    const fresh = await openTestLog()
    await Promise.all(
      Array.from({ length: 5_000 }, (_, i) => fresh.record(testEvent({ type: i % 500 === 0 ? 'key.unwrap' : 'data.read' }))),
    )
    expect(await verify(await taken(fresh, { type: 'key.unwrap' }), fresh.verifierKey())).toMatchObject({ ok: true, entries: 10 })
    expect(await verify(await taken(fresh, { from: TEST_TIME }), fresh.verifierKey())).toMatchObject({ ok: true, first: 0, entries: 5_001 })
    await fresh.close()
  })

  it('names a person by the pseudonym alone', async () => {
    const personal = await openTestLog()
    await personal.record(testEvent({ personal: [{ subject: 'ada@example.org', fields: { name: 'Ada' } }] }))
    await personal.record(testEvent())
    const lines = await taken(personal, { subject: 'ada@example.org' })
    expect(await verify(lines, personal.verifierKey())).toMatchObject({ ok: true, entries: 1 })
    expect(lines.join('')).not.toMatch(/ada@|"Ada\\?"/)
    await personal.close()
  })
})

describe('the end of an export', () => {
  it('is no closing line when it cannot be recorded', async () => {
    const begun = await log.beginExport({ from: at(3), to: at(9) })
    const seen: string[] = []
    const chunks = async (): Promise<void> => {
      for await (const chunk of begun.chunks(() => Promise.reject(new Error('full')))) seen.push(chunk.toString())
    }
    await expect(chunks()).rejects.toThrow('full')
    expect(seen.join('')).not.toContain('closing')
    expect(begun.sent.entries).toBe(7)
  })

  it('is given out chunk by chunk, as the reader asks', async () => {
    let read = 0
    const watched = { ...(await log.beginExport({})) }
    for await (const chunk of watched.chunks(() => Promise.reject(new Error('not reached')))) {
      read++
      expect(chunk.byteLength).toBeLessThan(128 * 1024)
      if (read === 3) break
    }
    expect(watched.sent.entries).toBe(128)
  })
})

it('any range with what lies beside it gives the root of the tree (RFC 6962)', () => {
  const leaves = Array.from({ length: 300 }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)))
  const rootOf = (start: number, end: number): Uint8Array => {
    const range = new CompactRange()
    for (const leaf of leaves.slice(start, end)) range.append(leaf, () => undefined)
    return range.root()
  }
  fc.assert(
    fc.property(fc.nat(300), fc.nat(300), fc.nat(300), (...numbers) => {
      const [first, end, size] = numbers.sort((a, b) => a - b)
      const range = new CompactRange()
      const beside = (from: number, to: number): void => {
        for (const { height, index } of coveringSubtrees(from, to))
          expect(range.appendSubtree(rootOf(index * 2 ** height, (index + 1) * 2 ** height), height)).toBe(true)
      }
      beside(0, first)
      for (const leaf of leaves.slice(first, end)) range.append(leaf, () => undefined)
      beside(end, size)
      expect(range.size).toBe(size)
      expect(Buffer.from(range.root())).toEqual(Buffer.from(rootOf(0, size)))
    }),
  )
  const odd = new CompactRange()
  odd.append(leaves[0]!, () => undefined)
  expect(odd.appendSubtree(leaves[1]!, 1)).toBe(false)
})

/** An inclusion path under the checkpoint of a closing line. */
async function inclusionOf(index: number, end: { closing: object }): Promise<{ path: string[] }> {
  const { inclusionProof } = await import('./prove-merkle.ts')
  const { checkpoint } = end.closing as { checkpoint: string }
  const nodes = tileNodes(log.health().published, (path) => log.resource(path))
  return { path: inclusionProof(index, Number(checkpoint.split('\n')[1]), nodes).map((hash) => Buffer.from(hash).toString('base64')) }
}
