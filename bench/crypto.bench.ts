import { spawnSync } from 'node:child_process'
import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { BlockReader, BlockWriter } from '#foundation/blocks'
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
} from '#foundation/crypto'
import { type DurableFile, type DurableFolder, MemoryFolder, nodeFolder, openDatabase } from '#foundation/storage'
import { openKeyring } from '#trust/keys'
import { openAwsSdk } from './peers/aws-encryption-sdk.ts'
import { installPeers } from './peers/install.ts'
import { median, type Row } from './row.ts'

const MIB = 1_048_576
const CHUNK = 262_144
const STREAM_MIB = 512
const FILE_MIB = 256
const ROUNDS = 5
/** In memory as a whole: what the AWS SDK gives out cannot be used again. */
const AWS_MIB = 64
const SEALS = 50_000

/** MiB per CPU-second (user and system, all threads). */
async function once(mebibytes: number, work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return mebibytes / ((user + system) / 1e6)
}

/** Of the best of five rounds: the machine is shared. */
async function rate(mebibytes: number, work: () => Promise<void>): Promise<number> {
  let best = 0
  for (let round = 0; round < ROUNDS; round++) best = Math.max(best, await once(mebibytes, work))
  return best
}

/** MiB per CPU-second: `openssl speed` counts CPU seconds by itself. */
function opensslOnce(): number {
  const { stdout, status } = spawnSync('openssl', ['speed', '-evp', 'aes-256-gcm', '-bytes', String(MIB), '-seconds', '1', '-mr'], {
    encoding: 'utf8',
  })
  const bytesPerSecond = Number(/\+F:\d+:AES-256-GCM:([\d.]+)/i.exec(stdout)?.[1])
  if (status !== 0 || !Number.isFinite(bytesPerSecond)) throw new Error('openssl speed cannot run')
  return bytesPerSecond / MIB
}

function opensslSpeed(): { readonly rate: number; readonly version: string } {
  const best = Math.max(opensslOnce(), opensslOnce(), opensslOnce())
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

async function files(): Promise<Row[]> {
  const root = mkdtempSync(join(tmpdir(), 'redoubt-bench-'))
  try {
    const folder = nodeFolder(root)
    const key = benchKey()
    const chunk = randomBytes(CHUNK)
    const source = folder.open('source', { create: true })!
    for (let i = 0; i < (FILE_MIB * MIB) / CHUNK; i++) source.writeAt(chunk, i * CHUNK)
    source.datasync()
    const work: readonly [string, number | null, () => Promise<unknown>][] = [
      ['plain copy through the page cache, for comparison', null, async () => copyCached(folder, source)],
      ['plain copy in blocks around it, for comparison', null, () => copyInBlocks(folder, source)],
      ['seal, disk to disk, without digests', 0.6, () => inBlocks(source, (blocks) => sealObjectUndigested(folder, 'sealed', key, blocks))],
      ['seal, disk to disk, with both SHA-256', null, () => inBlocks(source, (blocks) => sealObject(folder, 'sealed', key, blocks))],
      ['open, read from disk', 0.6, async () => drain((await openObject(folder, 'sealed', async () => key.key)).read({ transient: true }))],
    ]
    const rounds: { readonly openssl: number; readonly rates: readonly number[] }[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const rates: number[] = []
      for (const [, , run] of work) rates.push(await once(FILE_MIB, async () => void (await run())))
      rounds.push({ openssl: opensslOnce(), rates })
    }
    source.close()
    return work.map(([what, target], i) => {
      const ratios = rounds.map(({ openssl, rates }) => rates[i]! / openssl).toSorted((a, b) => a - b)
      const spread = `${ratios[0]!.toFixed(2)} to ${ratios.at(-1)!.toFixed(2)} in ${ROUNDS} paired rounds`
      const cost = rounds.map(({ rates }) => Math.round(1e6 / rates[i]!)).toSorted((a, b) => a - b)
      return {
        what: `whole RDBT1 file, ${what}, of openssl speed (1 MiB), median`,
        value: median(ratios),
        unit: 'ratio',
        target,
        comparator: '>=',
        note: `${spread}; ${cost[0]} to ${cost.at(-1)} µs of CPU a MiB, fdatasync included`,
      }
    })
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** The source as `redoubt seal` reads it. */
async function inBlocks(source: DurableFile, use: (blocks: BlockReader) => Promise<unknown>): Promise<void> {
  const blocks = new BlockReader(source, 0)
  try {
    await use(blocks)
  } finally {
    await blocks.close()
  }
}

async function copyInBlocks(folder: DurableFolder, source: DurableFile): Promise<void> {
  const target = emptyFile(folder)
  const writer = new BlockWriter(target, 0)
  await inBlocks(source, async (blocks) => {
    for await (const block of blocks) await writer.append(block)
    await writer.end()
  })
  await writer.close()
  target.datasync()
  target.close()
}

function copyCached(folder: DurableFolder, source: DurableFile): void {
  const target = emptyFile(folder)
  const chunk = Buffer.allocUnsafeSlow(CHUNK)
  for (let at = 0; at < FILE_MIB * MIB; at += CHUNK) {
    source.readAt(chunk, at)
    target.writeAt(chunk, at)
  }
  target.datasync()
  target.close()
}

function emptyFile(folder: DurableFolder): DurableFile {
  folder.remove('copy')
  return folder.open('copy', { create: true })!
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
    return [...(await streams(baseline, note)), ...(await files()), ...(await ranges()), ...(await besideAws()), ...(await fields())]
  },
}
