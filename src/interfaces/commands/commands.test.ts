import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ERROR_TABLE, type ErrorCode, RedoubtError } from '#foundation/core'
import { accountKey } from './access-commands.ts'
import { errorText, table, wrapped } from './output.ts'
import { defaultSecretsDir, findPlace, SERVER_FILE } from './place.ts'
import { type Action, EXIT, run, runProgram, withGlobalOptions } from './program.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-commands-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a program of one command, `do`, with this work. */
async function ended(work: Action<object>, ...args: string[]): Promise<Ended> {
  const program = withGlobalOptions(new Command('redoubt'))
  const command = new Command('do').argument('[word]').requiredOption('--level <n>', '', '1')
  program.addCommand(withGlobalOptions(command.action(run(work))))
  let out = ''
  let err = ''
  const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (err += text) }
  const code = await runProgram(program, ['node', 'redoubt', ...args, '--data-dir', folder], terminal)
  return { code, out, err }
}

const fail =
  (code: ErrorCode, message?: string): Action<object> =>
  () =>
    Promise.reject(new RedoubtError(code, message))

describe('exit codes', () => {
  it('are 0 when done, the command’s own, 1 when refused or failed, 2 for usage', async () => {
    expect((await ended(async () => undefined, 'do')).code).toBe(EXIT.done)
    expect((await ended(async () => EXIT.refused, 'do')).code).toBe(1)
    expect((await ended(fail('ERR_POLICY_DENIED'), 'do')).code).toBe(1)
    expect((await ended(fail('ERR_USAGE'), 'do')).code).toBe(2)
    expect((await ended(() => Promise.reject(new TypeError('broken')), 'do')).code).toBe(1)
  })

  it('are 2 for what the parser does not understand, before anything is done', async () => {
    let done = 0
    const work = async (): Promise<void> => void done++
    for (const args of [
      ['unheard-of'],
      ['do', '--unheard-of'],
      ['do', 'a', 'b'],
      ['do', '--level'],
      ['do', '--port', 'x'],
      ['do', '--port', '70000'],
    ])
      expect((await ended(work, ...args)).code, args.join(' ')).toBe(2)
    expect(done).toBe(0)
  })

  it('are 0 for help', async () => {
    const { code, out } = await ended(async () => undefined, 'do', '--help')
    expect(code).toBe(0)
    expect(out).toContain('--json')
  })

  it('are 2 for an address that is not https', async () => {
    for (const url of ['http://localhost:8443', 'localhost', 'ftp://x'])
      expect((await ended(async () => undefined, 'do', '--url', url)).code).toBe(2)
  })
})

describe('what a command says', () => {
  const result: Action<object> = async ({ output }) => {
    output.note('on the side')
    output.result({ answer: 42 }, 'the answer is 42')
  }

  it('is words on standard output, and notes beside it', async () => {
    expect(await ended(result, 'do')).toEqual({ code: 0, out: 'the answer is 42\n', err: 'on the side\n' })
  })

  it('is one JSON document with `--json`, and nothing else', async () => {
    const { out, err } = await ended(result, 'do', '--json')
    expect(JSON.parse(out)).toEqual({ answer: 42 })
    expect(err).toBe('')
  })

  it('is an error in words: what, which code, what next', async () => {
    const { out, err } = await ended(fail('ERR_MODEL_UNKNOWN', 'there is no model `x`'), 'do')
    expect(out).toBe('')
    expect(err).toBe('redoubt: there is no model `x`\n  code  ERR_MODEL_UNKNOWN\n  next  run `redoubt model list`\n')
  })

  it('is a problem document with `--json`', async () => {
    const { out, err } = await ended(fail('ERR_MODEL_UNKNOWN', 'there is no model `x`'), 'do', '--json')
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'ERR_MODEL_UNKNOWN', status: 404, next: 'run `redoubt model list`' } })
    expect(err).toBe('')
  })

  it('keeps what is inside of an unexpected error to itself', async () => {
    const { err, out } = await ended(() => Promise.reject(new Error('a secret detail')), 'do', '--json')
    expect(err + out).not.toContain('secret')
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'ERR_INTERNAL' } })
  })
})

describe('errors in words', () => {
  it('fit in 80 columns, every one of the table', () => {
    for (const [code, { title }] of Object.entries(ERROR_TABLE)) {
      const text = errorText(new RedoubtError(code as ErrorCode, `${title}, ${title}, ${title}`))
      for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
      expect(text).toContain(code)
    }
  })

  it('break between words alone, so that a path can be copied', () => {
    const path = `/srv/${'long-name/'.repeat(12)}`
    const text = wrapped(`redoubt: the file ${path} cannot be read`, '  ')
    expect(text.split('\n').map((line) => line.trim())).toEqual(['redoubt: the file', path, 'cannot be read'])
  })

  it('are lower case, without full stop, as the table is', () => {
    for (const { title, next } of Object.values(ERROR_TABLE)) for (const text of [title, next]) expect(text).toMatch(/^[a-zA-Z].*[^.]$/)
  })
})

