import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { boundaries, dataKey, firstBytes, flipped, reading, sealedBytes } from './format-attacks.fixtures.ts'
import { HEADERS_BYTES, SLOT_BYTES, WIDE_SLOT_BYTES } from './object-header.ts'
import { newRecipient, openRecipientKey } from './recipient.ts'
import { openFile, sealFile } from './sealed-file.ts'
import { SEGMENT_1_MIB, SEGMENT_64_KIB } from './segment-layout.ts'

/** The whole of what `format-attacks.test.ts` samples. */
describe.each([SEGMENT_64_KIB, SEGMENT_1_MIB])(
  'every bit and every length of an RDBT1 object with segments of %i bytes (A1)',
  (segmentSize) => {
    const key = dataKey()
    const plaintext = randomBytes(40)

    it('flipped is refused without a byte of plaintext; in the empty slot B it changes nothing', async () => {
      const bytes = await sealedBytes(key, plaintext, segmentSize)
      const wrong: [number, string][] = []
      // What is behind the JSON is treated alike for both sizes: all of it is swept once.
      const padding = (52 + bytes.readUInt32BE(16)) * 8
      const step = (bit: number): number => (segmentSize === SEGMENT_1_MIB && bit >= padding && bit < HEADERS_BYTES * 8 ? 64 : 1)
      for (let bit = 0; bit < bytes.byteLength * 8; bit += step(bit)) {
        const { code, plaintext: out } = await reading(flipped(bytes, bit), key)
        const slotB = bit >= SLOT_BYTES * 8 && bit < HEADERS_BYTES * 8
        const expected = slotB ? 'read' : bit < SLOT_BYTES * 8 ? 'ERR_CRYPTO_FORMAT' : 'ERR_CRYPTO_AUTHENTICATION'
        if (code !== expected || !out.equals(slotB ? plaintext : Buffer.alloc(0))) wrong.push([bit, code])
      }
      expect(wrong).toEqual([])
    })

    it('cut is refused at every length, by a range too', async () => {
      const bytes = await sealedBytes(key, plaintext, segmentSize)
      for (let length = 0; length < bytes.byteLength; length++) {
        const { code, plaintext: out } = await reading(bytes.subarray(0, length), key)
        expect([length, /^ERR_CRYPTO_(FORMAT|AUTHENTICATION)$/.test(code), out.byteLength]).toEqual([length, true, 0])
        if (length > HEADERS_BYTES) expect(await firstBytes(bytes.subarray(0, length), key, 1)).toMatch(/^ERR_CRYPTO_/)
      }
    })

    it('of a hundred places in a large one, flipped, and of every boundary, cut, is refused', async () => {
      const large = randomBytes(5 * segmentSize)
      const bytes = await sealedBytes(key, large, segmentSize)
      const at = randomBytes(4 * 100)
      for (let i = 0; i < 100; i++) {
        const bit = HEADERS_BYTES * 8 + (at.readUInt32BE(4 * i) % ((bytes.byteLength - HEADERS_BYTES) * 8))
        const { code, plaintext: out } = await reading(flipped(bytes, bit), key)
        expect([bit, code, out.equals(large.subarray(0, out.byteLength))]).toEqual([bit, 'ERR_CRYPTO_AUTHENTICATION', true])
      }
      for (const length of boundaries(bytes.byteLength, segmentSize))
        expect([length, (await reading(bytes.subarray(0, length), key)).code]).toEqual([length, expect.stringMatching(/^ERR_CRYPTO_/)])
    })
  },
)

describe('every bit of a file for people (A1)', () => {
  it('flipped is refused without a byte of plaintext: all of fields, header and body, every 64th of the padding', async () => {
    const { recipient, keyFile } = await newRecipient(null)
    const keys = { recipients: [await openRecipientKey(Buffer.from(keyFile), null)], passphrase: null }
    const parts: Uint8Array[] = []
    for await (const part of sealFile(Buffer.from('secret text'), { recipients: [recipient], passphrase: null })) parts.push(part)
    const file = Buffer.concat(parts)
    const padding = (52 + file.readUInt32BE(16)) * 8
    const wrong: [number, string][] = []
    // The padding is under the same checksum as that of narrow slots.
    for (let bit = 0; bit < file.byteLength * 8; bit += bit >= padding && bit < 2 * WIDE_SLOT_BYTES * 8 ? 64 : 1) {
      const slotB = bit >= WIDE_SLOT_BYTES * 8 && bit < 2 * WIDE_SLOT_BYTES * 8
      const found = await read(flipped(file, bit), keys)
      const expected = slotB ? 'secret text' : bit < WIDE_SLOT_BYTES * 8 ? 'ERR_CRYPTO_FORMAT' : 'ERR_CRYPTO_AUTHENTICATION'
      if (found !== expected) wrong.push([bit, found])
    }
    expect(wrong).toEqual([])
  })
})

async function read(file: Uint8Array, keys: Parameters<typeof openFile>[1]): Promise<string> {
  let text = ''
  try {
    const source = (async function* () {
      yield file
    })()
    for await (const part of (await openFile(source, keys)).read()) text += Buffer.from(part).toString()
    return text
  } catch (error) {
    if (text !== '') return `gave out ${text.length} bytes before it was refused`
    return error instanceof RedoubtError ? error.code : String(error)
  }
}
