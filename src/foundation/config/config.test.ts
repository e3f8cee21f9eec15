import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { configurationReference, loadConfiguration, resolveSecret, resolveTrusted, secretReference } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'redoubt-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const schema = z.strictObject({
  port: z.number().int().min(1).max(65_535).default(8443).describe('TCP port'),
  key: secretReference.optional(),
})
const write = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}
const codeOf = (call: () => unknown): string => {
  try {
    call()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'no error'
}

describe('configuration', () => {
  it('fills defaults when there is no file', () => {
    expect(loadConfiguration(schema, null)).toEqual({ port: 8443 })
  })

  it('refuses an unknown key and names it', () => {
    expect(() => loadConfiguration(schema, write('unknown.yaml', 'prot: 1'))).toThrowError(/prot/)
  })

  it('refuses duplicate keys, alias bombs, binary and oversized files', () => {
    expect(codeOf(() => loadConfiguration(schema, write('twice.yaml', 'port: 1\nport: 2')))).toBe('ERR_CONFIG_INVALID')
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${['b', 'c', 'd', 'e', 'f', 'g'].map((n, i) => `${n}: &${n} [${Array(9).fill(`*${'abcdefg'[i]}`).join(',')}]`).join('\n')}`
    expect(codeOf(() => loadConfiguration(schema, write('bomb.yaml', bomb)))).toBe('ERR_CONFIG_INVALID')
    expect(codeOf(() => loadConfiguration(schema, write('big.yaml', `# ${'x'.repeat(1024 * 1024)}`)))).toBe('ERR_CONFIG_INVALID')
    expect(codeOf(() => loadConfiguration(schema, join(folder, 'absent.yaml')))).toBe('ERR_CONFIG_INVALID')
  })

  it('refuses a secret written in the file in place of a reference (A5)', () => {
    expect(codeOf(() => loadConfiguration(schema, write('secret.yaml', 'key: sk-live-123')))).toBe('ERR_CONFIG_INVALID')
  })

  it('renders every key of the schema in the reference', () => {
    expect(configurationReference(schema)).toContain('| `port` | integer ≥ 1 ≤ 65535 | `8443` | TCP port |')
  })
})

describe('secret references', () => {
  it('reads the environment and files, without the line break', () => {
    expect(resolveSecret('env:X', { X: 'abc' })).toBe('abc')
    expect(resolveSecret(`file:${write('pass', 'abc\n')}`)).toBe('abc')
  })

  it('refuses what is absent, empty, open to everyone, or not available', () => {
    const open = write('open', 'abc')
    chmodSync(open, 0o644)
    for (const reference of ['env:ABSENT', `file:${join(folder, 'absent')}`, `file:${write('empty', '\n')}`, `file:${open}`, 'kms:arn'])
      expect(codeOf(() => resolveSecret(reference, {}))).toBe('ERR_CONFIG_SECRET')
  })

  it('takes a trusted certificate that everyone may read, and none that everyone may change', () => {
    const ca = write('ca.pem', 'abc\n')
    chmodSync(ca, 0o644)
    expect(resolveTrusted(`file:${ca}`)).toBe('abc')
    expect(resolveTrusted('env:X', { X: 'abc' })).toBe('abc')
    chmodSync(ca, 0o646)
    for (const reference of ['env:ABSENT', `file:${join(folder, 'absent')}`, `file:${write('empty', '\n')}`, `file:${ca}`])
      expect(
        codeOf(() => resolveTrusted(reference, {})),
        reference,
      ).toBe('ERR_CONFIG_SECRET')
  })

  it('keeps the secret out of the error', () => {
    try {
      resolveSecret('env:EMPTY', { EMPTY: '', OTHER: 'hunter2' })
    } catch (error) {
      expect(String(error)).not.toContain('hunter2')
    }
  })
})
