import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openCheckpoint } from './checkpoint.ts'
import { CompactRange } from './compact-range.ts'
import { parseEntryBundle } from './entry-bundle.ts'
import { leafHash } from './merkle-hash.ts'
import { verifyLog } from './verify-log.ts'
import { verifyConsistency, verifyInclusion, verifySubtreeConsistency, verifySubtreeInclusion } from './verify-merkle.ts'

const shared = process.env['REDOUBT_SHARED'] ?? new URL('../../../../shared', import.meta.url).pathname
const vectors = join(shared, 'vectors/tlog')
if (!existsSync(vectors)) throw new Error(`the published vectors are missing: ${vectors}`)

type Case = Readonly<Record<string, string | readonly string[] | boolean | null>>
const bytes = (value: Case[string]): Uint8Array => Buffer.from(typeof value === 'string' ? value : '', 'base64')
const proofOf = (value: Case): Uint8Array[] => ((value['proof'] ?? []) as readonly string[]).map(bytes)
const big = (value: Case[string]): bigint => BigInt(value as string)

const verifiers: Readonly<Record<string, (value: Case) => boolean>> = {
  inclusion: (value) =>
    verifyInclusion({
      index: big(value['leafIdx']!),
      size: big(value['treeSize']!),
      leafHash: bytes(value['leafHash']!),
      root: bytes(value['root']!),
      proof: proofOf(value),
    }),
  consistency: (value) =>
    verifyConsistency({
      size1: big(value['size1']!),
      size2: big(value['size2']!),
      root1: bytes(value['root1']!),
      root2: bytes(value['root2']!),
      proof: proofOf(value),
    }),
  subtreeinclusion: (value) =>
    verifySubtreeInclusion({
      index: big(value['leafIdx']!),
      start: big(value['start']!),
      end: big(value['end']!),
      leafHash: bytes(value['leafHash']!),
      root: bytes(value['root']!),
      proof: proofOf(value),
    }),
  subtreeconsistency: (value) =>
    verifySubtreeConsistency({
      start: big(value['start']!),
      end: big(value['end']!),
      size: big(value['size']!),
      root1: bytes(value['root1']!),
      root2: bytes(value['root2']!),
      proof: proofOf(value),
    }),
}

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

describe('published vectors of transparency-dev/merkle', () => {
  it.each([
    ['inclusion', 98, 6],
    ['consistency', 98, 6],
    ['subtreeinclusion', 204, 12],
    ['subtreeconsistency', 118, 12],
  ])('judges every %s case as the vectors do (%i cases, %i valid)', (kind, count, valid) => {
    const paths = files(join(vectors, 'merkle', kind))
    expect(paths.length).toBe(count)
    let accepted = 0
    const wrong: string[] = []
    for (const path of paths) {
      // Numbers reach 2^64 − 1, which JSON.parse would round.
      const text = readFileSync(path, 'utf8').replace(/:\s*(-?\d+)/g, ': "$1"')
      const value = JSON.parse(text) as Case
      const verdict = verifiers[kind]!(value)
      if (verdict) accepted++
      if (verdict === value['wantErr']) wrong.push(path)
    }
    expect(wrong).toEqual([])
    expect(accepted).toBe(valid)
  })
})

describe('published log of transparency-dev/tessera', () => {
  const folder = join(vectors, 'tessera-log')
  const verifierKey = readFileSync(join(vectors, 'tessera-log.vkey'), 'utf8')
  const read = (path: string): Uint8Array | null => (existsSync(join(folder, path)) ? readFileSync(join(folder, path)) : null)

  it('opens all 16 checkpoints and finds their roots over the entries', () => {
    const entries = parseEntryBundle(read('tile/entries/000.p/15')!, 15)!
    const range = new CompactRange()
    for (let size = 0; size <= 15; size++) {
      const checkpoint = openCheckpoint(readFileSync(join(folder, `checkpoint.${size}`), 'utf8'), verifierKey)
      expect(checkpoint.size).toBe(size)
      expect(Buffer.from(range.root()).equals(checkpoint.root)).toBe(true)
      if (size < 15) range.append(leafHash(entries[size]!), () => undefined)
    }
  })

  it('verifies the whole log against each older checkpoint', async () => {
    for (let size = 0; size <= 15; size++) {
      const olderCheckpoint = readFileSync(join(folder, `checkpoint.${size}`), 'utf8')
      const verdict = await verifyLog({ read, verifierKey, olderCheckpoint })
      expect(verdict.findings).toEqual([])
      expect(verdict.size).toBe(15)
    }
  })
})
