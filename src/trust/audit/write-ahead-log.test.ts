import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryFolder } from '#foundation/storage'
import { BATCH_HEADER_BYTES, listSegments, readSegment, RECORD_OVERHEAD_BYTES, segmentPath, WalWriter } from './write-ahead-log.ts'

const OPTIONS = { segmentBytes: 1_024, spareSegments: 1 }

function batchOf(entries: readonly string[], body = ''): Buffer {
  const records = entries.map((entry) => {
    const record = Buffer.alloc(RECORD_OVERHEAD_BYTES + entry.length + body.length)
    record.writeUInt32LE(entry.length, 0)
    record.writeUInt32LE(body.length, 4)
    record.write(entry + body, RECORD_OVERHEAD_BYTES)
    return record
  })
  return Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), ...records])
}

function read(bytes: Uint8Array, segment: number): [number, string, string | null][] {
  return [...readSegment(bytes, segment)]
    .flat()
    .map(({ index, prefixedEntry, body }) => [
      index,
      Buffer.from(prefixedEntry.subarray(1)).toString(),
      body && Buffer.from(body).toString(),
    ])
}

describe('write-ahead log', () => {
  it('reads back what it wrote, and ends at the preallocated rest', () => {
    const folder = new MemoryFolder()
    const wal = new WalWriter(folder, { ...OPTIONS, number: 3 })
    wal.write(batchOf(['a', 'bc']), 7, 2)
    wal.write(batchOf(['def'], 'body'), 9, 1)
    const bytes = folder.read(segmentPath(3))!
    expect(bytes).toHaveLength(1_024)
    expect(read(bytes, 3)).toEqual([
      [7, 'a', null],
      [8, 'bc', null],
      [9, 'def', 'body'],
    ])
  })

  it('cuts a torn tail back to the last whole batch, whichever byte is wrong (E5)', () => {
    const folder = new MemoryFolder()
    const wal = new WalWriter(folder, { ...OPTIONS, number: 1 })
    wal.write(batchOf(['first']), 0, 1)
    const start = BATCH_HEADER_BYTES + RECORD_OVERHEAD_BYTES + 5
    const torn = batchOf(['second', 'third'])
    wal.write(torn, 1, 2)
    const bytes = folder.read(segmentPath(1))!
    for (let at = start; at < start + torn.byteLength; at++) {
      const changed = bytes.slice()
      changed[at]! ^= 0x10
      expect(read(changed, 1)).toEqual([[0, 'first', null]])
    }
  })

  it('does not take the batches of an earlier life of a reused file for its own', () => {
    const folder = new MemoryFolder()
    const wal = new WalWriter(folder, { ...OPTIONS, number: 1 })
    const wide = (i: number): string => `${i}`.repeat(200)
    for (let i = 0; i < 9; i++) {
      wal.write(batchOf([wide(i)]), i, 1)
      wal.retire(i)
    }
    const segments = listSegments(folder)
    const last = segments.at(-1)!
    expect(last).toBeGreaterThan(2)
    const found = segments.flatMap((number) => read(folder.read(segmentPath(number))!, number).map(([index]) => index))
    expect(found).toEqual([...new Set(found)])
    expect(read(folder.read(segmentPath(last))!, last - 1)).toEqual([])
  })

  it('never throws on a segment that an attacker wrote (fuzz)', () => {
    const folder = new MemoryFolder()
    new WalWriter(folder, { ...OPTIONS, number: 1 }).write(batchOf(['a', 'b'], 'c'), 0, 2)
    const whole = folder.read(segmentPath(1))!
    fc.assert(
      fc.property(fc.nat(200), fc.uint8Array({ maxLength: 12 }), (at, patch) => {
        const bytes = whole.slice()
        bytes.set(patch, at)
        return read(bytes, 1).length <= 2
      }),
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => read(bytes, 1).length === 0))
  })
})
