import { createSecretKey, randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { layoutOfCiphertext, layoutOfPlaintext, SEGMENT_1_MIB, SEGMENT_64_KIB } from './segment-layout.ts'
import { openStream, sealStream } from './stream.ts'

const key = createSecretKey(randomBytes(32))
const aad = Buffer.from('aad')
const CODE = 'ERR_CRYPTO_AUTHENTICATION'

async function collect(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const part of parts) all.push(part)
  return Buffer.concat(all)
}
const failure = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: unknown) => (error instanceof RedoubtError ? error.code : String(error)),
  )
const chunked = (bytes: Uint8Array, size: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))

describe('the stream', () => {
  it('opens what it sealed, for every length and chunking on both sides', async () => {
    const size = fc.oneof(fc.nat(100), fc.integer({ min: 65_470, max: 65_500 }), fc.integer({ min: 131_000, max: 131_060 }))
    await fc.assert(
      fc.asyncProperty(size, fc.integer({ min: 1, max: 70_000 }), fc.integer({ min: 1, max: 70_000 }), async (length, a, b) => {
        const plaintext = randomBytes(length)
        const chunks = chunked(plaintext, Math.max(a, Math.floor(length / 200)))
        const sealed = await collect(sealStream(key, aad, chunks, SEGMENT_64_KIB))
        expect(sealed.byteLength).toBe(layoutOfPlaintext(length, SEGMENT_64_KIB).ciphertextBytes)
        const opened = await collect(openStream(key, aad, chunked(sealed, Math.max(b, Math.floor(length / 200))), SEGMENT_64_KIB))
        expect(opened.equals(plaintext)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('has the form that the specification gives (Tink AES256_GCM_HKDF_1MB)', async () => {
    expect(layoutOfPlaintext(0, SEGMENT_1_MIB)).toEqual({ segments: 1, plaintextBytes: 0, ciphertextBytes: 56 })
    expect(layoutOfPlaintext(1_048_520, SEGMENT_1_MIB).ciphertextBytes).toBe(1_048_576)
    expect(layoutOfPlaintext(1_048_521, SEGMENT_1_MIB)).toMatchObject({ segments: 2, ciphertextBytes: 1_048_593 })
    const sealed = await collect(sealStream(key, aad, new Uint8Array(), SEGMENT_1_MIB))
    expect([sealed[0], sealed.byteLength]).toEqual([0x28, 56])
  })

  it('knows the impossible lengths of ciphertexts', () => {
    for (let bytes = 0; bytes < 65_700; bytes += bytes < 100 || bytes > 65_400 ? 1 : 997) {
      const possible = bytes >= 56 && (bytes <= 65_536 || bytes >= 65_536 + 17)
      const found = (() => {
        try {
          return layoutOfCiphertext(bytes, SEGMENT_64_KIB).ciphertextBytes === bytes
        } catch {
          return false
        }
      })()
      expect([bytes, found]).toEqual([bytes, possible])
    }
  })

  it('seals the same twice to different bytes', async () => {
    const [a, b] = [await collect(sealStream(key, aad, aad, SEGMENT_64_KIB)), await collect(sealStream(key, aad, aad, SEGMENT_64_KIB))]
    expect(a.subarray(1, 40).equals(b.subarray(1, 40))).toBe(false)
    expect(a.subarray(40).equals(b.subarray(40))).toBe(false)
  })

  it('refuses every flipped bit of a short stream', async () => {
    const sealed = await collect(sealStream(key, aad, Buffer.from('text'), SEGMENT_64_KIB))
    for (let bit = 0; bit < sealed.byteLength * 8; bit++) {
      const changed = Buffer.from(sealed)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect([bit, await failure(collect(openStream(key, aad, changed, SEGMENT_64_KIB)))]).toEqual([bit, CODE])
    }
  })

  it('refuses every cut, an extension, exchanged segments, another key, additional data or segment size', async () => {
    const sealed = await collect(sealStream(key, aad, randomBytes(200_000), SEGMENT_64_KIB))
    const S = SEGMENT_64_KIB
    const attacks: Buffer[] = [0, 1, 39, 40, 41, 55, 56, S - 1, S, S + 1, 2 * S, 3 * S, sealed.byteLength - 1].map((n) =>
      sealed.subarray(0, n),
    )
    attacks.push(Buffer.concat([sealed, Buffer.of(0)]))
    attacks.push(Buffer.concat([sealed.subarray(0, S), sealed.subarray(2 * S, 3 * S), sealed.subarray(S, 2 * S), sealed.subarray(3 * S)]))
    attacks.push(Buffer.concat([sealed.subarray(0, S), sealed.subarray(2 * S)]))
    for (const [i, attack] of attacks.entries()) expect([i, await failure(collect(openStream(key, aad, attack, S)))]).toEqual([i, CODE])
    const other = createSecretKey(randomBytes(32))
    expect(await failure(collect(openStream(other, aad, sealed, S)))).toBe(CODE)
    expect(await failure(collect(openStream(key, Buffer.from('add'), sealed, S)))).toBe(CODE)
    expect(await failure(collect(openStream(key, aad, sealed, SEGMENT_1_MIB)))).toBe(CODE)
  })

  it('gives out nothing of a segment before its tag was verified', async () => {
    const sealed = await collect(sealStream(key, aad, randomBytes(200_000), SEGMENT_64_KIB))
    sealed[2 * SEGMENT_64_KIB - 1]! ^= 1
    let given = 0
    const reading = async (): Promise<void> => {
      for await (const piece of openStream(key, aad, sealed, SEGMENT_64_KIB)) given += piece.byteLength
    }
    expect(await failure(reading())).toBe(CODE)
    expect(given).toBe(65_480)
  })

  it('asks the source for no more than a segment ahead, both ways', async () => {
    let asked = 0
    function* source(): Generator<Uint8Array> {
      for (let i = 0; i < 100; i++) {
        asked++
        yield randomBytes(16_384)
      }
    }
    const sealing = sealStream(key, aad, source(), SEGMENT_64_KIB)
    await sealing.next()
    await sealing.next()
    expect(asked).toBeLessThanOrEqual(6)
    await sealing.return(undefined)
    const sealed = chunked(await collect(sealStream(key, aad, randomBytes(1_000_000), SEGMENT_64_KIB)), 16_384)
    let given = 0
    function* counted(): Generator<Uint8Array> {
      for (const chunk of sealed) {
        given++
        yield chunk
      }
    }
    const opening = openStream(key, aad, counted(), SEGMENT_64_KIB)
    await opening.next()
    expect(given).toBeLessThanOrEqual(6)
    await opening.return(undefined)
  })

  it('empties transient pieces when the next is asked for, and no others', async () => {
    const source = [randomBytes(300_000)]
    const kept: Uint8Array[] = []
    const hashed: Buffer[] = []
    for await (const piece of sealStream(key, aad, source, SEGMENT_64_KIB, { transient: true })) {
      kept.push(piece)
      hashed.push(Buffer.from(piece))
    }
    expect(kept.filter((piece) => piece.byteLength > 1000)).toEqual([])
    const opened = await collect(openStream(key, aad, Buffer.concat(hashed), SEGMENT_64_KIB))
    expect(opened.equals(source[0]!)).toBe(true)
    expect(source[0]!.byteLength).toBe(300_000)
  })

  it('refuses a source that takes its chunks back too early', async () => {
    for (const size of [50, 100_000]) {
      const inner = sealStream(key, aad, randomBytes(size), SEGMENT_64_KIB, { transient: true })
      expect(await failure(collect(sealStream(key, aad, inner, SEGMENT_64_KIB)))).toBe('ERR_CRYPTO_PARAMETER')
    }
  })

  it('refuses a key that is not AES-256', async () => {
    const short = createSecretKey(randomBytes(16))
    expect(await failure(collect(sealStream(short, aad, aad, SEGMENT_64_KIB)))).toBe('ERR_CRYPTO_PARAMETER')
  })
})
