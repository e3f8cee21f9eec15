import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { type Fault, MemoryFolder } from '#foundation/storage'
import { HEADERS_BYTES, type ObjectHeader, SLOT_BYTES } from './object-header.ts'
import { openObject, readHeaderSlots, readObjectHeader, rewrapBothSlots, rewrapObject } from './open-object.ts'
import { removeUnfinished, sealObject, sealObjectUndigested } from './seal-object.ts'
import { SEGMENT_64_KIB, STREAM_HEADER_BYTES } from './segment-layout.ts'
import type { DataKey } from './wrapped-key.ts'

const options = { segmentSize: SEGMENT_64_KIB } as const

function dataKey(resource = 'dataset/adult/1', version = 1): DataKey {
  return {
    key: createSecretKey(randomBytes(32)),
    wrapped: { keyId: 'kek_1', version, wrapped: 'AAAA', binding: { tenant: 'default', resource, purpose: 'test' } },
  }
}
const codeOf = (error: unknown): string => (error instanceof RedoubtError ? error.code : String(error))
const readAll = async (folder: MemoryFolder, key: DataKey, path = 'a'): Promise<Uint8Array> =>
  (await openObject(folder, path, async () => key.key)).readAll()
const failure = async (promise: Promise<unknown>): Promise<string> => promise.then(() => 'opened', codeOf)

function patched(folder: MemoryFolder, path: string, change: (bytes: Uint8Array) => Uint8Array): MemoryFolder {
  const bytes = change(folder.read(path)!)
  const copy = new MemoryFolder()
  copy.open(path, { create: true })!.writeAt(bytes, 0)
  return copy
}
const flipped = (at: number, bit: number) => (bytes: Uint8Array) => {
  bytes[at]! ^= 1 << bit
  return bytes
}

