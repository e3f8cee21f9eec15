import { describe, expect, it } from 'vitest'
import type { ExceptionAsk } from '#foundation/core'
import { defaultPolicyFiles, loadPolicies } from '#trust/policy'
import { decideAgain } from './decide-again.ts'
import { infer } from './pipeline.ts'
import { principal, testHouse } from './pipeline.fixtures.ts'
import type { Authorised } from './states.ts'

const officer = principal({
  facts: {
    type: 'User',
    id: 'user_olga',
    attributes: { purpose: 'credit-scoring', legalBasis: 'contract' },
    parents: [{ type: 'Role', id: 'security-officer' }],
  },
  mfaLevel: 3,
})

/** One grant, for one model. */
function grant(id: string | null, model = 'credit') {
  const used: string[] = []
  const source = {
    breakGlass: ({ principal, action, resource }: Pick<ExceptionAsk, 'principal' | 'action' | 'resource'>) =>
      principal.id === 'user_olga' && action === 'invoke' && resource.id === model ? source.id : null,
    noteUse: (grant: string) => void used.push(grant),
    id,
    used,
  }
  return source
}

const OPENS = `@id("opens") @filter_output("default=mask") permit (principal is User, action == Action::"invoke", resource is Model) when { context.breakGlass };`
const decider = await loadPolicies({ files: [...defaultPolicyFiles(), { name: 'opens.cedar', text: OPENS }] })

async function ask(exceptions: ReturnType<typeof grant>) {
  const test = await testHouse({ decider, exceptions, principal: officer })
  const { received, reply } = test.request({ model: 'credit' })
  await infer(test.house, received)
  return { test, status: reply.sent?.status }
}

describe('an inference behind broken glass (B1, B8)', () => {
  it('is answered for who has a grant for this very model, and every record of it names the grant', async () => {
    expect((await ask(grant(null))).status).toBe(403)
    expect((await ask(grant('bg_1', 'other'))).status).toBe(403)
    const exceptions = grant('bg_1')
    const { test, status } = await ask(exceptions)
    expect(status).toBe(200)
    expect(exceptions.used).toEqual(['bg_1'])
    for (const type of ['inference.admission', 'inference.completion'])
      expect(test.log.of(type)[0]).toMatchObject({ details: { breakGlass: 'bg_1' }, decision: { policies: ['opens'] } })
  })

  it('goes on while that very grant lasts, and no longer', async () => {
    const exceptions = grant('bg_1')
    const test = await testHouse({ decider, exceptions, principal: officer })
    const { received } = test.request({ model: 'credit' })
    const resource = {
      type: 'Model',
      id: 'credit',
      attributes: { sensitivity: 1, purposes: ['credit-scoring'], signed: true, quarantined: false, foreign: false },
      parents: [],
    }
    const context = { breakGlass: true }
    const state = { received, principal: officer, call: { resource, endpoint: 'Model/credit' }, context, breakGlass: 'bg_1' }
    const decision = {
      obligations: { filterOutput: { default: 'block', API_KEY: 'block', CREDIT_CARD: 'block', US_SSN: 'block', IBAN_CODE: 'block' } },
    }
    const again = () => decideAgain(test.house, { ...state, decision } as unknown as Authorised, true)?.code ?? null
    expect(again()).toBeNull()
    for (const id of ['bg_2', null]) {
      exceptions.id = id
      expect(again()).toBe('ERR_POLICY_DENIED')
    }
  })
})
