import { beforeAll, describe, expect, it } from 'vitest'
import { ACTIONS, type RedoubtError, ROLES } from '#foundation/core'
import { defaultPolicyTables } from '../bundled.ts'
import { defaultPolicyFiles, loadPolicies, type PolicyEngine } from '../index.ts'
import { demandTables, runTables } from './run-tables.ts'
import { readTable } from './table-file.ts'

let engine: PolicyEngine
beforeAll(async () => {
  engine = await loadPolicies()
})

const table = (text: string) => [{ name: 'mine.policy-test.yaml', text }]
const failures = (text: string, by = engine) => runTables(by, table(text)).failures
const problem = (text: string): string => {
  try {
    readTable({ name: 'mine.policy-test.yaml', text })
  } catch (thrown) {
    return `${(thrown as RedoubtError).code} ${(thrown as RedoubtError).message}`
  }
  return 'no problem'
}
const scoring = (expectation: string): string => `
cases:
  - name: an application scores
    principal: { roles: [application] }
    action: invoke
    resource: { type: Model, id: credit }
    ${expectation}
`

describe('the table of the bundled policies', () => {
  it('holds, for each role, action and type of resource (B1, B2)', () => {
    const report = runTables(engine, defaultPolicyTables())
    expect(report.failures).toEqual([])
    const cells = new Set(
      defaultPolicyTables()
        .flatMap(readTable)
        .map(({ principal, action, resource }) => `${principal.parents[0]?.id} ${action} ${resource.type}`),
    )
    for (const role of ROLES)
      for (const action of ACTIONS)
        for (const { type } of [{ type: 'Model' }, { type: 'Dataset' }, { type: 'Log' }])
          expect(cells).toContain(`${role} ${action} ${type}`)
    expect(report.cases).toBeGreaterThan(4_000)
  })

  // Some 3 s alone; the bound is for a machine that does eight other things.
  it('turns red when any bundled policy is taken out (B1)', { timeout: 90_000 }, async () => {
    const files = defaultPolicyFiles()
    for (const { id, text } of engine.policies) {
      const without = await loadPolicies({ files: files.map((file) => ({ ...file, text: file.text.replace(text, '') })) })
      expect(without.policies.length, id).toBe(engine.policies.length - 1)
      expect(runTables(without, defaultPolicyTables()).failures.length, id).toBeGreaterThan(0)
    }
  })
})

