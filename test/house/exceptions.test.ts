/** Four eyes, break-glass and access reviews against the whole server, in development, where programs stand for people. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type House, type HouseAccount, openHouse } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'

const TWO = '@id("two") forbid (principal, action == Action::"deploy", resource is Model) when { context.approvals < 2 };\n'
const folder = mkdtempSync(join(tmpdir(), 'redoubt-house-exceptions-'))

let house: House
let deployer: HouseAccount
let alice: HouseAccount
let bob: HouseAccount
let oncall: HouseAccount
beforeAll(async () => {
  writeFileSync(join(folder, 'two.cedar'), TWO)
  house = await openHouse((configuration) => ({ ...configuration, policies: folder }), { holdInvariants: true })
  deployer = await house.account('releases', 'deployer')
  alice = await house.account('alice', 'deployer')
  bob = await house.account('bob', 'security-officer')
  oncall = await house.account('oncall', 'ml-engineer')
}, 60_000)
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

const post = (path: string, { token }: { token: string }, json: object = {}) => house.call('POST', `/api/v1${path}`, { token, json })
const get = async (path: string, { token }: { token: string }) => (await house.call('GET', `/api/v1${path}`, { token })).json
const deploy = (json: object = { version: 1 }, by = deployer) => post('/models/credit/deploy', by, json)
/** Is refused, asks, and gives the request. */
async function ask(json: object = { version: 1 }): Promise<{ id: string; digest: string }> {
  const refused = (await deploy(json)).json
  expect(refused).toMatchObject({ code: 'ERR_APPROVAL_REQUIRED', status: 403, needed: 2 })
  expect(refused.next).toBe(`run \`redoubt approvals request ${refused.approval} --reason WHY\``)
  return (await post('/approvals', deployer, { offer: refused.approval, reason: 'release 7' })).json
}
const approve = async (by: HouseAccount, { id, digest }: { id: string; digest: string }) => {
  const answer = await post(`/approvals/${id}/approve`, by, { digest })
  return `${answer.status} ${answer.json.code ?? answer.json.counting}`
}

const redoubt = (...args: readonly string[]) => runRedoubt(house, args)

describe('four eyes over the whole server (B1, B8)', () => {
  it('let through what two others agreed to, once, and the record names it', async () => {
    const request = await ask()
    expect((await deploy()).json.code).toBe('ERR_APPROVAL_REQUIRED')
    expect(await approve(deployer, request)).toBe('403 ERR_APPROVAL_SELF')
    expect(await approve(oncall, request)).toBe('403 ERR_POLICY_DENIED')
    expect(await approve(alice, { ...request, digest: 'a'.repeat(64) })).toBe('409 ERR_APPROVAL_DIGEST')
    expect(await approve(alice, request)).toBe('200 1')
    expect(await approve(alice, request)).toBe('409 ERR_CONFLICT')
    expect((await deploy()).status).toBe(403)
    expect(await approve(bob, request)).toBe('200 2')
    // Not a byte more than was approved, and not by another.
    for (const other of [await deploy({}), await deploy({ version: 1 }, alice)]) expect(other.json.code).toBe('ERR_APPROVAL_REQUIRED')
    const answers = await Promise.all([deploy(), deploy(), deploy()])
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 403, 403])
    expect((await deploy()).json.code).toBe('ERR_APPROVAL_REQUIRED')
    const [entry] = await house.entries({ type: 'control.admission', actor: 'ServiceAccount::releases', limit: '1' })
    expect(entry?.event['details']).toMatchObject({ approval: request.id, approvals: 2, payloadDigest: request.digest })
  })

  it('show an approver exactly what is approved, and others nothing', async () => {
    const request = await ask({})
    const shown = await get(`/approvals/${request.id}`, alice)
    expect(shown).toMatchObject({
      reason: 'release 7',
      principal: { type: 'ServiceAccount', id: 'releases' },
      payload: {
        method: 'POST',
        params: { name: 'credit' },
        meant: { model: 'credit', version: 1, digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
      },
    })
    expect(shown.author).not.toBeNull()
    expect((await get(`/approvals/${request.id}`, oncall)).code).toBe('ERR_POLICY_DENIED')
    expect((await get('/approvals', oncall)).approvals).toEqual([])
    expect((await get('/approvals', alice)).approvals.map(({ id }: { id: string }) => id)).toContain(request.id)
    expect(JSON.stringify(await get('/approvals', alice))).not.toContain('release 7')
  })

  it('do not count an approver who was disabled before the use', async () => {
    const request = await ask({})
    const dave = await house.account('dave', 'deployer')
    expect(await approve(dave, request)).toBe('200 1')
    expect(await approve(alice, request)).toBe('200 2')
    await post('/service-accounts/dave/disable', { token: house.token })
    expect((await deploy({})).json.code).toBe('ERR_APPROVAL_REQUIRED')
    expect(await approve(bob, request)).toBe('200 2')
    expect((await deploy({})).status).toBe(200)
  })

  it('are asked for, shown and ended by the command line', async () => {
    const refused = await redoubt('model', 'deploy', 'credit')
    const [, offer = ''] = /approvals request (off_\S+)/.exec(refused.err) ?? []
    expect(refused.code).toBe(1)
    const { id } = JSON.parse((await redoubt('approvals', 'request', offer, '--reason', 'a try', '--json')).out)
    const shown = await redoubt('approvals', 'show', id)
    expect(shown).toMatchObject({ code: 0, err: '' })
    expect(shown.out).toContain('asked by  ServiceAccount::cli')
    expect(shown.out).toContain('"route": "/api/v1/models/:name/deploy"')
    expect((await redoubt('approvals', 'approve', id)).err).toMatch(/ERR_POLICY_DENIED|ERR_APPROVAL_SELF/)
    expect((await redoubt('approvals', 'withdraw', id)).out).toBe(`${id} is withdrawn\n`)
    expect((await redoubt('approvals', 'list')).out).toContain('withdrawn')
  }, 60_000)
})

