import { describe, expect, it } from 'vitest'
import { checkPolicies, type CheckOptions, defaultPolicyFiles } from './index.ts'

const check = (text: string, options: CheckOptions = {}) => checkPolicies([...defaultPolicyFiles(), { name: 'mine.cedar', text }], options)
const messages = async (text: string, options: CheckOptions = {}): Promise<readonly string[]> =>
  (await check(text, options)).findings.map(({ file, line, message }) => `${file}:${line} ${message}`)

describe('checking policies', () => {
  it('finds nothing in the bundled ones', async () => {
    expect(await checkPolicies(defaultPolicyFiles())).toMatchObject({ findings: [], errors: 0, warnings: 0, policies: expect.any(Number) })
  })

  it('tells every error, each with file and line, where loading stops at the first (E3)', async () => {
    const { findings, errors, policySet } = await check(
      '\npermit (principal, action == Action::"invok", resource);\n\npermit (principal, action, resource) when { resource.nothing };\npermit (principal, action, resource) when { context.purpos == "x" };',
    )
    expect(policySet).toBeNull()
    expect(errors).toBeGreaterThanOrEqual(3)
    expect(findings.map(({ line }) => line)).toEqual(expect.arrayContaining([2, 4, 5]))
    for (const finding of findings) expect(finding).toMatchObject({ severity: 'error', file: 'mine.cedar', next: expect.any(String) })
  })

  it('tells where both policies of one id stand', async () => {
    const [first] = await messages('@id("risk-too-high")\nforbid (principal, action, resource);')
    expect(first).toMatch(/^mine.cedar:1 the id `risk-too-high` is taken by guardrails.cedar:\d+$/)
  })

  it('warns of a permit for a powerful act without a condition, and of one for everyone (B2)', async () => {
    expect(await messages('permit (principal in Role::"deployer", action == Action::"export", resource);')).toEqual([
      'mine.cedar:1 policy `mine.cedar#1` permits `export` without any condition',
    ])
    expect((await messages('permit (principal, action, resource);'))[0]).toContain('permits everyone `')
    expect(await messages('permit (principal is User, action == Action::"invoke", resource);')).toEqual([
      'mine.cedar:1 policy `mine.cedar#1` permits everyone, whatever their role',
    ])
    expect(
      await messages('permit (principal in Role::"deployer", action == Action::"export", resource is Dataset) when { context.hour == 3 };'),
    ).toEqual([])
  })

  it('warns of a permit that a forbid covers, and of a policy that applies to nothing', async () => {
    const covered =
      'permit (principal in Role::"deployer", action == Action::"invoke", resource is Model) when { !resource.signed && context.hour == 3 };'
    expect(await messages(covered)).toEqual([
      'mine.cedar:1 policy `mine.cedar#1` permits nothing: whenever it applies, so does `model-unsigned`',
    ])
    expect(await messages('forbid (principal, action, resource) when { context.hour > 23 };')).toEqual([
      'mine.cedar:1 policy `mine.cedar#1` applies to no request at all',
    ])
  })

  it('says when it could not look for policies that never apply, rather than nothing', async () => {
    const [finding] = await messages(
      'permit (principal in Role::"deployer", action == Action::"invoke", resource is Model) when { context.purpose like "a*" };',
    )
    expect(finding).toMatch(/^mine.cedar:1 it was not looked for policies that never apply: policy `mine.cedar#1`/)
  })

  it('warns of a purpose that is not in the list, and names the nearest (B7)', async () => {
    const text =
      'forbid (principal, action == Action::"invoke", resource is Model) when { ["credit-scorring", "claims"].contains(context.purpose) && context.legalBasis == "consent" };'
    const { findings } = await check(text, { purposes: ['credit-scoring', 'claims'] })
    expect(findings).toMatchObject([
      {
        message: 'policy `mine.cedar#1` names the purpose `credit-scorring`, which is not in the list',
        next: 'write `credit-scoring`, if that is meant',
      },
    ])
    expect(await messages(text)).toEqual([])
  })

  it('warns of roles that nobody can hold, and of entities that do not exist when it can know', async () => {
    const text =
      'forbid (principal in Role::"wizard", action == Action::"invoke", resource in System::"x");\nforbid (principal == ServiceAccount::"gone", action == Action::"invoke", resource) when { resource == Model::"credit" };'
    const found = await messages(text, { exists: ({ type, id }) => (type === 'System' || type === 'Key' ? null : id === 'credit') })
    expect(found).toEqual([
      'mine.cedar:1 policy `mine.cedar#1` names `Role::"wizard"`, a role that no account can hold',
      'mine.cedar:2 policy `mine.cedar#2` names `ServiceAccount::"gone"`, which does not exist on the server',
    ])
  })

  it('warns of filters that are left idle, and of tokens that are turned back and never made (C6)', async () => {
    const permit = 'permit (principal in Role::"deployer", action == Action::"invoke", resource is Model);\n'
    const text = [
      '@filter_mode("dry_run")',
      '@restore("API_KEY, US_SSN") @filter_input("API_KEY=tokenise")',
      '@restore("all") @filter_input("API_KEY=tokenise")',
    ].map((annotations) => `${annotations} ${permit}`)
    expect(await messages(text.join(''))).toEqual([
      'mine.cedar:1 policy `mine.cedar#1` leaves filters idle: what they find is counted and passes; production does not obey it',
      'mine.cedar:2 policy `mine.cedar#2` restores `US_SSN`, which no policy tokenises',
    ])
  })
})
