import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountFilePath, readAccountFile, writeAccountFile } from './account-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-account-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('account files', () => {
  const key = { kty: 'OKP', crv: 'Ed25519', x: 'x', d: 'd' } as const
  const content = { issuer: 'https://localhost:8443', accountId: 'scorer', privateKeyJwk: key }

  it('are whole or absent, 0600 in a folder 0700', () => {
    const path = accountFilePath(folder, 'scorer')
    expect(readAccountFile(path)).toBeNull()
    writeAccountFile(path, content)
    writeAccountFile(path, content)
    expect(readAccountFile(path)).toEqual(content)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
    expect(readdirSync(join(path, '..'))).toEqual(['scorer.json'])
  })

  it('are refused when others can read them or when they are not what they should be, without quoting them', () => {
    const path = accountFilePath(folder, 'scorer')
    writeAccountFile(path, content)
    chmodSync(path, 0o644)
    expect(() => readAccountFile(path)).toThrow(/can be read by others/)
    chmodSync(path, 0o600)
    for (const text of ['', '{', '{"privateKeyJwk":"s3cret"}', 'x'.repeat(20_000)]) {
      writeFileSync(path, text)
      expect(() => readAccountFile(path)).toThrow(/is not an account file$/)
    }
  })
})