describe('table', () => {
  const rows = [
    ['a', 'x'.repeat(30), 'y'.repeat(60)],
    ['bb', '', 'z'],
  ]

  it('aligns columns and leaves no blanks at the end of a line', () => {
    const lines = table(['n', 'first', 'second'], rows, null).split('\n')
    expect(lines[0]?.indexOf('second')).toBe(lines[2]?.indexOf('y'))
    expect(lines[0]?.indexOf('second')).toBe(lines[3]?.indexOf('z'))
    for (const line of lines) expect(line).toBe(line.trimEnd())
  })

  it('fits in the width of a terminal and says where it was cut', () => {
    const lines = table(['n', 'first', 'second'], rows, 80).split('\n')
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
    expect(lines[2]?.endsWith('…')).toBe(true)
  })

  it('cuts nothing where no terminal is', () => {
    expect(table(['n', 'first', 'second'], rows, null)).toContain('y'.repeat(60))
  })

  it('is a heading when there are no rows', () => {
    expect(table(['name', 'state'], [], null)).toBe('name  state\n----  -----')
  })
})

describe('finding the place', () => {
  const write = (content: string): void => {
    mkdirSync(join(folder, 'data'), { recursive: true })
    writeFileSync(join(folder, 'data', SERVER_FILE), content)
  }
  const told = { url: 'https://localhost:9001', secretsDir: '/srv/secrets' }

  it('takes what the server wrote into its data directory, from any folder', () => {
    write(JSON.stringify(told))
    const place = findPlace({}, { REDOUBT_DATA_DIR: join(folder, 'data'), XDG_CONFIG_HOME: '/home/ada/.config' })
    const loginDir = '/home/ada/.config/redoubt'
    const caPath = join(folder, 'data', 'ca.pem')
    expect(place).toEqual({ ...told, dataDir: join(folder, 'data'), caPath, systemAuthorities: false, loginDir })
    // On the server's own host the tokens lie with its secrets.
    write(JSON.stringify({ ...told, secretsDir: folder }))
    expect(findPlace({}, { REDOUBT_DATA_DIR: join(folder, 'data') }).loginDir).toBe(folder)
  })

  it('lets the environment win over the file, and the command line over the environment', () => {
    write(JSON.stringify(told))
    const environment = { REDOUBT_DATA_DIR: join(folder, 'data'), REDOUBT_PORT: '9002', REDOUBT_SECRETS_DIR: '/srv/other' }
    expect(findPlace({}, environment)).toMatchObject({ url: 'https://localhost:9002', secretsDir: '/srv/other' })
    expect(findPlace({}, { ...environment, REDOUBT_URL: 'https://gateway.example/' }).url).toBe('https://gateway.example')
    expect(findPlace({ port: 9003, secretsDir: '/srv/mine' }, environment)).toMatchObject({
      url: 'https://localhost:9003',
      secretsDir: '/srv/mine',
    })
    expect(findPlace({ url: 'https://one.example' }, environment).url).toBe('https://one.example')
    expect(findPlace({ dataDir: '/elsewhere' }, environment).dataDir).toBe('/elsewhere')
  })

  it('falls back to the defaults when there is nothing or nonsense', () => {
    for (const content of ['', '{', '[]', '{"url":7}', '{"url":"https://x","secretsDir":[]}', 'null']) {
      write(content)
      const place = findPlace({}, { REDOUBT_DATA_DIR: join(folder, 'data') })
      expect(place.secretsDir, content).toBe(join(folder, 'secrets'))
      expect(place.url).toMatch(/^https:\/\/(?:localhost:8443|x)$/)
    }
    expect(findPlace({}, { REDOUBT_DATA_DIR: join(folder, 'none') }).url).toBe('https://localhost:8443')
  })

  it('refuses a port that is none', () => {
    for (const port of ['x', '-1', '70000', '1.5'])
      expect(() => findPlace({}, { REDOUBT_DATA_DIR: folder, REDOUBT_PORT: port })).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }))
  })

  it('keeps the secrets of two data directories apart', () => {
    expect(defaultSecretsDir('/srv/one/data')).toBe('/srv/one/secrets')
    expect(defaultSecretsDir('/srv/one')).toBe('/srv/one-secrets')
    expect(defaultSecretsDir('/srv/two')).not.toBe(defaultSecretsDir('/srv/one'))
  })

  it('never lets the name of an account leave the folder of secrets', () => {
    for (const name of ['../cli-key', '/etc/passwd', '', '.', '..', 'a/b', 'A', 'a\u0000'])
      expect(() => accountKey('/srv/secrets', name)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }))
    expect(accountKey('/srv/secrets', 'scorer').startsWith('/srv/secrets/')).toBe(true)
  })
})