describe('sealed objects', () => {
  it('gives back every length from every chunking, whole, streamed and in ranges (A1)', async () => {
    const lengths = [0, 1, 65_479, 65_480, 65_481, 131_000, 131_040, 131_041, 200_000]
    for (const length of lengths) {
      const plaintext = randomBytes(length)
      const folder = new MemoryFolder()
      const key = dataKey()
      const chunk = 1 + Math.floor(length / 3)
      const chunks = Array.from({ length: Math.ceil(length / chunk) }, (_, i) => plaintext.subarray(i * chunk, (i + 1) * chunk))
      const sealed = await sealObject(folder, 'a', key, chunks, options)
      expect(sealed.bytes).toBe(length)
      const opened = await openObject(folder, 'a', async () => key.key)
      expect(Buffer.from(await opened.readAll()).equals(plaintext)).toBe(true)
      const streamed: Uint8Array[] = []
      for await (const piece of opened.read()) streamed.push(piece)
      expect(Buffer.concat(streamed).equals(plaintext)).toBe(true)
      let transient = 0
      for await (const piece of opened.read({ transient: true })) {
        expect(plaintext.subarray(transient, transient + piece.byteLength).equals(piece)).toBe(true)
        transient += piece.byteLength
      }
      expect(transient).toBe(length)
      const from = Math.floor(length / 3)
      const range = await opened.readRange(from, length - from)
      expect(Buffer.from(range).equals(plaintext.subarray(from))).toBe(true)
    }
  })

  it('refuses a range outside the plaintext', async () => {
    const folder = new MemoryFolder()
    const key = dataKey()
    await sealObject(folder, 'a', key, randomBytes(10), options)
    const opened = await openObject(folder, 'a', async () => key.key)
    for (const [offset, length] of [
      [0, 11],
      [10, 1],
      [-1, 1],
      [0.5, 1],
      [0, Number.MAX_SAFE_INTEGER],
    ] as const)
      expect(await failure(opened.readRange(offset, length))).toBe('ERR_CRYPTO_PARAMETER')
  })

  it('reads any range as the slice of the plaintext', async () => {
    const plaintext = randomBytes(140_000)
    const folder = new MemoryFolder()
    const key = dataKey()
    await sealObject(folder, 'a', key, plaintext, options)
    const opened = await openObject(folder, 'a', async () => key.key)
    await fc.assert(
      fc.asyncProperty(fc.nat(140_000), fc.nat(140_000), async (a, b) => {
        const [from, to] = a < b ? [a, b] : [b, a]
        expect(Buffer.from(await opened.readRange(from, to - from)).equals(plaintext.subarray(from, to))).toBe(true)
      }),
      { numRuns: 40 },
    )
  })

  it('refuses every flipped bit of the header in use and of the body (A1)', async () => {
    const folder = new MemoryFolder()
    const key = dataKey()
    await sealObject(folder, 'a', key, randomBytes(300), options)
    const size = folder.read('a')!.byteLength
    const positions = [...Array(700).keys(), 2000, SLOT_BYTES - 1]
    for (let at = HEADERS_BYTES; at < size; at++) positions.push(at)
    for (const at of positions) {
      const code = await failure(readAll(patched(folder, 'a', flipped(at, at % 8)), key))
      expect([at, code]).toEqual([at, at < SLOT_BYTES ? 'ERR_CRYPTO_FORMAT' : 'ERR_CRYPTO_AUTHENTICATION'])
    }
  })

  it('refuses a cut, an extension, exchanged and spliced segments (A1)', async () => {
    const folder = new MemoryFolder()
    const key = dataKey()
    await sealObject(folder, 'a', key, randomBytes(200_000), options)
    await sealObject(folder, 'b', key, randomBytes(200_000), options)
    const other = folder.read('b')!
    const segment = (n: number): [number, number] => [HEADERS_BYTES + n * SEGMENT_64_KIB, HEADERS_BYTES + (n + 1) * SEGMENT_64_KIB]
    const attacks: Record<string, (bytes: Uint8Array) => Uint8Array> = {
      'cut by a byte': (bytes) => bytes.subarray(0, -1),
      'cut at a segment': (bytes) => bytes.subarray(0, segment(2)[1]),
      'cut after the first segment': (bytes) => bytes.subarray(0, segment(0)[1]),
      'cut in the stream header': (bytes) => bytes.subarray(0, HEADERS_BYTES + STREAM_HEADER_BYTES - 1),
      'nothing after the stream header': (bytes) => bytes.subarray(0, HEADERS_BYTES + STREAM_HEADER_BYTES),
      'extended by a byte': (bytes) => Buffer.concat([bytes, Buffer.of(0)]),
      'extended by a segment': (bytes) => Buffer.concat([bytes, bytes.subarray(...segment(1))]),
      exchanged: (bytes) =>
        Buffer.concat([
          bytes.subarray(0, segment(1)[0]),
          bytes.subarray(...segment(2)),
          bytes.subarray(...segment(1)),
          bytes.subarray(segment(2)[1]),
        ]),
      spliced: (bytes) => Buffer.concat([bytes.subarray(0, segment(1)[0]), other.subarray(...segment(1)), bytes.subarray(segment(1)[1])]),
    }
    for (const [name, attack] of Object.entries(attacks)) {
      const changed = patched(folder, 'a', attack)
      expect([name, ['ERR_CRYPTO_AUTHENTICATION', 'ERR_CRYPTO_FORMAT'].includes(await failure(readAll(changed, key)))]).toEqual([
        name,
        true,
      ])
    }
  })

  it('finds a cut at the end of a segment before it serves a range of the first', async () => {
    const folder = new MemoryFolder()
    const key = dataKey()
    await sealObject(folder, 'a', key, randomBytes(200_000), options)
    const cut = patched(folder, 'a', (bytes) => bytes.subarray(0, HEADERS_BYTES + 2 * SEGMENT_64_KIB))
    const opened = await openObject(cut, 'a', async () => key.key)
    expect(await failure(opened.readRange(0, 10))).toBe('ERR_CRYPTO_AUTHENTICATION')
  })

  it('gives out no byte of a segment whose tag does not verify', async () => {
    const folder = new MemoryFolder()
    const key = dataKey()
    await sealObject(folder, 'a', key, randomBytes(200_000), options)
    const changed = patched(folder, 'a', flipped(HEADERS_BYTES + SEGMENT_64_KIB + 60_000, 3))
    const opened = await openObject(changed, 'a', async () => key.key)
    let given = 0
    const reading = async (): Promise<void> => {
      for await (const piece of opened.read()) given += piece.byteLength
    }
    expect(await failure(reading())).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect(given).toBe(65_480)
  })

  it('refuses the header of another object, under the same key too', async () => {
    const folder = new MemoryFolder()
    const key = dataKey('dataset/one')
    const sameKeyElsewhere: DataKey = { key: key.key, wrapped: dataKey('dataset/two').wrapped }
    await sealObject(folder, 'a', key, randomBytes(300), options)
    await sealObject(folder, 'b', sameKeyElsewhere, randomBytes(300), options)
    const foreign = folder.read('b')!.subarray(0, HEADERS_BYTES)
    const changed = patched(folder, 'a', (bytes) => (bytes.set(foreign), bytes))
    expect(await failure(readAll(changed, key))).toBe('ERR_CRYPTO_AUTHENTICATION')
  })

  it('refuses another whole object in the place of the one asked for', async () => {
    const folder = new MemoryFolder()
    const key = dataKey('dataset/two')
    await sealObject(folder, 'a', key, randomBytes(3), options)
    const open = openObject(folder, 'a', async () => key.key, { resource: 'dataset/one' })
    expect(await failure(open)).toBe('ERR_CRYPTO_AUTHENTICATION')
  })

  it('refuses a key that the header does not commit to, before any segment is opened', async () => {
    const folder = new MemoryFolder()
    await sealObject(folder, 'a', dataKey(), randomBytes(300), options)
    const open = openObject(folder, 'a', async () => dataKey().key)
    expect(await failure(open)).toBe('ERR_CRYPTO_AUTHENTICATION')
  })

  it('keeps neither key nor plaintext in the file (canary)', async () => {
    const folder = new MemoryFolder()
    const key = dataKey()
    const canary = 'canary-4417123456789113'
    await sealObject(folder, 'a', key, Buffer.from(canary), options)
    const file = Buffer.from(folder.read('a')!)
    const secret = key.key.export()
    for (const needle of [canary, secret.toString('base64url').slice(0, 40), secret.toString('hex'), secret])
      expect(file.includes(needle)).toBe(false)
    const clear = new MemoryFolder()
    clear.open('a', { create: true })!.writeAt(Buffer.from(canary), 0)
    expect(Buffer.from(clear.read('a')!).includes(canary)).toBe(true)
  })

  it('keeps the plaintext digest in the header only when asked, and bound to the key', async () => {
    const folder = new MemoryFolder()
    const key = dataKey()
    const kept = await sealObject(folder, 'a', key, randomBytes(3), { ...options, keepDigest: true })
    await sealObject(folder, 'b', key, randomBytes(3), options)
    expect(readObjectHeader(folder, 'a').plaintextDigest).toBe(kept.plaintextDigest)
    expect(readObjectHeader(folder, 'b').plaintextDigest).toBeUndefined()
    expect((await readAll(folder, key)).byteLength).toBe(3)
  })

  it('stores without digests, readable alike', async () => {
    const folder = new MemoryFolder()
    const key = dataKey()
    expect(await sealObjectUndigested(folder, 'a', key, randomBytes(70_000), options)).toEqual({ bytes: 70_000 })
    expect((await readAll(folder, key)).byteLength).toBe(70_000)
  })

  it('tries the next wrapped key only while a key is unknown', async () => {
    const folder = new MemoryFolder()
    const key = dataKey()
    await sealObject(folder, 'a', key, randomBytes(3), options)
    rewrapObject(folder, 'a', (header) => ({ ...header, keys: [{ ...key.wrapped, keyId: 'gone' }, key.wrapped] }))
    const unwrap = (code: 'ERR_KEYS_UNKNOWN' | 'ERR_KEYS_DESTROYED') =>
      openObject(folder, 'a', async (wrapped) => {
        if (wrapped.keyId === 'gone') throw new RedoubtError(code)
        return key.key
      })
    expect((await (await unwrap('ERR_KEYS_UNKNOWN')).readAll()).byteLength).toBe(3)
    expect(await failure(unwrap('ERR_KEYS_DESTROYED'))).toBe('ERR_KEYS_DESTROYED')
  })
})

