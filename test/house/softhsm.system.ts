import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { newSoftHsm, PIN } from '../../src/trust/keys/pkcs11/softhsm.fixtures.ts'
import { creditRow, Installation } from '../faults/whole-server.ts'

const soft = newSoftHsm()
const installation = new Installation()
afterAll(() => {
  installation.remove()
  soft.dispose()
})

it('a whole server keeps its keys in a token, serves, imports, and opens all of it again after a restart (A4)', async () => {
  const environment = { SOFTHSM2_CONF: process.env['SOFTHSM2_CONF'] }
  const { library, token, pin } = soft.config
  installation.configure(`keys: { provider: { kind: pkcs11, library: ${library}, token: ${token}, pin: '${pin}' } }\n`)
  let server = await installation.start(environment)
  writeFileSync(
    join(installation.root, 'loans.csv'),
    `amount,late\n${Array.from({ length: 200 }, (_, i) => `${100 + i},${i % 3 === 0 ? 1 : 0}`).join('\n')}\n`,
  )
  const run = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await installation.command(args)
    expect(code, `${args.join(' ')}: ${out}${err}`).toBe(0)
    return out
  }
  const about = ['--sensitivity', 'confidential', '--purpose', 'credit-scoring', '--legal-basis', 'contract']
  await run('data', 'import', 'loans.csv', '--name', 'loans', '--label', 'late', ...about)
  expect(await run('keys', 'providers', '--json')).toMatch(/pkcs11/)
  expect(await server.kill('SIGTERM')).toEqual({ code: 0, signal: null })

  server = await installation.start(environment)
  // The model and its data were sealed by the process before: both open.
  const score = await server.ask('/v2/models/credit/infer', { token: await server.token(), json: creditRow('applicant-1') })
  expect(score.status, score.body).toBe(200)
  await run('model', 'train', '--dataset', 'loans', '--algorithm', 'logistic', '--name', 'loans-model')
  expect((await server.search(await server.token(), { type: 'key.unwrap' })).length).toBeGreaterThan(0)
  // The worker ends with its server, whatever ends that.
  const [worker, ...others] = execFileSync('pgrep', ['-P', String(server.pid), '-f', 'hsm-worker'], { encoding: 'utf8' })
    .trim()
    .split('\n')
  expect(others).toEqual([])
  await server.kill('SIGKILL')
  for (let i = 0; i < 100 && existsSync(`/proc/${worker}`); i++) await wait(20)
  expect(existsSync(`/proc/${worker}`)).toBe(false)
  const keys = join(installation.dataDir, 'keys')
  for (const name of readdirSync(keys)) expect(readFileSync(join(keys, name)).includes(PIN), name).toBe(false)
  expect(readdirSync(keys)).not.toContain('keyring.json')

  writeFileSync(soft.pinFile, '99999999')
  const refused = await installation.command(['up'], environment)
  expect(refused.code).toBe(1)
  expect(refused.err).toContain('ERR_KEYS_PROVIDER_DENIED')
  expect(refused.err).toContain('tokens lock')
})
