import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findPlace, SERVER_FILE } from './place.ts'

let folder: string
let dataDir: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-place-'))
  dataDir = join(folder, '.redoubt', 'data')
  // As a server leaves it.
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  chmodSync(dataDir, 0o700)
  const file = join(dataDir, SERVER_FILE)
  writeFileSync(file, JSON.stringify({ url: 'https://attacker.example', secretsDir: '/tmp/theirs' }))
  chmodSync(file, 0o600)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const uid = (): number => statSync(folder).uid
const find = (environment: NodeJS.ProcessEnv = {}, as = uid(), options = {}) => findPlace(options, environment, { folder, uid: as })

describe('the folder that a command happens to run in', () => {
  it('says which server it is for when a server of this user made it', () => {
    expect(find()).toMatchObject({ url: 'https://attacker.example', dataDir })
    rmSync(dataDir, { recursive: true })
    expect(find().url).toBe('https://localhost:8443')
  })

  it.each<[string, () => void]>([
    ['of a checkout, whose folders are open to others', () => chmodSync(dataDir, 0o755)],
    [
      'of a checkout without the file, with an authority of its own',
      () => {
        rmSync(join(dataDir, SERVER_FILE))
        writeFileSync(join(dataDir, 'ca.pem'), 'theirs')
        chmodSync(dataDir, 0o755)
      },
    ],
    ['whose file others may write', () => chmodSync(join(dataDir, SERVER_FILE), 0o620)],
    ['that others may write', () => chmodSync(dataDir, 0o702)],
    [
      'whose file is a link',
      () => {
        writeFileSync(join(folder, 'theirs.json'), '{}', { mode: 0o600 })
        rmSync(join(dataDir, SERVER_FILE))
        symlinkSync(join(folder, 'theirs.json'), join(dataDir, SERVER_FILE))
      },
    ],
    [
      'that is a link',
      () => {
        rmSync(dataDir, { recursive: true })
        mkdirSync(join(folder, 'theirs'), { mode: 0o700 })
        writeFileSync(join(folder, 'theirs', SERVER_FILE), '{}', { mode: 0o600 })
        symlinkSync(join(folder, 'theirs'), dataDir)
      },
    ],
  ])('does not choose the server %s: the command says how to name it', (_what, change) => {
    change()
    expect(() => find()).toThrow(expect.objectContaining({ code: 'ERR_SERVER_FILE', next: expect.stringContaining('REDOUBT_URL') }))
    // An address alone is not enough: the authority would be theirs.
    expect(() => find({ REDOUBT_URL: 'https://mine.example' })).toThrow(expect.objectContaining({ code: 'ERR_SERVER_FILE' }))
    const mine = find({ REDOUBT_URL: 'https://mine.example', REDOUBT_CA: 'system', XDG_CONFIG_HOME: '/home/ada/.config' })
    expect(mine).toMatchObject({ url: 'https://mine.example', loginDir: '/home/ada/.config/redoubt' })
  })

  it('does not choose the server when it belongs to another user', () => {
    expect(() => find({}, uid() + 1)).toThrow(expect.objectContaining({ code: 'ERR_SERVER_FILE' }))
    // A folder that is named is one that whoever runs the command means.
    for (const place of [find({}, uid() + 1, { dataDir }), find({ REDOUBT_DATA_DIR: dataDir }, uid() + 1)])
      expect(place.url).toBe('https://attacker.example')
  })
})

describe('the environment', () => {
  it('takes a variable that is empty for one that is not set, so that nothing is looked for in the folder of the command', () => {
    const empty = { REDOUBT_DATA_DIR: '', REDOUBT_SECRETS_DIR: '', REDOUBT_URL: '', REDOUBT_PORT: '', REDOUBT_CA: '', XDG_CONFIG_HOME: '' }
    expect(find(empty)).toEqual(find())
    expect(find(empty, uid(), { dataDir: '/srv/other' }).secretsDir).toBe('/srv/other-secrets')
  })

  it.each(['abc', '0', '70000', '8443.5'])('refuses the port `%s` and says which variable has it', (REDOUBT_PORT) => {
    expect(() => find({ REDOUBT_PORT })).toThrow(
      expect.objectContaining({ code: 'ERR_USAGE', message: expect.stringContaining('REDOUBT_PORT') }),
    )
  })
})