describe('rewrapping', () => {
  const nextVersion = (header: ObjectHeader): ObjectHeader => ({
    ...header,
    keys: [{ ...header.keys[0]!, version: header.keys[0]!.version + 1 }],
  })

  it('writes the other slot in turn and leaves the body alone', async () => {
    const folder = new MemoryFolder()
    const key = dataKey()
    await sealObject(folder, 'a', key, randomBytes(300), options)
    const body = Buffer.from(folder.read('a')!.subarray(HEADERS_BYTES))
    for (let version = 2; version < 6; version++) {
      rewrapObject(folder, 'a', nextVersion)
      expect(readObjectHeader(folder, 'a').keys[0]!.version).toBe(version)
      expect(body.equals(folder.read('a')!.subarray(HEADERS_BYTES))).toBe(true)
      expect((await readAll(folder, key)).byteLength).toBe(300)
    }
  })

  it('falls back to the other slot when the newer one is damaged', async () => {
    const folder = new MemoryFolder()
    await sealObject(folder, 'a', dataKey(), randomBytes(300), options)
    rewrapObject(folder, 'a', nextVersion)
    const damaged = patched(folder, 'a', flipped(SLOT_BYTES + 900, 1))
    expect(readObjectHeader(damaged, 'a').keys[0]!.version).toBe(1)
  })

  it('refuses to change anything but the wrapped keys', async () => {
    const folder = new MemoryFolder()
    await sealObject(folder, 'a', dataKey(), randomBytes(3), options)
    const before = Buffer.from(folder.read('a')!)
    const change = (): void => rewrapObject(folder, 'a', (header) => ({ ...header, binding: { ...header.binding, purpose: 'another' } }))
    expect(change).toThrow(expect.objectContaining({ code: 'ERR_CRYPTO_PARAMETER' }))
    expect(before.equals(folder.read('a')!)).toBe(true)
  })

  it('leaves the slot in use whole, wherever the write of the other one is torn', async () => {
    for (let tear = 0; tear < 1; tear += 1 / 256) {
      let armed = false
      const folder = new MemoryFolder({ fault: (call) => (armed && call === 'datasync' ? 'lost' : 'none') })
      const key = dataKey()
      await sealObject(folder, 'a', key, randomBytes(50), options)
      rewrapObject(folder, 'a', nextVersion)
      armed = true
      expect(() => rewrapObject(folder, 'a', nextVersion)).toThrow(RedoubtError)
      // The pending write survives (0.9), torn (0.1), up to this part of it.
      const choices = [0, 0.9, 0.1, tear]
      const survivor = folder.powerCut(() => choices.shift() ?? 0)
      expect([tear, [2, 3].includes(readObjectHeader(survivor, 'a').keys[0]!.version)]).toEqual([tear, true])
      expect((await readAll(survivor, key)).byteLength).toBe(50)
    }
  })

  it('leaves one whole slot and the old or the new key after a power cut or a failing call at each step (A1)', async () => {
    const seed = 20_261
    const random = seeded(seed)
    for (let round = 0; round < 120; round++) {
      let step = 0
      const failAt = Math.floor(random() * 4)
      const kind: Fault = (['lost', 'done-but-reported-lost', 'disk-full', 'none'] as const)[round % 4]!
      let armed = false
      const folder = new MemoryFolder({ fault: () => (armed && step++ === failAt ? kind : 'none') })
      const key = dataKey()
      await sealObject(folder, 'a', key, randomBytes(50), options)
      rewrapObject(folder, 'a', nextVersion)
      armed = true
      let done = false
      try {
        rewrapObject(folder, 'a', nextVersion)
        done = true
      } catch (error) {
        expect(['ERR_STORAGE_IO', 'ERR_STORAGE_FULL']).toContain(codeOf(error))
      }
      const survivor = folder.powerCut(random)
      const version = readObjectHeader(survivor, 'a').keys[0]!.version
      expect({ seed, round, version: done ? version === 3 : version === 2 || version === 3 }).toEqual({ seed, round, version: true })
      expect((await readAll(survivor, key)).byteLength).toBe(50)
    }
  })
})

