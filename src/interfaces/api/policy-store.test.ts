import { expect, it } from 'vitest'
import type { DecisionQuery, EntityFacts } from '#foundation/core'
import { MemoryFolder } from '#foundation/storage'
import { PolicyStore } from './policy-store.ts'

it('tells when Cedar’s own engine decides otherwise, also after a change of the policies (E6)', async () => {
  const seen: unknown[] = []
  const store = await PolicyStore.open({
    folder: new MemoryFolder(),
    operator: [],
    shadowRate: 1,
    onMismatch: (mismatch) => seen.push(mismatch),
  })
  const principal: EntityFacts = {
    type: 'ServiceAccount',
    id: 'app',
    attributes: { purpose: 'credit-scoring', legalBasis: 'contract' },
    parents: [{ type: 'Role', id: 'application' }],
  }
  const differ = (): void => {
    // Facts are immutable by contract: the engine knows them by identity, Cedar's reads them anew.
    const attributes = { sensitivity: 1, purposes: ['credit-scoring'], signed: true, quarantined: false, foreign: false }
    const query: DecisionQuery = {
      principal,
      action: 'invoke',
      resource: { type: 'Model', id: 'credit', attributes, parents: [] },
      context: {
        now: 0,
        hour: 0,
        weekday: 4,
        purpose: 'credit-scoring',
        legalBasis: 'contract',
        sourceAddress: '127.0.0.1',
        profile: 'production',
        mfaLevel: 0,
        risk: 0,
      },
    }
    expect(store.decide(query).effect).toBe('allow')
    attributes.quarantined = true
    expect(store.decide(query).effect).toBe('deny')
  }
  differ()
  await store.put('own', '@id("own") forbid (principal, action, resource) when { context.hour == 3 };')
  differ()
  expect(seen).toHaveLength(2)
})