describe('a truth table', () => {
  it('tells what came out otherwise, where, and why', () => {
    expect(failures(scoring('expect: allow'))).toEqual([])
    const [failure] = failures(scoring('{ expect: deny }').replace('{ expect: deny }', 'expect: deny'))
    expect(failure).toMatchObject({
      name: 'an application scores',
      file: 'mine.policy-test.yaml',
      line: 3,
      differences: ['expected deny, decided allow by `application-invoke-model`'],
    })
    const [quarantined] = failures(scoring('expect: allow').replace('id: credit', 'attributes: { quarantined: true }'))
    expect(quarantined?.differences).toEqual(['expected allow, decided deny by `model-quarantined`'])
    expect(quarantined?.facts[0]).toContain('resource.quarantined')
  })

  it('asks about one version and one environment (B2)', async () => {
    const own = await loadPolicies({
      files: [
        ...defaultPolicyFiles(),
        {
          name: 'mine.cedar',
          text: `
            @id("withdrawn") forbid (principal, action == Action::"invoke", resource in ModelVersion::"credit/2");
            @id("try-out") forbid (principal, action == Action::"invoke", resource in Environment::"production") unless { resource != Model::"try-out" };`,
        },
      ],
    })
    const first = scoring('expect: allow')
    expect(failures(first, own)).toEqual([])
    expect(failures(first.replace('id: credit', 'id: credit, version: 2'), own)[0]?.differences).toEqual([
      'expected allow, decided deny by `withdrawn`',
    ])
    const development = first.replace('id: credit', 'id: try-out').replace('expect:', 'context: { profile: development }\n    expect:')
    expect(failures(development, own)).toEqual([])
    expect(
      failures(
        first.replace('id: credit', 'id: try-out').replace('expect:', 'context: { profile: production, mfaLevel: 2 }\n    expect:'),
        own,
      )[0]?.differences[0],
    ).toContain('`try-out`')
  })

  it('compares what is asked for against texts that steer a model (C7)', async () => {
    const text =
      '@id("g") @filter_input("PROMPT_INJECTION=log") @mark_untrusted("document") @canary("system_prompt") permit (principal, action == Action::"invoke", resource);'
    const guarded = await loadPolicies({ files: [...defaultPolicyFiles(), { name: 'g.cedar', text }] })
    const asked = scoring('expect: allow\n    obligations: { injection: log, markUntrusted: [document], canary: true }')
    expect(failures(asked, guarded)).toEqual([])
    expect(failures(asked)[0]?.differences).toEqual([
      'expected PROMPT_INJECTION=log, got allow',
      'expected the marks document, got none',
      'expected a canary',
    ])
    expect(
      failures(scoring('expect: allow\n    obligations: { injection: allow, markUntrusted: [], canary: false }'), guarded)[0]?.differences,
    ).toEqual(['expected PROMPT_INJECTION=allow, got log', 'expected the marks none, got document', 'expected no canary'])
    expect(problem(scoring('expect: allow\n    obligations: { injection: mask }'))).toContain('ERR_POLICY_INVALID')
  })

  it('compares code, deciding policies and obligations when they are named', () => {
    expect(failures(scoring('expect: allow\n    policies: [application-view]'))[0]?.differences[0]).toContain(
      '`application-view` to decide',
    )
    expect(failures(scoring('expect: allow\n    obligations: { filterOutput: { CREDIT_CARD: block } }'))[0]?.differences).toEqual([
      'expected filterOutput CREDIT_CARD=block, got mask',
    ])
    expect(failures(scoring('expect: allow\n    obligations: { limits: [rows 7/1h], rowsPerCall: 1 }'))[0]?.differences).toHaveLength(2)
    expect(
      failures(
        scoring(
          'expect: allow\n    obligations: { tools: { pay: false, hosted:mcp: true }, toolArguments: check }'.replace(
            'hosted:mcp',
            "'hosted:mcp'",
          ),
        ),
      )[0]?.differences,
    ).toHaveLength(3)
    expect(failures(scoring('expect: allow\n    obligations: { tools: { pay: true }, toolArguments: null }'))).toEqual([])
    const other = scoring('expect: deny\n    code: ERR_POLICY_DENIED')
      .replace('roles: [application]', 'roles: [application], purpose: other')
      .replace('id: credit', 'attributes: { purposes: [x] }')
    expect(failures(other)[0]?.differences).toEqual(['expected the code ERR_POLICY_DENIED, got ERR_POLICY_PURPOSE'])
  })

  it('denies in a grid what the grid does not name', () => {
    const grid = 'grids:\n  - name: mine\n    roles:\n      application: { invoke: [Model] }\n'
    const names = failures(grid).map(({ name }) => name)
    expect(names).toEqual(['mine: application invoke Endpoint', 'mine: application view Model', 'mine: application view Endpoint'])
  })

  it('refuses activation by a code, naming the first row that does not hold', () => {
    expect(() => demandTables(engine, table(scoring('expect: deny')))).toThrowError(
      expect.objectContaining({ code: 'ERR_POLICY_TEST', evidence: { file: 'mine.policy-test.yaml', line: 3, failures: 1, cases: 1 } }),
    )
    expect(demandTables(engine, table(scoring('expect: allow'))).cases).toBe(1)
  })

  it('is refused with file and line when it is not well-formed (E3)', () => {
    expect(problem(scoring('expects: allow'))).toMatch(/^ERR_POLICY_INVALID mine.policy-test.yaml:3: .*expects/)
    expect(problem(scoring('expect: allow\n    code: ERR_POLICY_DENIED'))).toContain('has no code')
    expect(problem(scoring('expect: allow').replace('id: credit', 'attributes: { sandbox: true }'))).toContain(
      'a Model has no attribute `sandbox`',
    )
    expect(problem('cases: [')).toContain('mine.policy-test.yaml:1: this is not YAML')
    expect(problem('cases: []')).toContain('neither a case nor a grid')
    expect(problem(`# ${'x'.repeat(256 * 1024)}`)).toContain('exceeds')
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${['b', 'c', 'd', 'e', 'f', 'g'].map((n, i) => `${n}: &${n} [${Array(9).fill(`*${'abcdefg'[i]}`).join(',')}]`).join('\n')}`
    expect(problem(bomb)).toContain('too many aliases')
  })
})
