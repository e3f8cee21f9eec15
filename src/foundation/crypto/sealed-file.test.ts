import { createHash, randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson, RedoubtError } from '#foundation/core'
import type { FileKeys } from './key-slots.ts'
import { decodeHeaders, encodeSlot, type ObjectHeader, SLOT_BYTES, WIDE_SLOT_BYTES } from './object-header.ts'
import { newRecipient, openRecipientKey, type Recipient, type RecipientKey } from './recipient.ts'
import { type FileLock, openFile, sealFile } from './sealed-file.ts'

const cheap = { memoryKiB: 19_456, passes: 2, parallelism: 1 } as const
const passphrase = Buffer.from('correct horse battery staple')
const HEADERS = 2 * WIDE_SLOT_BYTES

const people = await Promise.all(
  Array.from({ length: 9 }, async (): Promise<RecipientKey> => {
    const { keyFile } = await newRecipient(null)
    return openRecipientKey(new TextEncoder().encode(keyFile), null)
  }),
)
const recipients = (n: number): readonly Recipient[] => people.slice(0, n).map(({ recipient }) => recipient)
const keysOf = (...which: number[]): FileKeys => ({ recipients: which.map((i) => people[i]!), passphrase: null })

const sealed = async (plaintext: Uint8Array, lock: Partial<FileLock> = {}): Promise<Buffer> => {
  const parts: Uint8Array[] = []
  for await (const part of sealFile(plaintext, { recipients: [], passphrase: null, kdf: cheap, ...lock })) parts.push(part)
  return Buffer.concat(parts)
}
async function* chunked(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
}
const opened = async (file: Uint8Array, keys: FileKeys, size?: number): Promise<Buffer> => {
  const parts: Uint8Array[] = []
  for await (const part of (await openFile(chunked(file, size), keys)).read()) parts.push(part)
  return Buffer.concat(parts)
}
const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: unknown) => (error instanceof RedoubtError ? error.code : String(error)),
  )
/** The header changed, with the checksum that belongs to it, as an attacker would. */
const reheaded = (file: Buffer, change: (header: ObjectHeader) => ObjectHeader): Buffer => {
  const { header } = decodeHeaders(file, WIDE_SLOT_BYTES)
  const copy = Buffer.from(file)
  copy.set(encodeSlot(change(header), 1, WIDE_SLOT_BYTES))
  return copy
}

describe('a file for people', () => {
  it('opens for each of up to eight recipients, whatever the length and the chunks, and for nobody else (A1)', async () => {
    for (const length of [0, 1, 1_048_520, 1_048_521, 2_200_000]) {
      const plaintext = randomBytes(length)
      const file = await sealed(plaintext, { recipients: recipients(8) })
      for (const who of length > 1 ? [7] : [0, 3, 7])
        expect((await opened(file, keysOf(who), length > 1 ? 100_001 : 13)).equals(plaintext)).toBe(true)
      expect(await codeOf(opened(file, keysOf(8)))).toBe('ERR_CRYPTO_NO_KEY')
      expect(await codeOf(opened(file, { recipients: [], passphrase }))).toBe('ERR_CRYPTO_NO_KEY')
    }
  })

  it('opens with its passphrase, and not with another', async () => {
    const file = await sealed(Buffer.from('text'), { recipients: recipients(1), passphrase })
    expect((await opened(file, { recipients: [], passphrase })).toString()).toBe('text')
    expect((await opened(file, { ...keysOf(5, 0), passphrase: null })).toString()).toBe('text')
    expect(await codeOf(opened(file, { recipients: [], passphrase: Buffer.from('something else') }))).toBe('ERR_KEYS_PASSPHRASE')
  })

  it('is sealed to nobody, to nine, or to one person twice: refused before the source is touched', async () => {
    let touched = 0
    const source = (function* (): Generator<Uint8Array> {
      touched++
      yield Buffer.from('x')
    })()
    const attempt = async (lock: FileLock): Promise<void> => {
      for await (const part of sealFile(source, lock)) void part
    }
    for (const who of [[], recipients(9), [people[0]!.recipient, people[0]!.recipient]])
      expect(await codeOf(attempt({ recipients: who, passphrase: null }))).toBe('ERR_CRYPTO_PARAMETER')
    expect(await codeOf(attempt({ recipients: recipients(8), passphrase, kdf: cheap }))).toBe('ERR_CRYPTO_PARAMETER')
    const broken = { fingerprint: 'x', publicKey: new Uint8Array(1_216).fill(0xff) }
    expect(await codeOf(attempt({ recipients: [broken], passphrase: null }))).toBe('ERR_CRYPTO_RECIPIENT')
    expect(touched).toBe(0)
  })

  it('fits eight recipients into a wide slot, two into a narrow one, and refuses a third there', async () => {
    const { header } = decodeHeaders(await sealed(Buffer.from('x'), { recipients: recipients(8) }), WIDE_SLOT_BYTES)
    expect(header.keys.map(({ wrapped }) => Buffer.from(wrapped, 'base64url').byteLength)).toEqual(Array(8).fill(1_180))
    const narrow = (n: number): string => {
      try {
        return String(encodeSlot({ ...header, keys: header.keys.slice(0, n) }, 1).byteLength)
      } catch (error) {
        return (error as RedoubtError).code
      }
    }
    expect([narrow(1), narrow(2), narrow(3)]).toEqual([String(SLOT_BYTES), String(SLOT_BYTES), 'ERR_CRYPTO_PARAMETER'])
  })

  it('opens from a narrow header too', async () => {
    const file = await sealed(Buffer.from('narrow'), { recipients: recipients(2) })
    const { header } = decodeHeaders(file, WIDE_SLOT_BYTES)
    const slots = Buffer.alloc(2 * SLOT_BYTES)
    slots.set(encodeSlot(header, 1))
    expect((await opened(Buffer.concat([slots, file.subarray(HEADERS)]), keysOf(1))).toString()).toBe('narrow')
  })

  it('keeps neither plaintext nor passphrase in the file (canary)', async () => {
    const canary = 'canary-4417123456789113'
    const file = await sealed(Buffer.from(canary), { recipients: recipients(2), passphrase })
    for (const needle of [canary, passphrase, passphrase.toString('base64url').slice(0, 36)]) expect(file.includes(needle)).toBe(false)
  })
})

