import { expect, it } from 'vitest'
import type { LimitAsk } from '#gateway/limits'
import type { House } from './house.ts'
import type { Authorised } from './states.ts'
import { takeLimits } from './take-limits.ts'

it('counts a person and a program of the same name apart (C4)', () => {
  const asks: LimitAsk[] = []
  const limits = { take: (ask: LimitAsk) => (asks.push(ask), { allowed: true, states: [], settle: () => undefined }) }
  for (const type of ['User', 'ServiceAccount'])
    takeLimits(
      { limits } as unknown as House,
      {
        received: { reply: { setHeaders: () => undefined } },
        call: { cost: {}, endpoint: 'Model/credit' },
        principal: { facts: { type, id: 'alex' }, onBehalfBy: type === 'User' ? 'helper' : '' },
        decision: { obligations: { limits: [], maxRowsPerCall: null } },
      } as unknown as Authorised,
    )
  expect(new Set(asks.map(({ principal }) => principal)).size).toBe(2)
  // And the service that acts for the person with them.
  expect(asks.map(({ actor }) => actor)).toEqual(['ServiceAccount::helper', undefined])
})
