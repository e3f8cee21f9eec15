import { describe, expect, it } from 'vitest'
import type { JsonObject, Role } from '#foundation/core'
import type { ServiceAccount } from '#trust/identity'
import { loadPolicies } from '#trust/policy'
import { reviewAccess } from './access-review.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2026, 10, 25)
const account = (name: string, roles: readonly Role[], change: Partial<ServiceAccount> = {}): ServiceAccount => ({
  name,
  roles,
  purpose: 'credit-scoring',
  legalBasis: 'contract',
  disabled: false,
  epoch: 0,
  createdAt: NOW - 90 * DAY,
  publicKeyJwk: { kty: 'OKP', crv: 'Ed25519', x: 'x' },
  binding: 'none',
  certificate: null,
  mayActFor: null,
  ...change,
})
const use = (id: string, action: string, resourceType: string, daysAgo = 1, type = 'control.admission'): JsonObject => ({
  type,
  actor: { type: 'ServiceAccount', id },
  action,
  resource: { type: resourceType, id: 'one' },
  outcome: 'success',
  time: NOW - daysAgo * DAY,
})

/** A log with only what the review asks of one. */
function logOf(events: readonly JsonObject[]) {
  return {
    size: () => events.length,
    search: ({
      type,
      from = 0,
      to = Infinity,
      limit = 100,
      before = Infinity,
    }: {
      type?: string
      from?: number
      to?: number
      limit?: number
      before?: number
    }) => {
      const found = events
        .map((event, index) => ({ event, index }))
        .filter(
          ({ event, index }) => event['type'] === type && Number(event['time']) >= from && Number(event['time']) <= to && index < before,
        )
        .toReversed()
      const entries = found.slice(0, limit)
      return { entries, next: found.length > limit ? (entries.at(-1)?.index ?? null) : null, upTo: events.length }
    },
  }
}
const review = async (accounts: readonly ServiceAccount[], events: readonly JsonObject[], change: object = {}) =>
  reviewAccess({
    log: logOf(events),
    accounts,
    engine: await loadPolicies(),
    profile: 'production',
    from: NOW - 30 * DAY,
    to: NOW,
    ...change,
  })

describe('the review of access', () => {
  it('names grants and roles that were not used in the period (B2, B8)', async () => {
    const { accounts } = await review(
      [account('app', ['application', 'auditor'])],
      [use('app', 'invoke', 'Model', 2, 'inference.admission'), use('app', 'readAudit', 'Log', 31), use('other', 'readAudit', 'Log')],
    )
    expect(accounts[0]).toMatchObject({ requests: 1, used: ['invoke Model'], unusedRoles: ['auditor'] })
    expect(accounts[0]?.unusedGrants[0]).toEqual({
      role: 'application',
      grants: ['appendRows Dataset', 'invoke Endpoint', 'view Endpoint', 'view Model', 'view System'],
    })
  })

  it('names the smallest role that covers what was used, and none where there is none', async () => {
    const { accounts } = await review(
      [account('wide', ['ml-engineer']), account('fits', ['ml-engineer']), account('idle', ['ml-engineer'])],
      [
        use('wide', 'invoke', 'Model', 1, 'inference.admission'),
        use('wide', 'view', 'Model'),
        use('fits', 'editPipeline', 'Pipeline'),
        use('fits', 'import', 'Dataset'),
      ],
    )
    expect(accounts.map(({ narrower }) => narrower?.role ?? null)).toEqual(['application', null, null])
    expect(accounts[0]?.narrower).toMatchObject({ grants: 22, instead: 6 })
    expect(accounts[2]).toMatchObject({ requests: 0, unusedRoles: ['ml-engineer'] })
  })

  it('names duties that belong in different hands and meet in one account, not what one role joins on purpose (B2)', async () => {
    const { accounts } = await review(
      [
        account('both', ['data-scientist', 'deployer']),
        account('officer', ['security-officer']),
        account('house', ['administrator', 'auditor']),
      ],
      [],
    )
    expect(accounts.map(({ conflicts }) => conflicts.map(({ id, roles }) => `${id}: ${roles.join(' ')}`))).toEqual([
      ['make-and-deploy: data-scientist deployer'],
      [],
      ['access-and-audit: administrator auditor'],
    ])
  })

  it('says of a disabled account that it is one, and nothing of grants it cannot use', async () => {
    const { accounts } = await review([account('gone', ['data-scientist', 'deployer'], { disabled: true })], [])
    expect(accounts[0]).toMatchObject({ disabled: true, unusedGrants: [], conflicts: [], narrower: null })
  })

  it('reads page after page, and says when it did not read the whole period', async () => {
    const many = Array.from({ length: 1_000 }, (_, index) =>
      use('app', index === 0 ? 'readAudit' : 'view', index === 0 ? 'Log' : 'Model', 5),
    )
    const whole = await review([account('app', ['auditor'])], many)
    expect(whole).toMatchObject({ complete: true, entries: 1_000, readBackTo: NOW - 30 * DAY })
    expect(whole.accounts[0]?.used).toEqual(['readAudit Log', 'view Model'])
    const lagging = { ...logOf(many), size: () => 10_000 }
    expect(await review([account('app', ['auditor'])], many, { log: lagging })).toMatchObject({ complete: false })
    const endless = {
      size: () => 0,
      search: () => ({
        entries: [
          { index: 1, event: use('app', 'view', 'Model', 3) },
          ...Array.from({ length: 199 }, () => ({ index: 1, event: use('app', 'view', 'Model', 3) })),
        ],
        next: 1,
        upTo: 0,
      }),
    }
    expect(await review([], [], { log: endless })).toMatchObject({ complete: false, readBackTo: NOW - 3 * DAY })
  })

  it('says so when what roles grant cannot be derived, and nothing of grants', async () => {
    const engine = await loadPolicies({
      files: [
        {
          name: 'a.cedar',
          text: '@id("odd") permit (principal, action == Action::"invoke", resource is Model) when { context.purpose like "a*" };',
        },
      ],
    })
    const { grantsUnknown, accounts } = await review([account('both', ['data-scientist', 'deployer'])], [], { engine })
    expect(grantsUnknown).toContain('policy `odd`')
    expect(accounts[0]).toMatchObject({ unusedRoles: [], unusedGrants: [], conflicts: [] })
  })
})
