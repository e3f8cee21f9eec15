import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runProgram, withGlobalOptions } from '../program.ts'
import { openPlacedFile } from '../placed-file.ts'
import { recipientCommand } from './recipient-command.ts'
import { sealCommands } from './seal-commands.ts'

const SECRET = 'correct horse battery staple'
const folder = mkdtempSync(join(tmpdir(), 'redoubt-seal-'))
const at = (name: string): string => join(folder, name)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function redoubt(...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const program = withGlobalOptions(new Command('redoubt').enablePositionalOptions())
  for (const command of [...sealCommands(), recipientCommand()]) program.addCommand(withGlobalOptions(command))
  let out = ''
  let err = ''
  const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (err += text) }
  const code = await runProgram(program, ['node', 'redoubt', ...args, '--data-dir', folder], terminal)
  return { code, out, err }
}
const codeIn = (text: string): string => /code {2}(\S+)/.exec(text)?.[1] ?? text
const plaintext = randomBytes(1_500_000)

beforeAll(async () => {
  writeFileSync(at('passphrase'), `${SECRET}\n`, { mode: 0o600 })
  expect((await redoubt('recipient', '--out', at('ada'), '--no-passphrase')).code).toBe(0)
  expect((await redoubt('recipient', '--out', at('bob'), '--passphrase-file', at('passphrase'))).code).toBe(0)
})
beforeEach(() => {
  for (const name of readdirSync(folder)) if (/^(data|made)/.test(name)) rmSync(at(name))
  writeFileSync(at('data'), plaintext)
})

