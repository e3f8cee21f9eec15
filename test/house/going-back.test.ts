/** Going back to an earlier version of a model, against the whole server: who may, what it leads to, and that it is no way round a deployment. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runProgram } from '#interfaces/commands'
import { createProgram } from '../../src/composition/program.ts'
import { type House, type HouseAccount, openHouse, starterRow } from './house.fixture.ts'

/** What production asks of a deployment, here in development: two approvals. */
const TWO = `@id("two") forbid (principal, action == Action::"deploy", resource is Model) when { context.approvals < 2 };
`
const folder = mkdtempSync(join(tmpdir(), 'redoubt-back-'))
let house: House
let deployer: HouseAccount
let maker: HouseAccount
const call = (by: HouseAccount, method: string, path: string, json?: object) =>
  house.call(method, `/api/v1${path}`, { token: by.token, ...(json === undefined ? {} : { json }) })
const asBootstrap = async (path: string, json: object = {}) => {
  const answer = await house.call('POST', `/api/v1${path}`, { token: house.token, json })
  if (answer.status !== 200 || answer.text.includes('"type":"error"')) throw new Error(answer.text)
}
const policies = (text: string) => writeFileSync(join(folder, 'two.cedar'), text)
const reload = async () => {
  const admin = await house.account(`admin-${performance.now()}`.replace('.', '-'), 'administrator')
  expect((await call(admin, 'POST', '/policies/reload')).status).toBe(200)
}
const serving = async () => (await house.call('POST', '/v2/models/credit/infer', { token: house.token, json: starterRow() })).json
async function command(by: HouseAccount, ...words: string[]): Promise<{ readonly code: number; readonly out: string }> {
  let out = ''
  process.env['REDOUBT_TOKEN'] = by.token
  const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (out += text) }
  const argv = ['node', 'redoubt', ...words, '--data-dir', house.dataDir, '--secrets-dir', house.secretsDir]
  const code = await runProgram(createProgram(['redoubt']), argv, terminal)
  delete process.env['REDOUBT_TOKEN']
  return { code, out }
}

beforeAll(async () => {
  policies(TWO.replace('< 2', '< 0'))
  house = await openHouse((configuration) => ({ ...configuration, policies: folder }))
  deployer = await house.account('deployer', 'deployer')
  maker = await house.account('maker', 'ml-engineer')
  for (const seed of [2, 3]) await asBootstrap('/models/credit/train', { dataset: 'credit', algorithm: 'logistic', seed })
  await asBootstrap('/models/credit/deploy', { version: 2 })
  policies(TWO)
  await reload()
}, 120_000)
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('going back to an earlier version (B1, B2, C11)', () => {
  it('is asked as `rollback`, by whichever route, and serves that version at once', async () => {
    expect((await serving()).model_version).toBe('2')
    expect((await call(maker, 'POST', '/models/credit/rollback')).json.code).toBe('ERR_POLICY_DENIED')
    const gone = await call(deployer, 'POST', '/models/credit/rollback')
    expect([gone.status, gone.json.deployment.kind, gone.json.model.version]).toEqual([200, 'rollback', 1])
    expect((await serving()).model_version).toBe('1')
    const [entry] = await house.entries({ type: 'model.rollback', limit: '1' })
    expect(entry?.event).toMatchObject({ actor: { id: 'deployer' }, action: 'rollback', details: { version: 1, from: 2 } })
    const [asked] = await house.entries({ requestId: gone.headers['x-request-id'] as string, type: 'control.admission' })
    expect(asked?.event).toMatchObject({ action: 'rollback', decision: { policies: ['deployer-work'] } })
  })

  it('is no way to a version that never served, nor forward', async () => {
    if ((await serving()).model_version !== '1') await asBootstrap('/models/credit/rollback')
    // Version 1 serves; 2 served, 3 never did.
    for (const version of [2, 3]) {
      expect((await call(deployer, 'POST', '/models/credit/rollback', { version })).json).toMatchObject({
        status: 409,
        code: 'ERR_MODEL_ROLLBACK',
      })
      expect((await call(deployer, 'POST', '/models/credit/deploy', { version })).json.code).toBe('ERR_APPROVAL_REQUIRED')
    }
    expect((await call(deployer, 'POST', '/models/credit/rollback')).json.code).toBe('ERR_MODEL_ROLLBACK')
    expect((await serving()).model_version).toBe('1')
  })

  it('by the route of deployments obeys what is said of `rollback`', async () => {
    policies('')
    await reload()
    await asBootstrap('/models/credit/deploy', { version: 3 })
    policies(`${TWO}@id("stay") forbid (principal, action == Action::"rollback", resource is Model);\n`)
    await reload()
    for (const path of ['/models/credit/deploy', '/models/credit/rollback'])
      expect((await call(deployer, 'POST', path, { version: 2 })).json.code).toBe('ERR_POLICY_DENIED')
    policies(TWO)
    await reload()
    expect((await call(deployer, 'POST', '/models/credit/deploy', { version: 2 })).json.deployment.kind).toBe('rollback')
  })

  it('breaks the glass for an administrator also when what serves is quarantined, for that version alone', async () => {
    const admin = await house.account('night-admin', 'administrator')
    const officer = await house.account('night-officer', 'security-officer')
    expect((await call(officer, 'POST', '/models/credit/quarantine', { reason: 'nonsense' })).status).toBe(200)
    expect((await call(admin, 'POST', '/models/credit/rollback')).json.code).toBe('ERR_POLICY_DENIED')
    const grant = { action: 'rollback', resource: { type: 'Model', id: 'credit' }, reason: 'answers nonsense' }
    expect((await call(admin, 'POST', '/break-glass', grant)).status).toBe(201)
    expect((await call(admin, 'POST', '/models/credit/deploy', { version: 3 })).json.code).toBe('ERR_POLICY_DENIED')
    expect((await call(admin, 'POST', '/models/credit/rollback', { version: 2 })).json.code).toMatch(/ERR_POLICY_DENIED|QUARANTINED/)
    expect((await call(admin, 'POST', '/models/credit/rollback')).json.model.version).toBe(1)
    expect((await serving()).model_version).toBe('1')
  })

  it('is shown: what served when, by whom, and what a quarantine took out (`model show`, `model rollback`)', async () => {
    const { out } = await command(deployer, 'model', 'show', 'credit')
    expect(out).toMatch(/1 +own +deployed/)
    expect(out).toMatch(/2 +own +quarantined/)
    expect(out).toMatch(/rollback +1 +ServiceAccount::night-admin +development/)
    expect(out).toMatch(/2 +ServiceAccount::deployer +development +withdrawn by a quarantine/)
    const { code, out: refused } = await command(deployer, 'model', 'rollback', 'credit', '--to', '3')
    expect([code, refused.includes('ERR_MODEL_ROLLBACK'), refused.includes('redoubt model show')]).toEqual([1, true, true])
  })
})