describe('break-glass over the whole server (B1, B8)', () => {
  const start = (by: { token: string }, change: object = {}) =>
    post('/break-glass', by, { action: 'administer', resource: { type: 'Model', id: 'credit' }, reason: 'it answers nonsense', ...change })
  const quarantine = (by: { token: string }, name = 'credit') => post(`/models/${name}/quarantine`, by, { reason: 'nonsense', version: 1 })

  it('opens what it names, tells at once, and every use is on record with the grant', async () => {
    expect((await quarantine(oncall)).json.code).toBe('ERR_POLICY_DENIED')
    const grant = (await start(oncall, { minutes: 5 })).json
    expect(grant).toMatchObject({ active: true, endsAt: grant.startedAt + 300_000 })
    expect((await get('/alerts?kind=break-glass.start', bob)).alerts).toMatchObject([
      { severity: 'critical', details: { grant: grant.id } },
    ])
    expect((await quarantine(oncall)).status).toBe(200)
    const [entry] = await house.entries({ type: 'control.admission', actor: 'ServiceAccount::oncall', limit: '1' })
    expect(entry?.event).toMatchObject({
      action: 'administer',
      details: { breakGlass: grant.id },
      decision: { policies: ['break-glass-contain'] },
    })
    expect((await post('/models/credit/deploy', oncall)).status).toBe(403)
    expect((await post('/policies/reload', oncall)).status).toBe(403)
    expect((await post(`/break-glass/${grant.id}/review`, bob, { finding: 'f' })).json.code).toBe('ERR_CONFLICT')
    expect((await post(`/break-glass/${grant.id}/end`, oncall)).json).toMatchObject({ active: false, uses: 1, endCause: 'person' })
    expect((await quarantine(oncall)).json.code).toBe('ERR_POLICY_DENIED')
    expect((await post(`/break-glass/${grant.id}/review`, oncall, { finding: 'mine' })).json.code).toBe('ERR_POLICY_DENIED')
    expect((await post(`/break-glass/${grant.id}/review`, bob, { finding: 'justified' })).json).toMatchObject({ finding: 'justified' })
    expect((await get('/break-glass', alice)).grants).toEqual([])
    expect((await get('/break-glass', bob)).grants).toHaveLength(1)
  })

  it('is not for what it never opens, for what is open anyway, nor for everyone', async () => {
    const code = async (answer: ReturnType<typeof start>): Promise<string> => String((await answer).json.code)
    expect(await code(start(oncall, { action: 'deploy' }))).toBe('ERR_BREAK_GLASS')
    expect(await code(start(oncall, { action: 'manageAccess', resource: { type: 'Account', id: 'oncall' } }))).toBe('ERR_BREAK_GLASS')
    expect(await code(start(oncall, { action: 'administer', resource: { type: 'Log', id: 'audit' } }))).toBe('ERR_BREAK_GLASS')
    expect(await code(start(oncall, { action: 'view' }))).toBe('ERR_CONFLICT')
    const clerk = await house.account('clerk', 'business-user')
    expect(await code(start(clerk))).toBe('ERR_POLICY_DENIED')
    for (const minutes of [0, 61, 1.5]) expect(await code(start(oncall, { minutes }))).toBe('ERR_INPUT_INVALID')
    expect(await code(start(oncall, { reason: '' }))).toBe('ERR_INPUT_INVALID')
  })

  it('is started, listed and ended by the command line', async () => {
    const started = await redoubt(
      'break-glass',
      'start',
      '--action',
      'administer',
      '--resource',
      'Model::credit',
      '--reason',
      'a drill',
      '--json',
    )
    const { id } = JSON.parse(started.out)
    expect((await redoubt('break-glass', 'list')).out).toMatch(/runs until .* ServiceAccount::cli +administer Model::credit/)
    expect((await redoubt('break-glass', 'end', id)).out).toBe(`ended ${id}; used 0 times\n`)
    expect((await redoubt('break-glass', 'review', id, '--finding', 'f')).err).toContain('ERR_REVIEW_SELF')
  }, 60_000)
})

