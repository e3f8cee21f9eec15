import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { codeDigest, digestOf } from './code-digest.ts'

let folder: string
beforeEach(() => {
  folder = `${mkdtempSync(join(tmpdir(), 'redoubt-code-'))}/`
  mkdirSync(join(folder, 'room'))
  writeFileSync(join(folder, 'main.ts'), 'start()')
  writeFileSync(join(folder, 'room', 'door.ts'), 'open()')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the digest of the code that runs (A9)', () => {
  it('is another when any module is changed, moved, added or removed, and not for a test', async () => {
    const before = await digestOf(folder, '.ts')
    expect(before).toMatch(/^[0-9a-f]{64}$/)
    writeFileSync(join(folder, 'room', 'door.test.ts'), 'expect()')
    writeFileSync(join(folder, 'README.md'), 'words')
    expect(await digestOf(folder, '.ts')).toBe(before)
    const seen = new Set([before])
    for (const change of [
      () => writeFileSync(join(folder, 'main.ts'), 'start( )'),
      () => writeFileSync(join(folder, 'room', 'window.ts'), 'open()'),
      () => rmSync(join(folder, 'room', 'door.ts')),
      () => writeFileSync(join(folder, 'main.ts'), 'start( )room/window.ts'),
    ]) {
      change()
      seen.add(await digestOf(folder, '.ts'))
    }
    expect(seen.size).toBe(5)
  })

  it('is of this very code, the same each time', async () => {
    expect(await codeDigest()).toBe(await codeDigest())
  })
})