describe('rewrapping both slots', () => {
  const moved = (header: ObjectHeader): ObjectHeader => ({ ...header, keys: [{ ...header.keys[0]!, wrapped: 'bmV3' }] })

  it('leaves the wrapped key from before nowhere in the file, and the body alone (A5)', async () => {
    const folder = new MemoryFolder()
    const key = dataKey()
    await sealObject(folder, 'a', key, randomBytes(300), options)
    const old = key.wrapped.wrapped
    const body = Buffer.from(folder.read('a')!.subarray(HEADERS_BYTES))
    await sealObject(folder, 'b', key, randomBytes(3), options)
    rewrapObject(folder, 'b', moved)
    expect(Buffer.from(folder.read('b')!).includes(old)).toBe(true)
    const all = ['a', 'gone', 'b'].map((path) => ({ path, change: moved }))
    expect((await rewrapBothSlots(folder, all)).map((error) => error?.code ?? null)).toEqual([null, 'ERR_NOT_FOUND', null])
    for (const path of ['a', 'b']) expect(Buffer.from(folder.read(path)!).includes(old)).toBe(false)
    expect(readHeaderSlots(folder, 'a').headers.map(({ keys }) => keys[0]!.wrapped)).toEqual(['bmV3', 'bmV3'])
    expect(body.equals(folder.read('a')!.subarray(HEADERS_BYTES))).toBe(true)
  })

  it('tells of a slot that is torn, which may hold an old wrapped key', async () => {
    const folder = new MemoryFolder()
    await sealObject(folder, 'a', dataKey(), randomBytes(300), options)
    expect(readHeaderSlots(folder, 'a')).toMatchObject({ headers: [{}], torn: false })
    rewrapObject(folder, 'a', moved)
    expect(readHeaderSlots(folder, 'a')).toMatchObject({ headers: [{}, {}], torn: false })
    expect(readHeaderSlots(patched(folder, 'a', flipped(900, 1)), 'a')).toMatchObject({ headers: [{}], torn: true })
  })

  it('writes the second slot when the first is durable: a power cut that tears what was not synced leaves one whole', async () => {
    let armed = false
    const folder = new MemoryFolder({ fault: (call) => (armed && call === 'datasync' ? 'lost' : 'none') })
    const key = dataKey()
    await sealObject(folder, 'a', key, randomBytes(50), options)
    armed = true
    await expect(rewrapBothSlots(folder, [{ path: 'a', change: moved }])).rejects.toThrow(RedoubtError)
    // Whatever write is pending survives (0.9), torn (0.1), up to a tenth of it.
    const choices = [0, 0.9, 0.1, 0.1, 0.9, 0.1, 0.1]
    expect(
      (
        await readAll(
          folder.powerCut(() => choices.shift() ?? 0),
          key,
        )
      ).byteLength,
    ).toBe(50)
  })

  it('leaves the old or the new key after a power cut or a failing call at each step, and ends the same when repeated (A1)', async () => {
    const seed = 20_262
    const random = seeded(seed)
    for (let round = 0; round < 120; round++) {
      let step = 0
      const failAt = Math.floor(random() * 5)
      const kind: Fault = (['lost', 'done-but-reported-lost', 'disk-full', 'none'] as const)[round % 4]!
      let armed = false
      const folder = new MemoryFolder({ fault: () => (armed && step++ === failAt ? kind : 'none') })
      const key = dataKey()
      await sealObject(folder, 'a', key, randomBytes(50), options)
      armed = true
      try {
        await rewrapBothSlots(folder, [{ path: 'a', change: moved }])
      } catch (error) {
        expect(['ERR_STORAGE_IO', 'ERR_STORAGE_FULL']).toContain(codeOf(error))
      }
      const survivor = folder.powerCut(random)
      expect({ seed, round, wrapped: [key.wrapped.wrapped, 'bmV3'].includes(readObjectHeader(survivor, 'a').keys[0]!.wrapped) }).toEqual({
        seed,
        round,
        wrapped: true,
      })
      expect((await readAll(survivor, key)).byteLength).toBe(50)
      await rewrapBothSlots(survivor, [{ path: 'a', change: moved }])
      expect(readHeaderSlots(survivor, 'a')).toMatchObject({ headers: [{}, {}], torn: false })
      expect(Buffer.from(survivor.read('a')!).includes(key.wrapped.wrapped)).toBe(false)
    }
  })
})