describe('an access review over the whole server (B1)', () => {
  it('takes a role away from the next request on, and is reported', async () => {
    const admin = { token: house.token }
    const app = await house.account('two-hats', 'application')
    const started = JSON.parse((await redoubt('access', 'review', 'start', '--days', '7', '--json')).out)
    const { items } = await get(`/access/reviews/${started.id}`, bob)
    const { item } = items.find(({ account }: { account: { id: string } }) => account.id === 'two-hats')
    expect((await get('/reviews', app)).code).toBeUndefined()
    expect((await redoubt('access', 'review', 'revoke', started.id, String(item))).out).toBe(
      `${item}  ServiceAccount::two-hats application: revoked\n`,
    )
    expect((await house.call('GET', '/api/v1/reviews', { token: app.token })).status).toBe(401)
    const own = items.find(({ account }: { account: { id: string } }) => account.id === 'cli')
    expect((await post(`/access/reviews/${started.id}/items/${own.item}/attest`, admin)).json.code).toBe('ERR_REVIEW_SELF')
    expect((await post(`/access/reviews/${started.id}/items/1/attest`, oncall)).json.code).toBe('ERR_POLICY_DENIED')
    expect((await get('/access/reviews', oncall)).code).toBe('ERR_POLICY_DENIED')
    expect((await get('/access/reviews', bob)).reviews).toMatchObject([{ id: started.id, overdue: false }])
    const entries = await house.entries({ type: 'access.review.revoke' })
    expect(entries[0]?.event).toMatchObject({ actor: { id: 'cli' }, details: { account: 'ServiceAccount::two-hats', role: 'application' } })
  }, 60_000)
})

describe('a policy that breaks an invariant (B1)', () => {
  it('is not activated, and the answer holds a request for which it breaks', async () => {
    const text = '@id("shut") forbid (principal, action == Action::"readAudit", resource) when { context.hour == 3 };'
    const answer = await house.call('PUT', '/api/v1/policies/shut', { token: house.token, json: { text } })
    expect(answer.status).toBe(422)
    expect(answer.json).toMatchObject({ code: 'ERR_POLICY_INVARIANT', invariant: 'auditor-can-audit', decidedBy: 'shut' })
    expect(JSON.parse(answer.json.counterexample)).toMatchObject({ action: 'readAudit', facts: { 'context.hour': 3 } })
    expect((await get('/policies', { token: house.token })).files.map(({ name }: { name: string }) => name)).not.toContain('shut.cedar')
  }, 120_000)
})

describe('a test of the places of alerts', () => {
  it('is answered, recorded, and for those who answer alerts', async () => {
    expect((await post('/alerts/test', bob)).json).toEqual({ places: [] })
    expect((await post('/alerts/test', oncall)).json.code).toBe('ERR_POLICY_DENIED')
    expect(await house.entries({ type: 'alert.test' })).toHaveLength(1)
    expect((await redoubt('alerts', 'test')).out).toContain('no place is configured')
  }, 30_000)
})
