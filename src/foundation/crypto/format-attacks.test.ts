import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  before,
  BINDING,
  boundaries,
  countingReads,
  cut,
  dataKey,
  firstBytes,
  flipped,
  folderWith,
  reading,
  sealedBytes,
  wrongOrders,
} from './format-attacks.fixtures.ts'
import {
  aadDigest,
  decodeHeaders,
  decodeSlot,
  encodeSlot,
  HEADERS_BYTES,
  type ObjectHeader,
  SLOT_BYTES,
  WIDE_SLOT_BYTES,
} from './object-header.ts'
import { openObject } from './open-object.ts'
import { SEGMENT_1_MIB, SEGMENT_64_KIB, STREAM_HEADER_BYTES } from './segment-layout.ts'

/** Where the flipped bits of a large object lie: printed, so that a failure can be repeated. */
const SEED = Number(process.env['REDOUBT_SEED'] ?? 20_261_128)
const pick = (i: number, below: number): number => createHash('sha256').update(`${SEED} ${i}`).digest().readUInt32BE(0) % below
const REFUSED = /^ERR_CRYPTO_(AUTHENTICATION|FORMAT)$/

describe.each([SEGMENT_64_KIB, SEGMENT_1_MIB])('an RDBT1 object with segments of %i bytes under attack (A1)', (segmentSize) => {
  const key = dataKey()
  /** Four segments, the last one short. */
  const plaintext = randomBytes(3 * segmentSize + 1_000)
  const small = randomBytes(40)

  it('is refused with any bit of a small one flipped, in the slot in use and in the body; the empty slot B is not read', async () => {
    const bytes = await sealedBytes(key, small, segmentSize)
    const end = 52 + bytes.readUInt32BE(16)
    // All of the slot's own fields, the stream header and the body; every 61st of the JSON and the padding. `format-attacks.system.ts` sweeps all.
    const bits = [...Array(bytes.byteLength * 8).keys()].filter(
      (bit) => bit < 52 * 8 || bit >= HEADERS_BYTES * 8 || bit % (bit < end * 8 ? 61 : 1_013) === 0,
    )
    for (const bit of bits) {
      const { code, plaintext: out } = await reading(flipped(bytes, bit), key)
      const slotB = bit >= SLOT_BYTES * 8 && bit < HEADERS_BYTES * 8
      expect([bit, code]).toEqual([bit, slotB ? 'read' : bit < SLOT_BYTES * 8 ? 'ERR_CRYPTO_FORMAT' : 'ERR_CRYPTO_AUTHENTICATION'])
      expect([bit, out.equals(slotB ? small : Buffer.alloc(0))]).toEqual([bit, true])
    }
  })

  it(`gives out what was before the flipped bit's segment and nothing of it (seed ${SEED})`, async () => {
    const bytes = await sealedBytes(key, plaintext, segmentSize)
    const bodyBits = (bytes.byteLength - HEADERS_BYTES - STREAM_HEADER_BYTES) * 8
    for (let i = 0; i < 12; i++) {
      const bit = (HEADERS_BYTES + STREAM_HEADER_BYTES) * 8 + pick(i, bodyBits)
      const segment = Math.floor(((bit >> 3) - HEADERS_BYTES) / segmentSize)
      const { code, plaintext: out } = await reading(flipped(bytes, bit), key)
      expect([bit, code, out.byteLength]).toEqual([bit, 'ERR_CRYPTO_AUTHENTICATION', before(segment, segmentSize)])
      expect(out.equals(plaintext.subarray(0, out.byteLength))).toBe(true)
    }
  })

  it('is refused cut at or beside every boundary, whole and by a range of its first bytes', async () => {
    const bytes = await sealedBytes(key, plaintext, segmentSize)
    for (const length of boundaries(bytes.byteLength, segmentSize)) {
      const { code, plaintext: out } = await reading(bytes.subarray(0, length), key)
      expect([length, REFUSED.test(code)]).toEqual([length, true])
      expect([length, out.byteLength < plaintext.byteLength, out.equals(plaintext.subarray(0, out.byteLength))]).toEqual([
        length,
        true,
        true,
      ])
      expect([length, REFUSED.test(await firstBytes(bytes.subarray(0, length), key, 1))]).toEqual([length, true])
    }
  })

  it('is refused with its segments in any other order, doubled, missing, or from another stream of the same key', async () => {
    const bytes = await sealedBytes(key, plaintext, segmentSize)
    const { front, segments } = cut(bytes, segmentSize)
    const other = cut(await sealedBytes(key, plaintext, segmentSize), segmentSize)
    const attacks: [string, Buffer[]][] = wrongOrders(4).map((order) => [`order ${order.join()}`, order.map((i) => segments[i]!)])
    for (let i = 0; i < 4; i++) {
      attacks.push([`without ${i}`, segments.filter((_, at) => at !== i)])
      attacks.push([`${i} twice`, segments.flatMap((segment, at) => (at === i ? [segment, segment] : [segment]))])
      attacks.push([`${i} of another stream`, segments.map((segment, at) => (at === i ? other.segments[i]! : segment))])
    }
    attacks.push(['all of another stream', [...other.segments]], ['no segment', []], ['extended by a segment', [...segments, segments[0]!]])
    attacks.push(['extended by a byte', [...segments, Buffer.of(0)]], ['extended by a tag', [...segments, Buffer.alloc(16)]])
    for (const [name, parts] of attacks) {
      const { code, plaintext: out } = await reading(Buffer.concat([front, ...parts]), key)
      expect([name, REFUSED.test(code)]).toEqual([name, true])
      // Whatever came out are the right bytes in the right place, and not all of them.
      expect([name, out.byteLength < plaintext.byteLength, out.equals(plaintext.subarray(0, out.byteLength))]).toEqual([name, true, true])
    }
  })

  it('is refused under the header of another object of the same key, though its checksum is right', async () => {
    const bytes = await sealedBytes(key, small, segmentSize)
    const foreign = dataKey({ ...BINDING, purpose: 'model' }, key.key)
    const other = await sealedBytes(foreign, small, segmentSize)
    const swapped = (front: Buffer, body: Buffer): Buffer => Buffer.concat([front.subarray(0, HEADERS_BYTES), body.subarray(HEADERS_BYTES)])
    expect((await reading(swapped(other, bytes), key)).code).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect((await reading(swapped(bytes, other), key)).code).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect((await reading(swapped(bytes, bytes), key)).code).toBe('read')
    // Another object in this one's place: whole and valid, and not what was asked for.
    const elsewhere = dataKey({ ...BINDING, resource: 'dataset/other/1' }, key.key)
    expect((await reading(await sealedBytes(elsewhere, small, segmentSize), key)).code).toBe('ERR_CRYPTO_AUTHENTICATION')
  })

  it('is refused with any fact of its header changed by who lacks the key, in slot A or as a younger slot B', async () => {
    const bytes = await sealedBytes(key, small, segmentSize)
    const { header } = decodeHeaders(bytes)
    const changes: Partial<ObjectHeader>[] = [
      { binding: { ...BINDING, purpose: 'model' } },
      { segmentSize: segmentSize === SEGMENT_1_MIB ? SEGMENT_64_KIB : SEGMENT_1_MIB },
      { plaintextDigest: '0'.repeat(64) },
      { aadDigest: '0'.repeat(64) },
      { commitment: 'A'.repeat(43) },
    ]
    for (const change of changes) {
      const forged = { ...header, ...change }
      const consistent = 'aadDigest' in change ? forged : { ...forged, aadDigest: aadDigest(forged) }
      for (const [slot, sequence] of [
        [0, 1],
        [1, 2],
      ] as const) {
        const copy = Buffer.from(bytes)
        copy.set(encodeSlot(consistent, sequence), slot * SLOT_BYTES)
        const { code, plaintext: out } = await reading(copy, key)
        expect([change, slot, code, out.byteLength]).toEqual([change, slot, 'ERR_CRYPTO_AUTHENTICATION', 0])
      }
    }
  })

  it('has its last segment verified before any byte of a range is served, and reads no more than it needs', async () => {
    const bytes = await sealedBytes(key, plaintext, segmentSize)
    for (const bit of [bytes.byteLength * 8 - 1, (bytes.byteLength - 500) * 8])
      expect(await firstBytes(flipped(bytes, bit), key, 10)).toBe('ERR_CRYPTO_AUTHENTICATION')
    const { folder, reads } = countingReads(folderWith(bytes))
    const opened = await openObject(folder, 'object', async () => key.key)
    reads.length = 0
    const middle = before(1, segmentSize) + 7
    expect(Buffer.from(await opened.readRange(middle, segmentSize)).equals(plaintext.subarray(middle, middle + segmentSize))).toBe(true)
    const lastStart = HEADERS_BYTES + 3 * segmentSize
    // The header is looked at first, since the object may have been sealed anew meanwhile.
    const body = reads.filter(({ at }) => at >= HEADERS_BYTES)
    expect(body[0]!.at).toBeGreaterThanOrEqual(lastStart)
    // The last segment, and the two that the range touches: for 1 MiB at most 3 MiB, however long the object is.
    expect(body.reduce((sum, { bytes: n }) => sum + n, 0)).toBeLessThanOrEqual(3 * segmentSize)
    expect(reads.length - body.length).toBe(1)
  })
})

describe('header slots of two widths (A1)', () => {
  it('a slot of one width is none of the other, though its checksum is right', () => {
    const facts = { format: 'RDBT1', suite: 'AES256-GCM-HKDF-SHA256', segmentSize: SEGMENT_64_KIB, binding: BINDING } as const
    const header: ObjectHeader = { ...facts, aadDigest: aadDigest(facts), commitment: 'A'.repeat(43), keys: [dataKey().wrapped] }
    for (const [width, other] of [
      [SLOT_BYTES, WIDE_SLOT_BYTES],
      [WIDE_SLOT_BYTES, SLOT_BYTES],
    ] as const) {
      const slot = Buffer.alloc(other)
      slot.set(encodeSlot(header, 1, width).subarray(0, other))
      slot.set(createHash('sha256').update(slot.subarray(0, 20)).update(slot.subarray(52)).digest(), 20)
      expect(decodeSlot(slot, 0, other)).toBeNull()
      slot[7]! ^= 1
      slot.set(createHash('sha256').update(slot.subarray(0, 20)).update(slot.subarray(52)).digest(), 20)
      expect(decodeSlot(slot, 0, other)).toEqual({ slot: 0, sequence: 1, header })
    }
  })
})