describe('a file for people under attack (A1)', () => {
  it('is refused with any bit of its header or body flipped; a flip in the empty second slot changes nothing', async () => {
    const file = await sealed(Buffer.from('secret text'), { recipients: recipients(2) })
    const headerEnd = 52 + file.readUInt32BE(16)
    const sample = (from: number, to: number, step: number): number[] =>
      Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => from + i * step)
    const bits = [
      ...sample(0, 52 * 8, 1),
      ...sample(52 * 8, headerEnd * 8, 101),
      ...sample(headerEnd * 8, WIDE_SLOT_BYTES * 8, 2_003),
      ...sample(HEADERS * 8, file.byteLength * 8, 1),
    ]
    for (const bit of bits) {
      const changed = Buffer.from(file)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      const expected = bit < HEADERS * 8 ? 'ERR_CRYPTO_FORMAT' : 'ERR_CRYPTO_AUTHENTICATION'
      expect([bit, await codeOf(opened(changed, keysOf(1)))]).toEqual([bit, expected])
    }
    for (const bit of sample(WIDE_SLOT_BYTES * 8, HEADERS * 8, 2_003)) {
      const changed = Buffer.from(file)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect((await opened(changed, keysOf(1))).toString()).toBe('secret text')
    }
  })

  it('is refused cut at every length of a small file, and extended', async () => {
    const file = await sealed(Buffer.from('secret text'), { recipients: recipients(1) })
    const lengths = [0, 1, 8, 52, SLOT_BYTES, 2 * SLOT_BYTES, WIDE_SLOT_BYTES - 1, WIDE_SLOT_BYTES, HEADERS - 1]
    for (let length = HEADERS; length < file.byteLength; length++) lengths.push(length)
    for (const length of lengths) {
      const code = await codeOf(opened(file.subarray(0, length), keysOf(0)))
      expect([length, /^ERR_CRYPTO_(FORMAT|AUTHENTICATION)$/.test(code)]).toEqual([length, true])
    }
    for (const more of [Buffer.of(0), file, Buffer.alloc(1_048_576)])
      expect(await codeOf(opened(Buffer.concat([file, more]), keysOf(0)))).toBe('ERR_CRYPTO_AUTHENTICATION')
  })

  it('is refused with a wrapped key changed, moved from another file or renamed, though the checksum is made right', async () => {
    const file = await sealed(Buffer.from('mine'), { recipients: recipients(2), passphrase })
    const other = decodeHeaders(await sealed(Buffer.from('theirs'), { recipients: recipients(2), passphrase }), WIDE_SLOT_BYTES).header
    const key =
      (i: number, change: object) =>
      (header: ObjectHeader): ObjectHeader => ({
        ...header,
        keys: header.keys.map((old, at) => (at === i ? { ...old, ...change } : old)),
      })
    const flip = (at: number) => (header: ObjectHeader) => {
      const bytes = Buffer.from(header.keys[0]!.wrapped, 'base64url')
      bytes[at]! ^= 1
      return key(0, { wrapped: bytes.toString('base64url') })(header)
    }
    const attacks: Record<string, (header: ObjectHeader) => ObjectHeader> = {
      'a bit of the lattice ciphertext': flip(5),
      'a bit of the curve point': flip(1_090),
      'a bit of the nonce': flip(1_121),
      'a bit of the wrapped key': flip(1_140),
      'the key of another file': key(0, { wrapped: other.keys[0]!.wrapped }),
      'the key and binding of another file': key(0, other.keys[0]!),
      'the key of the other recipient': (header) => key(0, { wrapped: header.keys[1]!.wrapped })(header),
      'another version': key(0, { version: 2 }),
      'another binding': key(0, { binding: { tenant: 'default', resource: 'file_x', purpose: 'file' } }),
      'another resource': (header) => ({ ...header, binding: { ...header.binding, resource: 'file_x' } }),
      'another segment size': (header) => ({ ...header, segmentSize: 65_536 }),
      'another commitment': (header) => ({ ...header, commitment: other.commitment }),
      'the header of another file': () => other,
      shorter: key(0, { wrapped: 'AAAA' }),
    }
    for (const [name, attack] of Object.entries(attacks))
      expect([name, await codeOf(opened(reheaded(file, attack), keysOf(0)))]).toEqual([name, 'ERR_CRYPTO_AUTHENTICATION'])
    const renamed = reheaded(file, key(2, { wrapped: other.keys[2]!.wrapped }))
    expect(await codeOf(opened(renamed, { recipients: [], passphrase }))).toBe('ERR_KEYS_PASSPHRASE')
  })

  it('costs whoever opens it no more than a gibibyte and seconds, whatever it says of its passphrase', async () => {
    const file = await sealed(Buffer.from('x'), { passphrase })
    const asking = (memoryKiB: number, passes: number, lanes: number): Buffer =>
      reheaded(file, (header) => {
        const bytes = Buffer.from(header.keys[0]!.wrapped, 'base64url')
        ;[memoryKiB, passes, lanes].forEach((value, i) => bytes.writeUInt32BE(value, 4 * i))
        return { ...header, keys: [{ ...header.keys[0]!, wrapped: bytes.toString('base64url') }] }
      })
    const beyond: readonly (readonly [number, number, number])[] = [
      [1_048_577, 2, 1],
      [4_194_304, 64, 1],
      [65_536, 65, 1],
      [19_456, 2, 17],
      [19_455, 2, 1],
      [0, 0, 0],
    ]
    for (const costs of beyond) {
      const code = await codeOf(opened(asking(...costs), { recipients: [], passphrase }))
      expect([costs, code]).toEqual([costs, 'ERR_CRYPTO_PARAMETER'])
    }
    const twice = reheaded(file, (header) => ({ ...header, keys: [header.keys[0]!, header.keys[0]!] }))
    expect(await codeOf(opened(twice, { recipients: [], passphrase }))).toBe('ERR_CRYPTO_FORMAT')
  })

  it('gives no byte of the segment that fails, and closes its source', async () => {
    const plaintext = randomBytes(2_500_000)
    const file = await sealed(plaintext, { recipients: recipients(1) })
    file[HEADERS + 1_048_576 + 900_000]! ^= 4
    let closed = 0
    const source = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield* chunked(file)
      } finally {
        closed++
      }
    }
    let given = 0
    const reading = async (): Promise<void> => {
      for await (const piece of (await openFile(source(), keysOf(0))).read()) given += piece.byteLength
    }
    expect(await codeOf(reading())).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect([given, closed]).toEqual([1_048_520, 1])
    expect(await codeOf(openFile(source(), keysOf(3)))).toBe('ERR_CRYPTO_NO_KEY')
    expect(closed).toBe(2)
  })

  it('is refused whatever the bytes are (fuzz)', async () => {
    const forged = fc.json({ maxDepth: 5 }).map((json) => {
      const slot = encodeSlot(decodeHeaders(template, WIDE_SLOT_BYTES).header, 1, WIDE_SLOT_BYTES).fill(0, 52)
      const text = Buffer.from(canonicalJson(JSON.parse(json))).subarray(0, 16_000)
      slot.set(text, 52)
      new DataView(slot.buffer).setUint32(16, text.byteLength)
      slot.set(createHash('sha256').update(slot.subarray(0, 20)).update(slot.subarray(52)).digest(), 20)
      return slot
    })
    const template = await sealed(Buffer.from('x'), { recipients: recipients(1) })
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 40_000 }), forged), async (bytes) => {
        expect(await codeOf(opened(bytes, { ...keysOf(0), passphrase }))).toBe('ERR_CRYPTO_FORMAT')
      }),
      { numRuns: 200 },
    )
  })
})