describe('redoubt seal and open (A1)', () => {
  it('give back the file to each recipient and under the passphrase, in files of their owner alone', async () => {
    const args = ['--to', at('ada.pub'), '--to', readFileSync(at('bob.pub'), 'utf8').trim(), '--passphrase-file', at('passphrase')]
    const sealed = await redoubt('seal', at('data'), ...args, '--json')
    expect(sealed.code).toBe(0)
    const told = JSON.parse(sealed.out) as { bytes: number; file: string; openableBy: string[] }
    expect([told.bytes, told.file, told.openableBy.length]).toEqual([1_500_000, at('data.rdbt'), 3])
    const ways = [
      ['--key', at('ada')],
      ['--key', at('bob'), '--passphrase-file', at('passphrase')],
      ['--passphrase-file', at('passphrase')],
    ]
    for (const [i, way] of ways.entries()) {
      const { code, err } = await redoubt('open', at('data.rdbt'), ...way, '--out', at(`made-${i}`))
      expect([code, err]).toEqual([0, ''])
      expect(readFileSync(at(`made-${i}`)).equals(plaintext)).toBe(true)
    }
    for (const name of ['data.rdbt', 'made-0', 'ada', 'bob']) expect([name, statSync(at(name)).mode & 0o777]).toEqual([name, 0o600])
    expect((await redoubt('open', at('data.rdbt'), '--key', at('ada'), '--force', '--json')).out).toContain('"bytes": 1500000')
  })

  it('replace nothing unless told to, a link neither, and leave no unfinished file', async () => {
    const args = ['--to', at('ada.pub')]
    expect((await redoubt('seal', at('data'), ...args)).code).toBe(0)
    const before = readFileSync(at('data.rdbt'))
    const again = await redoubt('seal', at('data'), ...args)
    expect([again.code, codeIn(again.err)]).toEqual([2, 'ERR_USAGE'])
    expect(readFileSync(at('data.rdbt')).equals(before)).toBe(true)
    expect((await redoubt('open', at('data.rdbt'), '--key', at('ada'))).code).toBe(2)
    expect(readFileSync(at('data')).equals(plaintext)).toBe(true)
    writeFileSync(at('made-target'), 'kept')
    symlinkSync(at('made-target'), at('made-link'))
    expect((await redoubt('open', at('data.rdbt'), '--key', at('ada'), '--out', at('made-link'))).code).toBe(2)
    expect((await redoubt('open', at('data.rdbt'), '--key', at('ada'), '--out', at('made-link'), '--force')).code).toBe(0)
    expect(readFileSync(at('made-target'), 'utf8')).toBe('kept')
    expect(readdirSync(folder).filter((name) => name.includes('part_'))).toEqual([])
  })

  it('leave no plaintext of a file that was changed, cut or extended anywhere, under its name or another', async () => {
    await redoubt('seal', at('data'), '--to', at('ada.pub'))
    const whole = readFileSync(at('data.rdbt'))
    const flip = (position: number): Buffer => {
      const bytes = Buffer.from(whole)
      bytes[position]! ^= 1
      return bytes
    }
    const changes = [flip(100), flip(32_900), flip(1_200_000), flip(whole.length - 1), whole.subarray(0, -1)]
    changes.push(
      whole.subarray(0, 32_768 + 1_048_576),
      Buffer.concat([whole, Buffer.of(0)]),
      Buffer.alloc(0),
      Buffer.from('no such format'),
    )
    for (const [i, bytes] of changes.entries()) {
      writeFileSync(at('data-changed.rdbt'), bytes)
      const { code, err } = await redoubt('open', at('data-changed.rdbt'), '--key', at('ada'))
      expect([i, code, /ERR_CRYPTO_(AUTHENTICATION|FORMAT)/.test(err)]).toEqual([i, 1, true])
      expect([i, readdirSync(folder).filter((name) => name.startsWith('data-changed') && name !== 'data-changed.rdbt')]).toEqual([i, []])
    }
  })

  it('say what is missing or wrong: keys, recipients, names, passphrases', async () => {
    await redoubt('seal', at('data'), '--to', at('ada.pub'))
    writeFileSync(at('data-short'), 'short\n', { mode: 0o600 })
    writeFileSync(at('data-nobody'), '# nobody\n\n')
    writeFileSync(at('data-slip'), readFileSync(at('ada.pub'), 'utf8').replace('.A', '.B').replace(/[a-f]/, 'g'))
    writeFileSync(at('data-wrong'), 'another passphrase than that\n', { mode: 0o600 })
    writeFileSync(at('data-open'), `${SECRET}\n`)
    chmodSync(at('data-open'), 0o644)
    writeFileSync(at('data-key'), readFileSync(at('ada')))
    chmodSync(at('data-key'), 0o604)
    const cases: [readonly string[], number, string][] = [
      [['seal', at('data')], 2, 'ERR_USAGE'],
      [['seal', '-', '--to', at('ada.pub')], 2, 'ERR_USAGE'],
      [['seal', at('data'), '--to', at('ada.pub'), '--out', '-', '--json'], 2, ''],
      [['seal', at('absent'), '--to', at('ada.pub')], 2, 'ERR_USAGE'],
      [['seal', folder, '--to', at('ada.pub'), '--out', at('made')], 2, 'ERR_USAGE'],
      [['seal', at('data'), '--to', at('absent')], 2, 'ERR_USAGE'],
      [['seal', at('data'), '--to', '/dev/zero'], 2, 'ERR_USAGE'],
      [['seal', at('data'), '--to', at('data-nobody')], 1, 'ERR_CRYPTO_RECIPIENT'],
      [['seal', at('data'), '--to', at('data-slip')], 1, 'ERR_CRYPTO_RECIPIENT'],
      [['seal', at('data'), '--to', at('ada')], 1, 'ERR_CRYPTO_RECIPIENT'],
      [['seal', at('data'), '--to', at('ada.pub'), '--to', at('ada.pub'), '--out', at('made')], 1, 'ERR_CRYPTO_PARAMETER'],
      [['seal', at('data'), '--passphrase-file', at('data-short'), '--out', at('made')], 2, 'ERR_USAGE'],
      [['seal', at('data'), '--passphrase-file', at('data-open'), '--out', at('made')], 1, 'ERR_CONFIG_SECRET'],
      [['open', at('data.rdbt'), '--out', at('made')], 2, 'ERR_USAGE'],
      [['open', at('data'), '--key', at('ada')], 2, 'ERR_USAGE'],
      [['open', '-', '--key', at('ada'), '--out', '-'], 2, 'ERR_USAGE'],
      [['open', at('data.rdbt'), '--key', at('bob'), '--out', at('made')], 2, 'ERR_USAGE'],
      [['open', at('data.rdbt'), '--key', at('bob'), '--passphrase-file', at('passphrase'), '--out', at('made')], 1, 'ERR_CRYPTO_NO_KEY'],
      [['open', at('data.rdbt'), '--key', at('bob'), '--passphrase-file', at('data-wrong'), '--out', at('made')], 1, 'ERR_KEYS_PASSPHRASE'],
      [['open', at('data.rdbt'), '--key', at('data-key'), '--out', at('made')], 1, 'ERR_CONFIG_SECRET'],
      [['open', at('data.rdbt'), '--key', at('ada.pub'), '--out', at('made')], 1, 'ERR_CRYPTO_FORMAT'],
      [['recipient', '--out', at('made')], 2, 'ERR_USAGE'],
      [['recipient', '--out', at('made'), '--no-passphrase', '--passphrase-file', at('passphrase')], 2, 'ERR_USAGE'],
      [['recipient', '--out', at('ada'), '--no-passphrase'], 2, 'ERR_USAGE'],
    ]
    for (const [args, code, name] of cases) {
      const ended = await redoubt(...args)
      expect([args, ended.code]).toEqual([args, code])
      expect([args, codeIn(ended.err)]).toEqual([args, name === '' ? ended.err : name])
      if (name === '') expect(ended.out).toContain('ERR_USAGE')
    }
    expect(existsSync(at('made'))).toBe(false)
    expect(readdirSync(folder).filter((name) => name.includes('part_'))).toEqual([])
  })

  it('never replace a private key: what was sealed to it would be lost', async () => {
    const before = readFileSync(at('ada'))
    expect((await redoubt('recipient', '--out', at('ada'), '--no-passphrase')).code).toBe(2)
    rmSync(at('ada.pub'))
    expect((await redoubt('recipient', '--out', at('ada'), '--no-passphrase')).code).toBe(2)
    expect(readFileSync(at('ada')).equals(before)).toBe(true)
    expect(existsSync(at('ada.pub'))).toBe(false)
  })
})

describe('a file that is placed when it is whole', () => {
  it('loses to one that came under its name in the meantime', async () => {
    const file = await openPlacedFile(at('made'), false)
    await file.write(Buffer.from('ours'))
    expect(existsSync(at('made'))).toBe(false)
    writeFileSync(at('made'), 'theirs')
    await expect(file.place()).rejects.toThrow(expect.objectContaining({ code: 'ERR_USAGE' }))
    await file.close()
    expect(readFileSync(at('made'), 'utf8')).toBe('theirs')
    expect(readdirSync(folder).filter((name) => name.includes('part_'))).toEqual([])
  })
})
