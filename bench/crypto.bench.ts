import { spawnSync } from 'node:child_process'
import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ManualClock } from '#foundation/core'
import {
  type DataKey,
  openObject,
  openStream,
  sealObject,
  sealObjectUndigested,
  sealStream,
  SEGMENT_1_MIB,
  SEGMENT_64_KIB,
  type SegmentSize,
} from '#foundation/crypto'
import { MemoryFolder, nodeFolder, openDatabase } from '#foundation/storage'
import { openKeyring } from '#trust/keys'
import { openAwsSdk } from './peers/aws-encryption-sdk.ts'
import { installPeers } from './peers/install.ts'
import type { Row } from './row.ts'

const MIB = 1_048_576
const CHUNK = 262_144
const STREAM_MIB = 512
const FILE_MIB = 256
const ROUNDS = 5
/** In memory as a whole: what the AWS SDK gives out cannot be used again. */
const AWS_MIB = 64
const SEALS = 50_000

/** MiB per CPU-second (user and system, all threads) of the best of five rounds: the machine is shared. */
async function rate(mebibytes: number, work: () => Promise<void>): Promise<number> {
  let best = 0
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage()
    await work()
    const { user, system } = process.cpuUsage(before)
    best = Math.max(best, mebibytes / ((user + system) / 1e6))
  }
  return best
}

/** `openssl speed` counts CPU seconds by itself. */
function opensslSpeed(): { readonly rate: number; readonly version: string } {
  let best = 0
  for (let round = 0; round < 3; round++) {
    const { stdout, status } = spawnSync('openssl', ['speed', '-evp', 'aes-256-gcm', '-bytes', String(MIB), '-seconds', '1', '-mr'], {
      encoding: 'utf8',
    })
    const bytesPerSecond = Number(/\+F:\d+:AES-256-GCM:([\d.]+)/i.exec(stdout)?.[1])
    if (status !== 0 || !Number.isFinite(bytesPerSecond)) throw new Error('openssl speed cannot run')
    best = Math.max(best, bytesPerSecond / MIB)
  }
  return { rate: best, version: spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout.split(' ').slice(0, 2).join(' ') }
}

async function drain(parts: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const part of parts) void part
}

function* repeated(chunk: Uint8Array, mebibytes: number): Generator<Uint8Array> {
  for (let i = 0; i < (mebibytes * MIB) / CHUNK; i++) yield chunk
}

async function streams(baseline: number, note: string): Promise<Row[]> {
  const rows: Row[] = []
  const key = createSecretKey(randomBytes(32))
  const chunk = randomBytes(CHUNK)
  const transient = { transient: true }
  for (const segment of [SEGMENT_1_MIB, SEGMENT_64_KIB] as const) {
    const name = segment === SEGMENT_1_MIB ? '1 MiB' : '64 KiB'
    const goal = segment === SEGMENT_1_MIB ? 0.85 : null
    const sealing = await rate(STREAM_MIB, () =>
      drain(sealStream(key, chunk.subarray(0, 32), repeated(chunk, STREAM_MIB), segment, transient)),
    )
    const sealed: Uint8Array[] = []
    for await (const part of sealStream(key, chunk.subarray(0, 32), repeated(chunk, STREAM_MIB / 4), segment)) sealed.push(part)
    const opening = await rate(STREAM_MIB / 4, () => drain(openStream(key, chunk.subarray(0, 32), sealed, segment, transient)))
    const keeping = await rate(STREAM_MIB, () => drain(sealStream(key, chunk.subarray(0, 32), repeated(chunk, STREAM_MIB), segment)))
    for (const [what, value, target] of [
      ['seal', sealing, goal],
      ['open', opening, goal],
      ['seal, pieces kept by the consumer', keeping, null],
    ] as const)
      rows.push({
        what: `Tink stream, ${what}, ${name} segments, of openssl speed (1 MiB)`,
        value: value / baseline,
        unit: 'ratio',
        target,
        comparator: '>=',
        note: `${Math.round(value)} MiB/s; ${note}`,
      })
  }
  return rows
}

const benchKey = (): DataKey => ({
  key: createSecretKey(randomBytes(32)),
  wrapped: { keyId: 'bench', version: 1, wrapped: 'AAAA', binding: { tenant: 'default', resource: 'bench', purpose: 'bench' } },
})

