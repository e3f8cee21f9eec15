import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { newSoftHsm } from '../../src/trust/keys/pkcs11/softhsm.fixtures.ts'
import { creditRow, Installation } from '../faults/whole-server.ts'

const soft = newSoftHsm()
const installation = new Installation()
afterAll(() => {
  installation.remove()
  soft.dispose()
})

const { library, token, pin } = soft.config
const environment = { SOFTHSM2_CONF: process.env['SOFTHSM2_CONF'] }
const TOKEN = `{ kind: pkcs11, library: ${library}, token: ${token}, pin: '${pin}' }`
const ROTATION = 'rotation: { graceDays: 0 }'
type Running = Awaited<ReturnType<Installation['start']>>

async function run(...args: string[]): Promise<string> {
  const { code, out, err } = await installation.command(args)
  expect(code, `${args.join(' ')}: ${out}${err}`).toBe(0)
  return out
}

interface Progress {
  readonly error: string | null
  readonly completedAt: number | null
  readonly move: { readonly from: string; readonly proved: boolean } | null
}
/** Until a round has looked through everything. */
async function moved(): Promise<Progress> {
  for (let i = 0; i < 120; i++) {
    const progress = JSON.parse(await run('keys', 'rotation', '--json')) as Progress
    expect(progress.error).toBeNull()
    if (progress.completedAt !== null && (progress.move === null || progress.move.proved)) return progress
    await wait(250)
  }
  throw new Error('the move was not proved within half a minute')
}

async function serves(server: Running): Promise<void> {
  const score = await server.ask('/v2/models/credit/infer', { token: await server.token(), json: creditRow('applicant-1') })
  expect(score.status, score.body).toBe(200)
  expect(await run('data', 'rows', 'loans', '--limit', '1', '--json')).toContain('100')
}

it('a whole server moves its keys out of a token into a sealed file and back while it serves (A4, A6)', async () => {
  installation.configure(`keys: { provider: ${TOKEN}, ${ROTATION} }\n`)
  let server = await installation.start(environment)
  const rows = Array.from({ length: 50 }, (_, i) => `${100 + i},${i % 3 === 0 ? 1 : 0}`)
  writeFileSync(join(installation.root, 'loans.csv'), `amount,late\n${rows.join('\n')}\n`)
  const about = ['--sensitivity', 'confidential', '--purpose', 'credit-scoring', '--legal-basis', 'contract']
  await run('data', 'import', 'loans.csv', '--name', 'loans', '--label', 'late', ...about)
  const key = await run('audit', 'key')
  await run('audit', 'checkpoint', '--out', 'kept.checkpoint')
  expect(await server.kill('SIGTERM')).toEqual({ code: 0, signal: null })

  // The key of checkpoints never leaves the token: another one takes over, and the last checkpoint bears both signatures.
  installation.configure(`keys: { provider: { kind: sealed-file }, moveFrom: ${TOKEN}, ${ROTATION} }\n`)
  server = await installation.start(environment)
  await serves(server)
  expect(await run('audit', 'key')).not.toBe(key)
  const bridges = readdirSync(join(installation.dataDir, 'log')).filter((name) => name.startsWith('checkpoint-'))
  expect(bridges).toHaveLength(1)
  await moved()
  await serves(server)
  // In the middle of what is left, without a word.
  await server.kill('SIGKILL')

  installation.configure(`keys: { provider: { kind: sealed-file }, ${ROTATION} }\n`)
  server = await installation.start()
  await serves(server)
  expect(await server.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  expect(existsSync(join(installation.dataDir, 'keys/keyring.json'))).toBe(true)

  installation.configure(`keys: { provider: ${TOKEN}, moveFrom: sealed-file, ${ROTATION} }\n`)
  server = await installation.start(environment)
  await serves(server)
  await moved()
  await server.kill('SIGTERM')
  installation.configure(`keys: { provider: ${TOKEN}, ${ROTATION} }\n`)
  server = await installation.start(environment)
  await serves(server)
  await server.kill('SIGTERM')
}, 240_000)
