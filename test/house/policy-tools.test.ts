/** Checking, testing, proving, reloading policies and reviewing access, by the command line, against the whole server. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runProgram } from '#interfaces/commands'
import { createProgram } from '../../src/composition/program.ts'
import { type House, openHouse, starterRow } from './house.fixture.ts'

let house: House
let root: string
let folder: string
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'redoubt-policy-tools-'))
  folder = join(root, 'policies')
  mkdirSync(folder)
  house = await openHouse((configuration) => ({ ...configuration, policies: folder }))
})
beforeEach(() => {
  rmSync(folder, { recursive: true })
  mkdirSync(folder)
})
afterAll(async () => {
  await house.close()
  rmSync(root, { recursive: true, force: true })
})

async function redoubt(
  ...args: string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string; readonly json: any }> {
  let out = ''
  let err = ''
  const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (err += text) }
  const code = await runProgram(createProgram(['redoubt']), ['node', 'redoubt', ...args, '--data-dir', house.dataDir], terminal)
  return {
    code,
    out,
    err,
    get json() {
      return JSON.parse(out)
    },
  }
}
const put = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const narrow = (text: string): boolean => text.split('\n').every((line) => line.length <= 80 || !line.trim().includes(' '))

const CLOSED =
  '@id("closed") forbid (principal, action == Action::"invoke", resource == Model::"credit") when { context.hour == 25 - 22 };\n'
const row = (hour: number, expectation: string): string =>
  `  - { name: at ${hour}, principal: { roles: [application] }, action: invoke, resource: { type: Model, id: credit }, context: { hour: ${hour} }, expect: ${expectation} }\n`
const TABLE = `cases:\n${row(3, 'deny')}${row(4, 'allow')}`

describe('policy check', () => {
  it('ends with 0 for what is in order, offline, and with 1 and file and line for what is not (E3)', async () => {
    put('mine.cedar', CLOSED)
    expect(await redoubt('policy', 'check', folder, '--url', 'https://localhost:1')).toMatchObject({ code: 0 })
    const wrong = put('wrong.cedar', '\npermit (principal, action == Action::"invok", resource);\n')
    const words = await redoubt('policy', 'check', wrong)
    expect(words.code).toBe(1)
    expect(words.out).toContain('error  wrong.cedar:2\n')
    expect(words.out).toContain('next: correct it')
    expect(narrow(words.out)).toBe(true)
    expect((await redoubt('policy', 'check', folder, '--json')).json).toMatchObject({
      errors: 1,
      policySet: null,
      findings: [{ file: 'wrong.cedar', line: 2 }],
    })
  })

  it('knows every entity that the server knows', async () => {
    const file = put(
      'mine.cedar',
      '@filter_output("PERSON=mask, CREDIT_CARD_CVV=mask") permit (principal, action == Action::"invoke", resource);\n',
    )
    expect(await redoubt('policy', 'check', file, '--url', 'https://localhost:1')).toMatchObject({ code: 0 })
  })

  it('warns with 0, with --strict 1, and looks entities and purposes up on the server', async () => {
    const file = put(
      'mine.cedar',
      'forbid (principal, action == Action::"invoke", resource == Model::"crdit") when { context.purpose == "credit-scorring" };\n',
    )
    expect((await redoubt('policy', 'check', file, '--json')).json).toMatchObject({ warnings: 0 })
    const { code, json } = await redoubt('policy', 'check', file, '--against', 'server', '--json')
    expect(code).toBe(0)
    expect(json.findings.map(({ message }: { message: string }) => message)).toEqual([
      'policy `mine.cedar#1` names the purpose `credit-scorring`, which is not in the list',
      'policy `mine.cedar#1` names `Model::"crdit"`, which does not exist on the server',
    ])
    expect((await redoubt('policy', 'check', file, '--purpose', 'marketing', '--strict')).code).toBe(1)
    expect((await redoubt('policy', 'check', join(folder, 'absent'))).code).toBe(2)
  })
})

describe('policy test', () => {
  it('runs the tables of a folder, or that of the bundled policies, and tells which row does not hold (B1)', async () => {
    expect((await redoubt('policy', 'test', '--json')).json.cases).toBeGreaterThan(4_000)
    put('mine.cedar', CLOSED)
    // A folder without a table is no test that passed.
    expect((await redoubt('policy', 'test', folder)).code).toBe(2)
    put('mine.policy-test.yaml', TABLE)
    expect(await redoubt('policy', 'test', folder)).toMatchObject({ code: 0 })
    put('mine.policy-test.yaml', TABLE + row(5, 'deny'))
    const failing = await redoubt('policy', 'test', folder)
    expect(failing.code).toBe(1)
    expect(failing.out).toContain(
      'fails  mine.policy-test.yaml:4\n  at 5\n    expected deny, decided allow by `application-invoke-model`\n',
    )
    expect(failing.out).toContain('2 of 3 rows in 1 table hold')
  })
})

describe('policy prove', () => {
  const statement = (when: string): string =>
    `invariants:\n  - { id: mine, statement: An application never scores at three, actions: [invoke], principals: [ServiceAccount], resources: [Model], onlyRoles: [application], when: '${when}' }\n`

  it('shows a request for which a statement does not hold, in words and as one (B1)', async () => {
    const invariants = join(root, 'mine.invariants.yaml')
    writeFileSync(invariants, statement('context.hour == 3'))
    const { code, out } = await redoubt('policy', 'prove', '--invariants', invariants)
    expect(code).toBe(1)
    expect(out).toContain(
      'FAILS    mine\n  An application never scores at three\n  but a ServiceAccount with the role application may `invoke` a Model when\n',
    )
    expect(out).toContain('    context.hour = 3\n')
    expect(out).toContain('  decided by `application-invoke-model`\n')
    expect(narrow(out)).toBe(true)
    const closed = put('mine.cedar', CLOSED.replace('resource == Model::"credit"', 'resource is Model'))
    expect((await redoubt('policy', 'prove', closed, '--invariants', invariants, '--json')).json).toMatchObject({
      holds: true,
      proofs: [{ id: 'mine', verdict: 'holds' }],
    })
    expect((await redoubt('policy', 'prove', closed, '--invariants', invariants, '--max', '10', '--json')).json.error.code).toBe(
      'ERR_POLICY_ENUMERATION',
    )
  })
})

describe('a change of policies', () => {
  it('is refused by its truth table, and leaves what was in force (B1)', async () => {
    const before = (await redoubt('policy', 'list', '--json')).json.digest
    const file = put('closed.cedar', CLOSED.replace('context.hour', '3 + 0 * context.hour'))
    const tests = join(root, 'closed.yaml')
    writeFileSync(tests, TABLE)
    const refused = await redoubt('policy', 'put', file, '--tests', tests)
    expect(refused.code).toBe(1)
    expect(refused.err).toContain('code  ERR_POLICY_TEST')
    expect((await redoubt('policy', 'list', '--json')).json.digest).toBe(before)
    const [failed] = await house.entries({ type: 'policy.put', limit: '1' })
    expect(failed?.event).toMatchObject({
      outcome: 'failed',
      code: 'ERR_POLICY_TEST',
      details: { policySetBefore: before, policySetAfter: before },
    })
    put('closed.cedar', CLOSED)
    expect((await redoubt('policy', 'put', file, '--tests', tests, '--json')).json).toMatchObject({ cases: 2 })
    await redoubt('policy', 'remove', 'closed')
    expect((await redoubt('policy', 'list', '--json')).json).toMatchObject({ digest: before, tables: [] })
  })

  it('of the folder takes effect on `policy reload`, all of it or nothing, and is recorded', async () => {
    const before = (await redoubt('policy', 'list', '--json')).json.digest
    put('mine.cedar', CLOSED)
    put('mine.policy-test.yaml', TABLE)
    put('other.cedar', 'permit (principal')
    expect((await redoubt('policy', 'reload')).err).toContain('ERR_POLICY_INVALID')
    expect((await redoubt('policy', 'list', '--json')).json.digest).toBe(before)
    rmSync(join(folder, 'other.cedar'))
    expect((await redoubt('policy', 'reload', '--json')).json).toMatchObject({ before, cases: 2 })
    const [recorded, refused] = await house.entries({ type: 'policy.reload', limit: '2' })
    expect(recorded?.event).toMatchObject({ outcome: 'success', details: { policySetBefore: before } })
    expect(refused?.event).toMatchObject({ outcome: 'failed', code: 'ERR_POLICY_INVALID' })
    // As a hang-up does.
    rmSync(join(folder, 'mine.cedar'))
    rmSync(join(folder, 'mine.policy-test.yaml'))
    expect(await house.server.reloadPolicies()).toMatchObject({ after: before })
  })
})

describe('access review report', () => {
  it('says from the record what was used, what was not, and what should not meet in one account (B2, B8)', async () => {
    const scorer = await house.account('scorer', 'ml-engineer')
    await house.account('idler', 'auditor')
    expect((await house.call('POST', '/v2/models/credit/infer', { token: scorer.token, json: starterRow() })).status).toBe(200)
    const { json } = await redoubt('access', 'review', 'report', '--since', '1d', '--json')
    const account = (name: string) => json.accounts.find((one: { name: string }) => one.name === name)
    expect(account('scorer')).toMatchObject({ requests: 1, used: ['invoke Model'], narrower: { role: 'application' } })
    expect(account('idler')).toMatchObject({ requests: 0, unusedRoles: ['auditor'] })
    const words = await redoubt('access', 'review', 'report')
    expect(words.out).toContain('idler (auditor), made within it')
    expect(words.out).toContain('scorer: `application` (6 acts) in place of ml-engineer (23)')
    expect(narrow(words.out)).toBe(true)
    expect((await redoubt('access', 'review', 'report', '--since', 'ever')).code).toBe(2)
    // Reading the record is for those who may.
    expect((await house.call('GET', '/api/v1/access/review', { token: scorer.token })).status).toBe(403)
  })
})
