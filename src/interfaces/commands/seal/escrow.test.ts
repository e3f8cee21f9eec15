import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#foundation/core'
import { sealObject } from '#foundation/crypto'
import { nodeFolder, openDatabase } from '#foundation/storage'
import { openKeyring } from '#trust/keys'
import { runProgram, withGlobalOptions } from '../program.ts'
import { escrowCommand } from './escrow-commands.ts'
import { recipientCommand } from './recipient-command.ts'

const PLAINTEXT = Buffer.alloc(300_000, 'a row group ')
const folder = mkdtempSync(join(tmpdir(), 'redoubt-escrow-'))
const at = (...names: string[]): string => join(folder, ...names)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function redoubt(...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const program = withGlobalOptions(new Command('redoubt').enablePositionalOptions())
  for (const command of [escrowCommand(), recipientCommand()]) {
    program.addCommand(withGlobalOptions(command))
    for (const inner of command.commands) withGlobalOptions(inner)
  }
  let out = ''
  let err = ''
  const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (err += text) }
  const code = await runProgram(program, ['node', 'redoubt', ...args, '--data-dir', folder], terminal)
  return { code, out, err }
}

beforeAll(async () => {
  for (const name of ['ada', 'bob']) expect((await redoubt('recipient', '--out', at(name), '--no-passphrase')).code).toBe(0)
  const database = openDatabase(at('keys.db'))
  mkdirSync(at('objects'))
  const keyring = await openKeyring({
    folder: nodeFolder(at('keys')),
    database,
    passphrase: Buffer.from('a passphrase that is lost'),
    clock: systemClock,
    kdf: { memoryKiB: 19_456, passes: 2, parallelism: 1 },
    escrow: [readFileSync(at('ada.pub'), 'utf8').trim()],
  })
  const keys = keyring.keys({ record: async () => ({ index: 0, leafHash: '' }) })
  const use = { principal: { type: 'System', id: 'test' }, purpose: 'test', resource: { type: 'Dataset', id: 'adult' } } as const
  const key = await keys.generateDataKey({ keyClass: 'dataset', name: 'adult' }, 'dataset/adult/1', use)
  await sealObject(nodeFolder(at('objects')), 'group', key, [PLAINTEXT], {})
  await keys.close()
  keyring.close()
  await database.close()
  // The provider is lost.
  rmSync(at('keys'), { recursive: true })
}, 60_000)

describe('redoubt keys escrow open (A4)', () => {
  const open = (key: string, out: string, object = at('objects', 'group'), database = at('keys.db')) =>
    redoubt('escrow', 'open', object, '--keys-db', database, '--key', at(key), '--out', at(out), '--json')

  it('opens an object of a backup by the key of a recipient, and leaves the backup as it is', async () => {
    const before = readFileSync(at('keys.db'))
    const { code, out, err } = await open('ada', 'opened')
    expect([code, err]).toEqual([0, ''])
    expect(JSON.parse(out)).toMatchObject({ bytes: PLAINTEXT.byteLength, resource: 'dataset/adult/1' })
    expect(readFileSync(at('opened')).equals(PLAINTEXT)).toBe(true)
    expect(readFileSync(at('keys.db')).equals(before)).toBe(true)
  })

  it('leaves nothing where the key, the object or the database is another, or damaged', async () => {
    const object = readFileSync(at('objects', 'group'))
    object[object.byteLength - 40]! ^= 1
    writeFileSync(at('objects', 'damaged'), object)
    writeFileSync(at('not.db'), 'nonsense')
    const refused = [
      [await open('bob', 'none'), 'ERR_CRYPTO_NO_KEY'],
      [await open('ada', 'none', at('objects', 'damaged')), 'ERR_CRYPTO_AUTHENTICATION'],
      [await open('ada', 'none', at('objects', 'group'), at('not.db')), 'ERR_CRYPTO_FORMAT'],
      [await open('ada', 'none', at('objects', 'missing')), 'ERR_NOT_FOUND'],
      [await open('ada', 'none', at('keys.db')), 'ERR_CRYPTO_FORMAT'],
    ] as const
    for (const [{ code, err, out }, expected] of refused) {
      expect(code).not.toBe(0)
      expect(err + out).toContain(expected)
    }
    expect(readdirSync(folder).filter((name) => name.startsWith('none'))).toEqual([])
  })
})
