import { beforeAll, describe, expect, it } from 'vitest'
import { loadPolicies, type PolicyEngine, proveInvariants } from '../index.ts'

const STATEMENTS = [
  {
    name: 'mine.invariants.yaml',
    text: `invariants:
  - id: never-at-three
    statement: nobody rotates keys at three
    actions: [rotateKey]
    resources: [System]
    when: context.hour == 3
  - id: always-at-noon
    statement: everybody rotates keys at noon
    expect: always
    actions: [rotateKey]
    resources: [System]
    when: context.hour == 12
`,
  },
]
/** Policies that meet, exclude and fail one another. */
const POLICIES = [
  'permit (principal, action == Action::"rotateKey", resource is System) when { context.hour > 3 };',
  'permit (principal, action == Action::"rotateKey", resource is System) when { context.hour < 5 };',
  'forbid (principal, action == Action::"rotateKey", resource) when { context.hour == 3 };',
  'forbid (principal is User, action == Action::"rotateKey", resource) when { context.hour == 12 };',
  // Fails at noon: the numbers do not fit.
  'permit (principal, action == Action::"rotateKey", resource) when { context.hour == 12 && 9007199254740991 * 4096 > context.hour };',
]

const engineOf = (chosen: number): Promise<PolicyEngine> =>
  loadPolicies({ files: [{ name: 'some.cedar', text: POLICIES.filter((_text, index) => chosen & (1 << index)).join('\n') }] })
const verdicts = async (engine: PolicyEngine, provenFor?: PolicyEngine): Promise<readonly string[]> =>
  (await proveInvariants(engine, STATEMENTS, { provenFor: provenFor?.set })).proofs.map(({ verdict }) => verdict)

describe('a proof of what a change may have changed', () => {
  const engines: PolicyEngine[] = []
  const full: (readonly string[])[] = []
  beforeAll(async () => {
    for (let chosen = 0; chosen < 1 << POLICIES.length; chosen++) {
      engines.push(await engineOf(chosen))
      full.push(await verdicts(engines[chosen]!))
    }
  }, 120_000)

  it('comes out as a proof of everything does, from every set for which all hold to every other', async () => {
    const holding = engines.filter((_engine, index) => full[index]?.every((verdict) => verdict === 'holds'))
    expect(holding.length).toBeGreaterThan(1)
    expect(full.filter((all) => all.includes('fails')).length).toBeGreaterThan(10)
    for (const before of holding)
      for (const [index, after] of engines.entries()) expect(await verdicts(after, before), `to ${index}`).toEqual(full[index])
  }, 120_000)

  it('decides nothing where no policy of the change can apply', async () => {
    const before = engines[0b00101]!
    const more = [
      ...POLICIES.filter((_text, index) => 0b00101 & (1 << index)),
      'permit (principal, action == Action::"readAudit", resource);',
    ]
    const after = await loadPolicies({ files: [{ name: 'some.cedar', text: more.join('\n') }] })
    expect(await proveInvariants(after, STATEMENTS, { provenFor: before.set })).toMatchObject({ holds: true, requests: 0, groups: 0 })
  })
})
