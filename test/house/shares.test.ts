/** A whole server whose keyring is opened by holders of shares: made, stopped, sealed, opened again, and by nothing else. */
import { rmSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { systemClock } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { runProgram } from '#interfaces/commands'
import { type Server, startServer } from '../../src/composition/compose.ts'
import type { Configuration } from '../../src/composition/configuration.ts'
import { createProgram } from '../../src/composition/program.ts'
import { type House, type HouseAccount, openHouse, QUICK_KDF } from './house.fixture.ts'

let house: House
let config: Configuration
let officer: HouseAccount
let again: Server | null = null
beforeAll(async () => {
  house = await openHouse((same) => (config = same))
  officer = await house.account('officer', 'security-officer')
})
afterAll(async () => {
  await again?.close()
  await house.close()
  rmSync(config.dataDir, { recursive: true, force: true })
})
afterEach(() => {
  for (const name of ['REDOUBT_TOKEN', 'SHARE']) delete process.env[name]
})

async function redoubt(...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let [out, err] = ['', '']
  const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (err += text) }
  const code = await runProgram(createProgram(['redoubt']), ['node', 'redoubt', ...args, '--data-dir', house.dataDir], terminal)
  return { code, out, err }
}
const start = (unseal: Configuration['keys']['unseal']): Promise<Server> =>
  startServer({ ...config, keys: { ...config.keys, unseal } }, () => undefined, {
    clock: systemClock,
    logger: silentLogger,
    kdf: QUICK_KDF,
    environment: {},
    holdInvariants: false,
  })

it('opens for any two of three holders after a restart, and for the passphrase no more (A4)', async () => {
  process.env['REDOUBT_TOKEN'] = officer.token
  const made = await redoubt('keys', 'shares', '--threshold', '2', '--of', '3', '--yes', '--json')
  expect([made.code, made.err]).toEqual([0, ''])
  const { shares } = JSON.parse(made.out) as { shares: readonly string[] }
  await house.server.close()

  await expect(start('passphrase')).rejects.toMatchObject({ code: 'ERR_KEYS_PASSPHRASE' })

  const starting = start('shamir')
  let failed: unknown = null
  starting.catch((thrown: unknown) => (failed = thrown))
  const give = async (share: string) => {
    process.env['SHARE'] = share
    return redoubt('keys', 'unseal', '--share-from', 'env:SHARE', '--json')
  }
  // The socket is there once the server waits.
  await expect.poll(async () => (await give(shares[2]!)).code, { timeout: 10_000 }).toBe(0)
  expect((await give(shares[2]!)).code).toBe(1)
  expect((await give(shares[0]!)).code).toBe(0)
  again = await starting
  await again.ready
  expect(failed).toBeNull()

  // What was sealed before is read: the account of this host signs in, and its data are there.
  delete process.env['REDOUBT_TOKEN']
  const listed = await redoubt('data', 'list', '--json')
  expect([listed.code, listed.err]).toEqual([0, ''])
  expect(listed.out).toContain('credit')
})