async function files(baseline: number, note: string): Promise<Row[]> {
  const rows: Row[] = []
  const root = mkdtempSync(join(tmpdir(), 'redoubt-bench-'))
  try {
    const folder = nodeFolder(root)
    const key = benchKey()
    const chunk = randomBytes(CHUNK)
    await sealObjectUndigested(folder, 'plain', key, repeated(chunk, 1))
    const source = folder.open('source', { create: true })!
    for (let i = 0; i < (FILE_MIB * MIB) / CHUNK; i++) source.writeAt(chunk, i * CHUNK)
    source.datasync()
    function* fromFile(): Generator<Uint8Array> {
      // A ring of more than two segments: memory may be used again after that.
      const ring = Array.from({ length: 12 }, () => Buffer.allocUnsafeSlow(CHUNK))
      for (let at = 0, i = 0; at < FILE_MIB * MIB; at += CHUNK, i++) {
        const bytes = ring[i % ring.length]!
        source.readAt(bytes, at)
        yield bytes
      }
    }
    const copy = (): void => {
      const target = folder.open('copy', { create: true })!
      target.truncate(0)
      let at = 0
      for (const bytes of fromFile()) {
        target.writeAt(bytes, at)
        at += bytes.byteLength
      }
      target.datasync()
      target.close()
    }
    const segmentSize: SegmentSize = SEGMENT_1_MIB
    const work: readonly [string, number | null, () => Promise<unknown>][] = [
      ['plain copy, file to file, for comparison', null, async () => copy()],
      ['seal, file to file, without digests', 0.6, () => sealObjectUndigested(folder, 'sealed', key, fromFile(), { segmentSize })],
      ['seal, file to file, with both SHA-256', null, () => sealObject(folder, 'sealed', key, fromFile(), { segmentSize })],
      ['open, read from file', 0.6, async () => drain((await openObject(folder, 'sealed', async () => key.key)).read({ transient: true }))],
    ]
    for (const [what, target, run] of work) {
      const value = await rate(FILE_MIB, async () => void (await run()))
      rows.push({
        what: `whole RDBT1 file, ${what}, of openssl speed (1 MiB)`,
        value: value / baseline,
        unit: 'ratio',
        target,
        comparator: '>=',
        note: `${Math.round(value)} MiB/s, fdatasync included; ${note}`,
      })
    }
    source.close()
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
  return rows
}

/** What a range of a large object costs in reads, as the kernel counts them. */
async function ranges(): Promise<Row[]> {
  const root = mkdtempSync(join(tmpdir(), 'redoubt-bench-'))
  try {
    const folder = nodeFolder(root)
    const key = benchKey()
    await sealObjectUndigested(folder, 'large', key, repeated(randomBytes(CHUNK), FILE_MIB))
    const opened = await openObject(folder, 'large', async () => key.key)
    const bytesRead = (): number => Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'latin1'))?.[1])
    const itself = -bytesRead() + bytesRead()
    const before = bytesRead()
    await opened.readRange((FILE_MIB * MIB) / 2 + 4_321, MIB)
    const value = (bytesRead() - before - itself) / MIB
    const what = 'bytes read for a range of 1 MiB of a large object, its last segment verified'
    return [{ what, value, unit: 'MiB', target: 3, comparator: '<=', note: `an object of ${FILE_MIB} MiB; the length does not matter` }]
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** Beside the AWS Encryption SDK: the same frame size, both with key commitment, both streaming, in one run. */
async function besideAws(): Promise<Row[]> {
  installPeers()
  const aws = openAwsSdk(SEGMENT_64_KIB)
  const chunk = randomBytes(CHUNK)
  const key = createSecretKey(randomBytes(32))
  const aad = chunk.subarray(0, 32)
  const collected = async (parts: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> => {
    const all: Uint8Array[] = []
    for await (const part of parts) all.push(part)
    return all
  }
  const through = async (source: Iterable<Uint8Array>, stream: Duplex): Promise<void> => {
    await pipeline(Readable.from(source, { objectMode: false }), stream, drain)
  }
  const theirs = await collected(Readable.from(repeated(chunk, AWS_MIB), { objectMode: false }).pipe(aws.encrypt()))
  const ours = await collected(sealStream(key, aad, repeated(chunk, AWS_MIB), SEGMENT_64_KIB))
  const transient = { transient: true }
  const work = [
    [
      'seal',
      await rate(AWS_MIB, () => through(repeated(chunk, AWS_MIB), aws.encrypt())),
      await rate(AWS_MIB, () => drain(sealStream(key, aad, repeated(chunk, AWS_MIB), SEGMENT_64_KIB, transient))),
    ],
    [
      'open',
      await rate(AWS_MIB, () => through(theirs, aws.decrypt())),
      await rate(AWS_MIB, () => drain(openStream(key, aad, ours, SEGMENT_64_KIB, transient))),
    ],
  ] as const
  return work.map(([what, their, our]) => ({
    what: `Tink stream, ${what}, 64 KiB segments, beside @aws-crypto/client-node`,
    value: our / their,
    unit: 'times',
    target: 3,
    comparator: '>=',
    note: `${Math.round(our)} against ${Math.round(their)} MiB/s of CPU; version ${aws.version}, committing suite without signature`,
  }))
}

async function fields(): Promise<Row[]> {
  const keyring = await openKeyring({
    folder: new MemoryFolder(),
    database: openDatabase(':memory:'),
    passphrase: randomBytes(16),
    clock: new ManualClock(0),
    kdf: { memoryKiB: 19_456, passes: 2, parallelism: 1 },
  })
  const plaintext = randomBytes(64)
  await keyring.sealer.seal('subject', plaintext, 'context')
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage()
    for (let i = 0; i < SEALS; i++) await keyring.sealer.seal('subject', plaintext, 'context')
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / SEALS)
  }
  return [{ what: 'seal a 64-byte field of a known subject', value: best, unit: 'µs CPU', target: 6, comparator: '<=' }]
}

export const benchmark = {
  name: 'crypto',
  async run(): Promise<readonly Row[]> {
    const { rate: baseline, version } = opensslSpeed()
    const note = `openssl speed ${Math.round(baseline)} MiB/s (${version}; node has OpenSSL ${process.versions.openssl})`
    return [
      ...(await streams(baseline, note)),
      ...(await files(baseline, note)),
      ...(await ranges()),
      ...(await besideAws()),
      ...(await fields()),
    ]
  },
}
