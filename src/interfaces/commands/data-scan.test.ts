import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DataScan } from '#foundation/core'
import { dataScanCommand, scanWords } from './data-scan-command.ts'
import { runProgram, withGlobalOptions } from './program.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-scan-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function put(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

async function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const program = new Command('redoubt').enablePositionalOptions()
  program.addCommand(withGlobalOptions(dataScanCommand()).exitOverride())
  let out = ''
  let err = ''
  const code = await runProgram(program, ['node', 'redoubt', ...args], {
    writeOut: (text) => (out += text),
    writeErr: (text) => (err += text),
  })
  return { code, out, err }
}

const TABLE = `patient,mail,konfession,note\n${Array.from({ length: 30 }, (_, i) => `p-${i},jane${i}@example.org,${i % 2 === 0 ? 'rk' : 'ev'},"says ""no"",\nthen yes"`).join('\n')}\n`

describe('data scan of a file (C6)', () => {
  it('says what the columns hold, what it looked at and what to give at an import, and no value', async () => {
    const { code, out } = await run('scan', put('a.csv', TABLE))
    expect(code).toBe(0)
    expect(out).toMatch(/looked at all 30 rows/u)
    expect(out).toMatch(/mail +EMAIL_ADDRESS 100 %/u)
    expect(out).toMatch(/konfession +religion +restricted/u)
    expect(out).toMatch(/`patient` looks like the column .*`--subject`/u)
    expect(out).toContain('--sensitivity restricted')
    expect(out).not.toMatch(/jane|p-1|then yes/u)
  })

  it('writes the same as JSON', async () => {
    const { out } = await run('scan', '--json', put('b.csv', TABLE))
    const { scan } = JSON.parse(out) as { scan: DataScan }
    expect(scan).toMatchObject({
      rows: 30,
      isSample: false,
      sensitivity: 'restricted',
      categories: ['health', 'religion'],
      subject: 'patient',
    })
  })

  it('refuses what is no table, and says what is wrong', async () => {
    const code = async (path: string): Promise<string> => {
      const { out, err } = await run('scan', '--json', path)
      return (JSON.parse(out + err) as { error: { code: string } }).error.code
    }
    expect(await code(join(folder, 'absent.csv'))).toBe('ERR_USAGE')
    expect(await code(put('c.csv', 'a,b\n1\n'))).toBe('ERR_DATA_RAGGED')
    expect(await code(put('d.csv', 'a,b\n'))).toBe('ERR_DATA_MALFORMED')
    expect(await code(put('e.csv', 'a,b\n"1,2\n'))).toBe('ERR_USAGE')
  })
})

describe('the words for what was found', () => {
  const scan: DataScan = { rows: 1_500, isSample: true, sensitivity: 'confidential', categories: [], subject: null, columns: [] }
  it('warn loudly where it calls for more than was said, and only there', () => {
    expect(scanWords(scan, 'internal')).toMatch(
      /WARNING: this calls for the sensitivity `confidential`, and it was imported as `internal`/u,
    )
    expect(scanWords(scan, 'confidential')).not.toContain('WARNING')
    expect(scanWords(scan, 'restricted')).not.toContain('WARNING')
  })
  it('propose the column of persons only to whoever named none', () => {
    const proposed = { ...scan, subject: 'patient' }
    expect(scanWords(proposed, null)).toContain('`patient` looks like')
    expect(scanWords(proposed, null, 'patient')).not.toContain('looks like')
  })
  it('say that a sample was looked at, and never call for `public`', () => {
    expect(scanWords(scan, null)).toContain('looked at a sample of 1,500 rows')
    expect(scanWords({ ...scan, sensitivity: 'public' }, null)).toContain('`--sensitivity internal` or stricter')
  })
})
