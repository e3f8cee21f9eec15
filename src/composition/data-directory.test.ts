import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { takeDataDirectory } from './data-directory.ts'

describe('the data directory', () => {
  let root: string
  let path: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'redoubt-data-'))
    path = join(root, 'data')
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  it('is held by one server at a time, and free when that one lets go', () => {
    const held = takeDataDirectory(path)
    expect(() => takeDataDirectory(path)).toThrow(
      expect.objectContaining({ code: 'ERR_STORAGE_LOCKED', message: expect.stringContaining(path) }),
    )
    expect(readdirSync(path)).toEqual(['lock'])
    held.release()
    takeDataDirectory(path).release()
  })

  it('says of a lock that cannot be taken for another reason that the storage failed, not that a server runs', () => {
    mkdirSync(path)
    writeFileSync(join(path, 'lock'), 'this is no lock file of ours'.repeat(100))
    expect(() => takeDataDirectory(path)).toThrow(expect.objectContaining({ code: 'ERR_STORAGE_IO' }))
    rmSync(join(path, 'lock'))
    mkdirSync(join(path, 'lock'))
    expect(() => takeDataDirectory(path)).toThrow(expect.objectContaining({ code: 'ERR_STORAGE_IO' }))
  })

  it('is closed to others, also when it was open before (A7)', () => {
    mkdirSync(path, { mode: 0o755 })
    takeDataDirectory(path).release()
    expect(statSync(path).mode & 0o777).toBe(0o700)
    expect(statSync(join(path, 'lock')).mode & 0o777).toBe(0o600)
  })
})
