import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { BlockWriter } from '#foundation/blocks'
import { type DurableFolder, MemoryFolder, migrate, nodeFolder, openDatabase, replaceFile } from './index.ts'

const all = mkdtempSync(join(tmpdir(), 'redoubt-storage-'))
afterAll(() => rmSync(all, { recursive: true, force: true }))
const temporary = (): string => mkdtempSync(join(all, 'one-'))
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (content: Uint8Array | null): string | null => (content === null ? null : new TextDecoder().decode(content))
const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 253)
const codeOf = (call: () => unknown): string => {
  try {
    call()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'no error'
}

const adapters: readonly (readonly [string, () => DurableFolder])[] = [
  ['node', () => nodeFolder(temporary())],
  ['memory', () => new MemoryFolder()],
]

describe.each(adapters)('durable folder contract: %s', (_, make) => {
  it('reads what was written, at any position, and grows files with zeros', () => {
    const folder = make()
    const file = folder.open('a', { create: true })!
    file.writeAt(bytes('xy'), 3)
    file.datasync()
    expect([...folder.read('a')!]).toEqual([0, 0, 0, 120, 121])
    const into = new Uint8Array(10)
    expect(file.readAt(into, 4)).toBe(1)
    file.truncate(1)
    expect(file.size()).toBe(1)
    file.close()
  })

  it('writes several parts as one, one after the other, and keeps none of the caller’s memory', () => {
    const folder = make()
    const file = folder.open('a', { create: true })!
    const parts = [bytes('ab'), Buffer.from(''), Buffer.from('cde'), bytes('f')]
    file.writeAt(parts, 2)
    file.writeAt([], 1)
    for (const part of parts) part.fill(0)
    file.datasync()
    expect(text(folder.read('a'))).toBe('\0\0abcdef')
    file.close()
  })

  it('writes and reads large parts beside the caller, with what is written in place around them', async () => {
    const folder = make()
    const file = folder.open('a', { create: true })!
    const block = pattern(3_000_000)
    const writer = new BlockWriter(file, 8192)
    await writer.append(block)
    await writer.end()
    await writer.close()
    file.writeAt(bytes('head'), 0)
    await file.datasyncBeside()
    const whole = folder.read('a')!
    expect(whole.byteLength).toBe(3_008_192)
    expect([text(whole.subarray(0, 4)), Buffer.from(whole.subarray(8192)).equals(block)]).toEqual(['head', true])
    const into = new Uint8Array(10_000)
    expect(await file.readBeside(into, 3_000_000)).toBe(8192)
    expect(Buffer.from(into.subarray(0, 8192)).equals(block.subarray(3_000_000 - 8192))).toBe(true)
    file.close()
  })

  it('answers null for what is absent and lists names in order', () => {
    const folder = make()
    folder.makeFolder('d')
    expect(folder.open('d/x')).toBeNull()
    expect(folder.read('d/x')).toBeNull()
    for (const name of ['d/b', 'd/a']) folder.open(name, { create: true })!.close()
    expect(folder.list('d')).toEqual(['a', 'b'])
    folder.rename('d/a', 'd/c')
    folder.remove('d/b')
    expect(folder.list('d')).toEqual(['c'])
    folder.syncFolder('d')
  })

  it('replaces a file as a whole', () => {
    const folder = make()
    replaceFile(folder, 'k', bytes('one'))
    replaceFile(folder, 'k', bytes('three'))
    expect(text(folder.read('k'))).toBe('three')
    expect(folder.list('')).toEqual(['k'])
  })
})

describe('node folder', () => {
  it('keeps files to their owner and refuses to leave its root or follow links (A1)', () => {
    const root = temporary()
    const folder = nodeFolder(root)
    folder.open('secret', { create: true })!.close()
    expect(statSync(join(root, 'secret')).mode & 0o777).toBe(0o600)
    expect(codeOf(() => folder.read('../x'))).toBe('ERR_STORAGE_IO')
    writeFileSync(join(root, 'target'), 'x')
    symlinkSync(join(root, 'target'), join(root, 'link'))
    expect(codeOf(() => folder.open('link'))).toBe('ERR_STORAGE_IO')
  })
})

describe('memory folder', () => {
  const generator = (seed: number) => () => ((seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0), seed / 2 ** 32)

  it('keeps what was synced over a power cut, and loses unsynced writes in some cuts', () => {
    let lost = 0
    for (let seed = 1; seed <= 100; seed++) {
      const folder = new MemoryFolder()
      const file = folder.open('f', { create: true })!
      file.writeAt(bytes('synced'), 0)
      file.datasync()
      folder.syncFolder('')
      file.writeAt(bytes('UNSYNCED'), 6)
      const after = text(folder.powerCut(generator(seed)).read('f'))!
      expect(after.startsWith('synced')).toBe(true)
      if (after !== 'syncedUNSYNCED') lost++
    }
    expect(lost).toBeGreaterThan(20)
    expect(lost).toBeLessThan(100)
  })

  it('shows a caller who uses memory again that is still being written', async () => {
    const folder = new MemoryFolder()
    const file = folder.open('f', { create: true })!
    const memory = bytes('first')
    const written = file.writeBeside(memory, 0)
    memory.set(bytes('again'))
    await written
    expect(text(folder.read('f'))).toBe('again')
  })

  it('may lose what was written beside the caller and not synced, and the rest of a write under way', async () => {
    const folder = new MemoryFolder()
    const file = folder.open('f', { create: true })!
    file.datasync()
    folder.syncFolder('')
    await file.writeBeside(bytes('UNSYNCED'), 0)
    const underWay = file.writeBeside(bytes('later'), 8)
    expect(text(folder.powerCut(() => 0).read('f'))).toBe('')
    await expect(underWay).rejects.toMatchObject({ code: 'ERR_STORAGE_IO' })
  })

  it('may lose a name whose folder was not synced', () => {
    const survived = Array.from({ length: 50 }, (_, seed) => {
      const folder = new MemoryFolder()
      const file = folder.open('f', { create: true })!
      file.datasync()
      return folder.powerCut(generator(seed + 1)).exists('f')
    })
    expect(new Set(survived).size).toBe(2)
  })

  it('leaves the old or the new content of a replaced file, never a mixture, at any cut and any fault', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = generator(seed)
      let armed = false
      const faulty = new MemoryFolder({
        fault: () =>
          armed && random() < 0.2 ? (['lost', 'done-but-reported-lost', 'disk-full'] as const)[Math.floor(random() * 3)]! : 'none',
      })
      replaceFile(faulty, 'f', bytes('old content'))
      armed = true
      let failed = false
      try {
        replaceFile(faulty, 'f', bytes('new'))
      } catch {
        failed = true
      }
      const after = text(faulty.powerCut(random).read('f'))
      expect(failed ? ['old content', 'new'] : ['new'], `seed ${seed}`).toContain(after)
    }
  })

  it('is dead after the cut', () => {
    const folder = new MemoryFolder()
    folder.powerCut(Math.random)
    expect(codeOf(() => folder.read('x'))).toBe('ERR_STORAGE_IO')
  })
})

