import { spawnSync } from 'node:child_process'
import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { nodeFolder } from '#foundation/storage'
import { HEADERS_BYTES, streamAad } from './object-header.ts'
import { openObject } from './open-object.ts'
import { sealObject } from './seal-object.ts'
import { SEGMENT_1_MIB, SEGMENT_64_KIB, type SegmentSize } from './segment-layout.ts'
import { openStream, sealStream } from './stream.ts'
import type { DataKey } from './wrapped-key.ts'

/** Debian's own Python: one earlier on PATH does not see python3-cryptography. */
const PYTHON = '/usr/bin/python3'
const JUDGE = fileURLToPath(new URL('../../../test/judges/tink/tink_streaming.py', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'redoubt-tink-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Job {
  readonly op: 'encrypt' | 'decrypt'
  readonly key: string
  readonly aad: string
  readonly segment: number
  readonly skip?: number
  readonly in: string
  readonly out: string
}

function judge(jobs: readonly Job[]): readonly { ok: boolean; error: string | null }[] {
  const { status, stdout, stderr } = spawnSync(PYTHON, [JUDGE], { input: JSON.stringify(jobs), encoding: 'utf8', maxBuffer: 2 ** 26 })
  if (status !== 0) throw new Error(`the Python judge cannot run (python3-cryptography of Debian is needed): ${stderr}`)
  return JSON.parse(stdout) as { ok: boolean; error: string | null }[]
}

const edges = (segment: SegmentSize): number[] => {
  const first = segment - 56
  const rest = segment - 16
  return [0, 1, 15, 16, 17, first - 1, first, first + 1, first + rest - 1, first + rest, first + rest + 1, first + 2 * rest + 12_345]
}
const collect = async (parts: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const all: Uint8Array[] = []
  for await (const part of parts) all.push(part)
  return Buffer.concat(all)
}
const file = (name: string): string => join(folder, name)

describe.each([SEGMENT_64_KIB, SEGMENT_1_MIB])('Tink AES256-GCM-HKDF streaming with segments of %i bytes, judged by Python', (segment) => {
  const key = randomBytes(32)
  const keyObject = createSecretKey(key)
  const aad = Buffer.from('associated data')
  const common = { key: key.toString('hex'), aad: aad.toString('hex'), segment }

  it('Python opens our streams of every edge size', async () => {
    const jobs: Job[] = []
    const plaintexts: Buffer[] = []
    for (const size of edges(segment)) {
      const plaintext = randomBytes(size)
      writeFileSync(file(`ours-${size}`), await collect(sealStream(keyObject, aad, plaintext, segment)))
      jobs.push({ op: 'decrypt', ...common, in: file(`ours-${size}`), out: file(`clear-${size}`) })
      plaintexts.push(plaintext)
    }
    expect(judge(jobs)).toEqual(jobs.map(() => ({ ok: true, error: null })))
    jobs.forEach((job, i) => expect(readFileSync(job.out).equals(plaintexts[i]!)).toBe(true))
  })

  it('we open the streams of Python of every edge size', async () => {
    const jobs: Job[] = []
    const plaintexts: Buffer[] = []
    for (const size of edges(segment)) {
      plaintexts.push(randomBytes(size))
      writeFileSync(file(`in-${size}`), plaintexts.at(-1)!)
      jobs.push({ op: 'encrypt', ...common, in: file(`in-${size}`), out: file(`theirs-${size}`) })
    }
    expect(judge(jobs)).toEqual(jobs.map(() => ({ ok: true, error: null })))
    for (const [i, job] of jobs.entries()) {
      const ciphertext = readFileSync(job.out)
      expect((await collect(openStream(keyObject, aad, ciphertext, segment))).equals(plaintexts[i]!)).toBe(true)
      const cut = collect(openStream(keyObject, aad, ciphertext.subarray(0, -1), segment))
      await expect(cut).rejects.toBeInstanceOf(RedoubtError)
    }
  })

  it('Python opens the body of whole RDBT1 files, and refuses it when changed', async () => {
    const jobs: Job[] = []
    const plaintexts: Buffer[] = []
    const objects = nodeFolder(folder)
    const binding = { tenant: 'default', resource: 'dataset/adult/1', purpose: 'dataset' } as const
    const dataKey: DataKey = { key: keyObject, wrapped: { keyId: 'kek_1', version: 1, wrapped: 'AAAA', binding } }
    const bound = { ...common, aad: Buffer.from(streamAad({ segmentSize: segment, binding })).toString('hex'), skip: HEADERS_BYTES }
    for (const size of edges(segment)) {
      plaintexts.push(randomBytes(size))
      await sealObject(objects, `object-${size}`, dataKey, plaintexts.at(-1)!, { segmentSize: segment })
      jobs.push({ op: 'decrypt', ...bound, in: file(`object-${size}`), out: file(`object-clear-${size}`) })
    }
    expect(judge(jobs)).toEqual(jobs.map(() => ({ ok: true, error: null })))
    for (const [i, job] of jobs.entries()) {
      expect(readFileSync(job.out).equals(plaintexts[i]!)).toBe(true)
      const opened = await openObject(objects, `object-${plaintexts[i]!.byteLength}`, async () => keyObject)
      expect(Buffer.from(await opened.readAll()).equals(plaintexts[i]!)).toBe(true)
      const changed = readFileSync(job.in)
      changed[changed.length - 1]! ^= 1
      writeFileSync(job.in, changed)
    }
    expect(judge(jobs)).toEqual(jobs.map(() => ({ ok: false, error: 'InvalidTag' })))
  })
})
