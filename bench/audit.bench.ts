import { createSecretKey, hash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#foundation/core'
import { nodeFolder } from '#foundation/storage'
import { type AuditLog, openAuditLog, parallelWriter } from '#trust/audit'
import { MemorySealer, testEvent, testSigner } from '../src/trust/audit/audit-testing.ts'
import type { Row } from './row.ts'

const LEAF_BYTES = 256
const ROUNDS = 3
/** Reading the clock twice per append would be a good part of what is measured. */
const TIMED_WRITERS = 20
const SLICE_MS = 1_500
const RECORD_CPU_TARGET_US = 8

/** L: hashes of an append of ready 256-byte leaves through a compact range and nothing else, per second. */
function merkleLimit(): number {
  const leaf = Buffer.alloc(1 + LEAF_BYTES, 1)
  leaf[0] = 0
  const node = Buffer.alloc(65, 1)
  const peaks: Buffer[] = []
  let size = 0
  const start = performance.now()
  while (performance.now() - start < SLICE_MS / 2) {
    for (let i = 0; i < 1_000; i++) {
      leaf.writeUInt32LE(size, 1)
      let next = hash('sha256', leaf, 'buffer')
      let height = 0
      for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) {
        node.set(peaks[height]!, 1)
        node.set(next, 33)
        next = hash('sha256', node, 'buffer')
        height++
      }
      peaks[height] = next
      size++
    }
  }
  return size / ((performance.now() - start) / 1_000)
}

/** F: synchronous write + fdatasync of one record into a preallocated file, per second. */
function syncLimit(root: string): number {
  const folder = nodeFolder(root)
  const file = folder.open('raw', { create: true })!
  const bytes = Buffer.alloc(4_194_304)
  file.writeAt(bytes, 0)
  file.datasync()
  const record = Buffer.alloc(LEAF_BYTES + 73, 1)
  let count = 0
  const start = performance.now()
  while (performance.now() - start < SLICE_MS / 2) {
    file.writeAt(record, (count * record.byteLength) % 4_000_000)
    file.datasync()
    count++
  }
  file.close()
  return count / ((performance.now() - start) / 1_000)
}

async function openLog(root: string): Promise<AuditLog> {
  return openAuditLog({
    folder: nodeFolder(root),
    parallelWriter: parallelWriter(root),
    signer: testSigner(),
    sealer: new MemorySealer(),
    searchKey: createSecretKey(Buffer.alloc(32, 1)),
    indexPath: ':memory:',
    origin: 'bench.test/log',
    clock: systemClock,
    instance: 'bench',
  })
}

interface Load {
  readonly perSecond: number
  readonly p99Ms: number
}

/** Closed loop: each writer appends again as soon as its append is durable. The time ends when tiles and checkpoint are durable too. */
async function load(log: AuditLog, writers: number, append: (writer: number, round: number) => Promise<unknown>): Promise<Load> {
  const latencies: number[] = []
  let count = 0
  const state = { running: true }
  setTimeout(() => (state.running = false), SLICE_MS)
  const start = performance.now()
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      const timed = writer < TIMED_WRITERS
      for (let round = 0; state.running; round++) {
        const before = timed ? performance.now() : 0
        await append(writer, round)
        if (timed) latencies.push(performance.now() - before)
        count++
      }
    }),
  )
  await log.publish()
  const perSecond = count / ((performance.now() - start) / 1_000)
  latencies.sort((a, b) => a - b)
  return { perSecond, p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0 }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

async function round(root: string): Promise<Record<string, number>> {
  const limitL = merkleLimit()
  const limitF = syncLimit(root)
  const leaves = Array.from({ length: 1_000 }, (_, i) => Buffer.alloc(LEAF_BYTES, i))
  const log = await openLog(join(root, 'log'))
  const one = await load(log, 1, () => log.append(leaves[0]!))
  const many = await load(log, 1_000, (writer) => log.append(leaves[writer]!))
  const plain = testEvent()
  const sealed = testEvent({ personal: [{ subject: 'subject-1', fields: { prompt: 'a sealed field of some length' } }] })
  const record = await load(log, 1_000, () => log.record(plain))
  const recordSealed = await load(log, 1_000, () => log.record(sealed))
  const cpu = await recordCpu(log)
  await log.close()
  return {
    limitL,
    limitF,
    one: one.perSecond,
    many: many.perSecond,
    p99: many.p99Ms,
    record: record.perSecond,
    recordSealed: recordSealed.perSecond,
    cpu,
    shareL: many.perSecond / limitL,
    shareF: one.perSecond / limitF,
  }
}

/** User CPU of one `record()` in batches of 100, in microseconds; system time is the disk's and is left out. */
async function recordCpu(log: AuditLog): Promise<number> {
  const event = testEvent()
  const before = process.cpuUsage()
  const batches = 200
  for (let i = 0; i < batches; i++) await Promise.all(Array.from({ length: 100 }, () => log.record(event)))
  return process.cpuUsage(before).user / (batches * 100)
}

export const benchmark = {
  name: 'audit',
  async run(): Promise<readonly Row[]> {
    const root = mkdtempSync(join(tmpdir(), 'redoubt-bench-audit-'))
    try {
      const rounds: Record<string, number>[] = []
      for (let i = 0; i < ROUNDS; i++) rounds.push(await round(join(root, String(i))))
      const of = (name: string): number => median(rounds.map((each) => each[name] ?? Number.NaN))
      const spread = (name: string): string => rounds.map((each) => each[name]?.toFixed(3)).join(' ')
      const rate = { unit: '/s', target: null, comparator: '>=' } as const
      return [
        { what: 'Merkle append limit L, 256-byte leaf', value: of('limitL'), ...rate },
        { what: 'write + fdatasync limit F', value: of('limitF'), ...rate },
        { what: 'durable appends, 1 writer', value: of('one'), ...rate },
        { what: 'durable appends, 1,000 writers', value: of('many'), ...rate },
        { what: 'share of F at 1 writer', value: of('shareF'), unit: 'ratio', target: 0.6, comparator: '>=', note: spread('shareF') },
        { what: 'share of L at 1,000 writers', value: of('shareL'), unit: 'ratio', target: 0.25, comparator: '>=', note: spread('shareL') },
        { what: 'p99 latency at 1,000 writers', value: of('p99'), unit: 'ms', target: 50, comparator: '<=' },
        { what: 'record() without personal fields, 1,000 writers', value: of('record'), ...rate },
        { what: 'record() with one sealed field, 1,000 writers', value: of('recordSealed'), ...rate },
        { what: 'user CPU of record(), batches of 100', value: of('cpu'), unit: 'µs', target: RECORD_CPU_TARGET_US, comparator: '<=' },
      ]
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  },
}

if (import.meta.main) console.table(await benchmark.run())