describe('database', () => {
  it('migrates each room once, in order', async () => {
    const path = join(temporary(), 'x.db')
    const first = openDatabase(path)
    migrate(first, 'room', ['CREATE TABLE note (id TEXT PRIMARY KEY)'])
    await first.close()
    const database = openDatabase(path)
    migrate(database, 'room', ['CREATE TABLE note (id TEXT PRIMARY KEY)', 'ALTER TABLE note ADD COLUMN at INTEGER NOT NULL DEFAULT 0'])
    database.raw.prepare('INSERT INTO note (id, at) VALUES (?, ?)').run('a', 7)
    expect(database.raw.prepare('SELECT * FROM note').all()).toEqual([{ id: 'a', at: 7 }])
    await database.close()
  })

  it('commits with fsync on every transaction and scrubs deleted rows', () => {
    const database = openDatabase(':memory:')
    expect(database.raw.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 })
    expect(database.raw.prepare('PRAGMA secure_delete').get()).toEqual({ secure_delete: 1 })
  })

  it('says that a full disk is full', () => {
    const database = openDatabase(':memory:')
    database.raw.exec('CREATE TABLE migrations (room TEXT PRIMARY KEY, version INTEGER NOT NULL); PRAGMA max_page_count=8')
    const large = ['CREATE TABLE a (x)', `INSERT INTO a VALUES ('${'x'.repeat(100_000)}')`]
    expect(codeOf(() => migrate(database, 'room', large))).toBe('ERR_STORAGE_FULL')
  })

  it('leaves nothing of a migration that fails', () => {
    const database = openDatabase(':memory:')
    expect(codeOf(() => migrate(database, 'room', ['CREATE TABLE a (x); SYNTAX ERROR']))).toBe('ERR_STORAGE_IO')
    migrate(database, 'room', ['CREATE TABLE a (x)'])
  })
})