describe('an object that is sealed anew under another key', () => {
  const older = dataKey()
  const newer: DataKey = { ...dataKey(), wrapped: { ...older.wrapped, version: 2, wrapped: 'BBBB' } }
  const unwrap = async ({ wrapped }: { readonly wrapped: string }): Promise<KeyObject> =>
    [older, newer].find((key) => key.wrapped.wrapped === wrapped)!.key

  it('is read on by whoever had it open, from either (A5)', async () => {
    const folder = new MemoryFolder()
    const content = randomBytes(200_000)
    await sealObject(folder, 'a', older, content, options)
    const object = await openObject(folder, 'a', unwrap)
    const reading = object.read()
    const parts = [(await reading.next()).value as Uint8Array]
    await sealObject(folder, 'a', newer, content, { ...options, replacing: true })
    for await (const part of reading) parts.push(part)
    expect(Buffer.concat(parts).equals(content)).toBe(true)
    expect(Buffer.from(await object.readAll()).equals(content)).toBe(true)
    expect(Buffer.from(await object.readRange(70_000, 10)).equals(content.subarray(70_000, 70_010))).toBe(true)
  })

  it('is opened whole when that happens between its header and its key', async () => {
    const folder = new MemoryFolder()
    const content = randomBytes(300)
    await sealObject(folder, 'a', older, content, options)
    let asked = 0
    const object = await openObject(folder, 'a', async (wrapped) => {
      if (asked++ === 0) await sealObject(folder, 'a', newer, content, options)
      return unwrap(wrapped)
    })
    expect(Buffer.from(await object.readAll()).equals(content)).toBe(true)
  })

  it('is opened by its new header when the key of the old one ended meanwhile', async () => {
    const folder = new MemoryFolder()
    const content = randomBytes(300)
    await sealObject(folder, 'a', older, content, options)
    const object = await openObject(folder, 'a', async (wrapped) => {
      if (wrapped.wrapped === older.wrapped.wrapped) {
        await sealObject(folder, 'a', newer, content, options)
        throw new RedoubtError('ERR_KEYS_DESTROYED')
      }
      return unwrap(wrapped)
    })
    expect(Buffer.from(await object.readAll()).equals(content)).toBe(true)
  })

  it('stays as it was when the new one may not take its name, and leaves nothing beside it', async () => {
    const folder = new MemoryFolder()
    const content = randomBytes(300)
    await sealObject(folder, 'a', older, content, options)
    const beforeNaming = (): never => {
      throw new RedoubtError('ERR_KEYS_DESTROYED')
    }
    const sealing = sealObject(folder, 'a', newer, randomBytes(3), { ...options, replacing: true, beforeNaming })
    expect(await failure(sealing)).toBe('ERR_KEYS_DESTROYED')
    expect(folder.list('')).toEqual(['a'])
    expect(Buffer.from(await (await openObject(folder, 'a', unwrap)).readAll()).equals(content)).toBe(true)
  })

  it('is not made anew where it was removed meanwhile', async () => {
    const folder = new MemoryFolder()
    await sealObject(folder, 'a', older, randomBytes(3), options)
    folder.remove('a')
    expect(await failure(sealObject(folder, 'a', newer, randomBytes(3), { ...options, replacing: true }))).toBe('ERR_NOT_FOUND')
    expect(folder.list('')).toEqual([])
  })
})

