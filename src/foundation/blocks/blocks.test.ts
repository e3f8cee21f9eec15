import { closeSync, constants, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { BLOCK_BYTES, BlockReader, type BlockSource, type BlockTarget, BlockWriter, Descriptor } from './index.ts'
import { giveBack, isOnPages, takeBlock } from './page-memory.ts'

const folder = mkdtempSync(join(tmpdir(), 'redoubt-blocks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0

const seed = 4_711
let state = seed
const random = (below: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}
const content = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 61) bytes[at] = at % 251
  return bytes
}
const LENGTHS = [0, 1, 4095, 4096, 600_000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 3 * BLOCK_BYTES + 700_123]

interface Opened {
  readonly path: string
  readonly fd: number
}
function open(name = `f${files++}`, flags = constants.O_RDWR | constants.O_CREAT): Opened {
  const path = join(folder, name)
  return { path, fd: openSync(path, flags, 0o600) }
}

/** In parts of any length. */
async function writeAll(target: BlockTarget, bytes: Uint8Array, position = 0): Promise<void> {
  const writer = new BlockWriter(target, position)
  try {
    for (let at = 0; at < bytes.byteLength;) {
      // The memory is used again as soon as it may be.
      const part = Uint8Array.from(bytes.subarray(at, at + 1 + random(random(4) === 0 ? 3 * BLOCK_BYTES : 300_000)))
      at += part.byteLength
      await writer.append(part)
      part.fill(255)
    }
    await writer.end()
  } finally {
    await writer.close()
  }
}

/** As a consumer does that keeps a chunk until one more was asked for, and the last until after the end. */
async function readAll(source: BlockSource, position = 0): Promise<Buffer> {
  const whole: Uint8Array[] = []
  let held: Uint8Array | null = null
  const reader = new BlockReader(source, position)
  try {
    for await (const chunk of reader) {
      if (held !== null) whole.push(Uint8Array.from(held))
      held = chunk
      await turn()
      await turn()
    }
    return Buffer.concat(held === null ? whole : [...whole, Uint8Array.from(held)])
  } finally {
    await reader.close()
  }
}

/** Counts what goes by each way, and opens the file anew for those that go around the page cache. */
function counting(fd: number, access: number = constants.O_RDWR) {
  let direct = 0
  const again = (): number => {
    direct++
    return openSync(`/proc/self/fd/${fd}`, access | constants.O_DIRECT)
  }
  return { descriptor: new Descriptor(fd, access, again), opened: () => direct }
}

describe('a file in blocks', () => {
  it.each(LENGTHS)('has the same bytes by every way, and in every cutting: %i bytes', async (length) => {
    const bytes = content(length)
    for (const position of [0, 8192, 8232]) {
      const { path, fd } = open()
      const { descriptor } = counting(fd)
      await writeAll(descriptor, bytes, position)
      descriptor.close()
      fdatasyncSync(fd)
      closeSync(fd)
      const found = readFileSync(path).subarray(position)
      expect({ seed, position, same: found.equals(bytes) }).toEqual({ seed, position, same: true })
      const again = open(path.slice(folder.length + 1), constants.O_RDONLY)
      const reader = new Descriptor(again.fd, constants.O_RDONLY)
      expect((await readAll(reader, position)).equals(bytes)).toBe(true)
      reader.close()
      closeSync(again.fd)
    }
  })

  it('goes around the page cache where it can, and not for what is small', async () => {
    const large = open()
    const around = counting(large.fd)
    await writeAll(around.descriptor, content(2 * BLOCK_BYTES))
    expect(around.opened()).toBe(1)
    const small = open()
    const within = counting(small.fd)
    await writeAll(within.descriptor, content(400_000))
    expect(within.opened()).toBe(0)
    for (const { descriptor } of [around, within]) descriptor.close()
    for (const { fd } of [large, small]) closeSync(fd)
  })

  it('has the same bytes where the file system refuses to open it so', async () => {
    const { path, fd } = open()
    const refused = new Descriptor(fd, constants.O_RDWR, () => {
      throw Object.assign(new Error('no'), { code: 'EINVAL' })
    })
    await writeAll(refused, content(5_000_000))
    refused.close()
    closeSync(fd)
    expect(readFileSync(path).equals(content(5_000_000))).toBe(true)
  })

  it('has the same bytes where the first write is refused', async () => {
    const { path, fd } = open()
    // The kernel says EINVAL to whatever is written there that is no number.
    const refused = new Descriptor(fd, constants.O_RDWR, () => openSync('/proc/self/oom_score_adj', constants.O_WRONLY))
    await writeAll(refused, content(5_000_000).fill(120, 0, 9))
    refused.close()
    closeSync(fd)
    expect(readFileSync(path).equals(content(5_000_000).fill(120, 0, 9))).toBe(true)
  })

  it('tells every other error, of the block before too, and once the memory is back nothing is under way in it', async () => {
    for (const failing of [0, 1, 2]) {
      let writes = 0
      let running = 0
      const target: BlockTarget = {
        writeAt: () => undefined,
        async writeBeside() {
          const number = writes++
          running++
          for (let i = 0; i < 5; i++) await turn()
          running--
          if (number === failing) throw Object.assign(new Error('gone'), { code: 'EIO' })
        },
      }
      await expect(writeAll(target, content(2 * BLOCK_BYTES + 1_000_000))).rejects.toThrow('gone')
      expect(running).toBe(0)
    }
    const broken: BlockSource = {
      readBeside: (into, position) => (position === 0 ? Promise.resolve(into.byteLength) : Promise.reject(new Error('bad'))),
    }
    await expect(readAll(broken)).rejects.toThrow('bad')
  })

  it('fills no block again that is still being written, and asks for one write at a time', async () => {
    const bytes = content(4 * BLOCK_BYTES + 1_000)
    const written = new Uint8Array(bytes.byteLength)
    let running = 0
    const target: BlockTarget = {
      writeAt: (part, position) => written.set(part, position),
      async writeBeside(part, position) {
        expect(++running).toBe(1)
        for (let i = 0; i < 20; i++) await turn()
        written.set(part, position)
        running--
      },
    }
    await writeAll(target, bytes)
    expect(Buffer.compare(written, bytes)).toBe(0)
  })

  it('waits for the write that is under way when whoever writes gives up', async () => {
    let running = 0
    const target: BlockTarget = {
      writeAt: () => undefined,
      async writeBeside() {
        running++
        for (let i = 0; i < 5; i++) await turn()
        running--
      },
    }
    const writer = new BlockWriter(target, 0)
    await writer.append(content(BLOCK_BYTES + 1))
    expect(running).toBe(1)
    await writer.close()
    expect(running).toBe(0)
  })

  it('waits for the read that is under way when the consumer leaves', async () => {
    let running = 0
    const source: BlockSource = {
      async readBeside(into) {
        running++
        for (let i = 0; i < 5; i++) await turn()
        running--
        return into.byteLength
      },
    }
    const reader = new BlockReader(source, 0)
    for await (const chunk of reader) {
      expect(chunk.byteLength).toBe(BLOCK_BYTES)
      break
    }
    expect(running).toBe(1)
    await reader.close()
    expect(running).toBe(0)
  })

  it('says that a full disk is full', async () => {
    const fd = openSync('/dev/full', constants.O_RDWR)
    const full = new Descriptor(fd, constants.O_RDWR)
    await expect(writeAll(full, content(BLOCK_BYTES))).rejects.toThrow(/ENOSPC/)
    full.close()
    closeSync(fd)
  })
})

describe('memory of blocks', () => {
  it('is on pages until it is all out, comes back, and holds nothing of whoever had it', () => {
    const blocks = Array.from({ length: 14 }, takeBlock)
    expect(blocks.map((block) => isOnPages(block, 0))).toEqual(blocks.map((_, i) => i < 10))
    expect(new Set(blocks.map(({ buffer, byteOffset }) => (buffer.byteLength > BLOCK_BYTES ? byteOffset : buffer))).size).toBe(14)
    for (const block of blocks) {
      block.fill(7)
      giveBack(block, BLOCK_BYTES)
    }
    const again = Array.from({ length: 10 }, takeBlock)
    expect(again.every((block) => isOnPages(block, 4096) && block.every((byte) => byte === 0))).toBe(true)
    for (const block of again) giveBack(block, 0)
  })

  it('is told from any other memory', () => {
    const block = takeBlock()
    expect([isOnPages(block.subarray(1), 0), isOnPages(block, 512), isOnPages(block.subarray(0, 512), 0)]).toEqual([false, false, false])
    expect(isOnPages(new Uint8Array(BLOCK_BYTES), 0)).toBe(false)
    giveBack(block, 0)
  })

  it('keeps nothing of a file that was written or read (A1)', async () => {
    const path = join(folder, 'secret')
    writeFileSync(path, Buffer.alloc(7_000_000, 'secret'))
    const fd = openSync(path, constants.O_RDONLY)
    const descriptor = new Descriptor(fd, constants.O_RDONLY)
    const reader = new BlockReader(descriptor, 0)
    for await (const chunk of reader) if (chunk.byteLength < BLOCK_BYTES) break
    await reader.close()
    await writeAll({ writeAt: () => undefined, writeBeside: () => turn() }, Buffer.alloc(5_000_000, 'secret'))
    descriptor.close()
    closeSync(fd)
    const all = Array.from({ length: 10 }, takeBlock)
    expect(all.map((block) => Buffer.from(block.buffer, block.byteOffset, block.byteLength).includes('secret'))).toEqual(
      all.map(() => false),
    )
    for (const block of all) giveBack(block, 0)
  })
})