describe('sealing under faults', () => {
  it('leaves the old object or the new one, whole, after a failing call or a power cut at each step (A1)', async () => {
    const seed = 77
    const random = seeded(seed)
    const oldText = Buffer.from('old')
    const newText = randomBytes(70_000)
    // `dead`: from that step on nothing takes effect, as when the power goes.
    for (const kind of ['lost', 'done-but-reported-lost', 'disk-full', 'dead'] as const) {
      for (let failAt = 0; failAt < 14; failAt++) {
        let step = 0
        let armed = false
        const fault = (): Fault => {
          if (!armed || step++ < failAt) return 'none'
          return kind === 'dead' ? 'lost' : step === failAt + 1 ? kind : 'none'
        }
        const folder = new MemoryFolder({ fault })
        const key = dataKey()
        await sealObject(folder, 'a', key, oldText, options)
        armed = true
        const outcome = await failure(sealObject(folder, 'a', key, newText, options))
        const survivor = folder.powerCut(random)
        removeUnfinished(survivor, '')
        const found = Buffer.from(await readAll(survivor, key))
        const whole = found.equals(oldText) ? 'old' : found.equals(newText) ? 'new' : 'broken'
        const kept = outcome === 'opened' ? whole === 'new' : whole !== 'broken'
        expect({ seed, kind, failAt, kept, left: survivor.list('') }).toEqual({ seed, kind, failAt, kept: true, left: ['a'] })
      }
    }
  })

  it('leaves the old object or the new one of several blocks, written beside the caller, after the same at each step (A1)', async () => {
    const seed = 78
    const random = seeded(seed)
    const newText = randomBytes(2_800_000)
    for (const kind of ['lost', 'done-but-reported-lost', 'disk-full', 'dead'] as const) {
      // The steps: create, block, most of the rest, the last page, headers, sync, name, sync of the folder; and none at all.
      for (let failAt = 0; failAt < 9; failAt++) {
        let step = 0
        let armed = false
        const calls: string[] = []
        const fault = (call: string): Fault => {
          if (armed) calls.push(call)
          if (!armed || step++ < failAt) return 'none'
          return kind === 'dead' ? 'lost' : step === failAt + 1 ? kind : 'none'
        }
        const folder = new MemoryFolder({ fault })
        const key = dataKey()
        await sealObject(folder, 'a', key, Buffer.from('old'))
        armed = true
        // In chunks whose memory is used again as soon as a source may.
        const outcome = await failure(sealObject(folder, 'a', key, reusing(newText)))
        const survivor = folder.powerCut(random)
        removeUnfinished(survivor, '')
        const found = Buffer.from(await readAll(survivor, key))
        const whole = found.equals(Buffer.from('old')) ? 'old' : found.equals(newText) ? 'new' : 'broken'
        const kept = outcome === 'opened' ? whole === 'new' : whole !== 'broken'
        expect({ seed, kind, failAt, kept, left: survivor.list('') }).toEqual({ seed, kind, failAt, kept: true, left: ['a'] })
        if (outcome === 'opened') expect(calls.filter((call) => call === 'writeBeside').length).toBe(2)
      }
    }
  })

  it('removes its temporary file when the source fails, and passes the error on', async () => {
    const folder = new MemoryFolder()
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('x')
      throw new RedoubtError('ERR_DATA_RAGGED')
    }
    expect(await failure(sealObject(folder, 'a', dataKey(), source(), options))).toBe('ERR_DATA_RAGGED')
    expect(folder.list('')).toEqual([])
  })
})

/** Chunks in memory that is written to again after two segments of 1 MiB. */
function* reusing(bytes: Uint8Array): Generator<Uint8Array> {
  const ring = Array.from({ length: 12 }, () => Buffer.alloc(262_144))
  for (let at = 0, turn = 0; at < bytes.byteLength; at += 262_144, turn++) {
    const chunk = ring[turn % ring.length]!
    const part = bytes.subarray(at, at + chunk.byteLength)
    chunk.set(part)
    yield chunk.subarray(0, part.byteLength)
  }
}

function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
