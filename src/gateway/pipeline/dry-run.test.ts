import { describe, expect, it } from 'vitest'
import type { Decider, Obligations } from '#foundation/core'
import type { House } from './house.ts'
import { infer } from './pipeline.ts'
import { testHouse, type TestHouse } from './pipeline.fixtures.ts'
import { type WatchedReply } from './watched.fixtures.ts'
import { type Wish } from './wish-surface.fixtures.ts'

const TEXT = 'jane@example.com 4111111111111111 10.0.0.1'
const OBLIGATIONS: Obligations = {
  filterInput: { CREDIT_CARD: 'block', EMAIL_ADDRESS: 'tokenise', default: 'mask' },
  filterOutput: { CREDIT_CARD: 'block', EMAIL_ADDRESS: 'partial', default: 'log' },
  limits: [],
  maxRowsPerCall: null,
}

async function ask(
  wish: Wish,
  parts: { readonly profile?: House['profile']; readonly filtersDryRun?: boolean; readonly obligations?: Partial<Obligations> },
): Promise<{ readonly test: TestHouse; readonly reply: WatchedReply }> {
  const obligations = { ...OBLIGATIONS, ...parts.obligations }
  const decider: Decider = {
    decide: () => ({ effect: 'allow', policies: ['p'], errors: [], code: null, obligations, policySet: 'test' }),
  }
  const { profile = 'development', filtersDryRun = false } = parts
  const test = await testHouse({ decider, profile, filtersDryRun })
  const { received, reply } = test.request(wish)
  await infer(test.house, received)
  return { test, reply }
}

describe('a dry run of filters (C6)', () => {
  it('changes and stops nothing, whole and in streams, and records what would have been done', async () => {
    for (const parts of [{ filtersDryRun: true }, { obligations: { filterMode: 'dry_run' } as const }])
      for (const stream of [false, true]) {
        const { test, reply } = await ask({ text: TEXT, echo: true, stream }, parts)
        expect(test.asked).toEqual([TEXT])
        expect(stream ? reply.written : reply.sent?.body).toBe(stream ? TEXT : JSON.stringify({ answer: TEXT }))
        expect(test.log.of('inference.admission')[0]?.details).toMatchObject({
          inputFindings: { EMAIL_ADDRESS: 1, CREDIT_CARD: 1, IP_ADDRESS: 1 },
          inputActions: { 'EMAIL_ADDRESS=tokenise': 1, 'CREDIT_CARD=block': 1, 'IP_ADDRESS=mask': 1 },
          filterMode: 'dry_run',
        })
        expect(test.log.of('inference.completion')[0]?.details).toMatchObject({
          outputActions: { 'EMAIL_ADDRESS=partial': 1, 'CREDIT_CARD=block': 1, 'IP_ADDRESS=log': 1 },
          filterMode: 'dry_run',
        })
      }
  })

  it('is not obeyed in production, whoever asks for it', async () => {
    for (const parts of [{ filtersDryRun: true }, { obligations: { filterMode: 'dry_run' } as const }]) {
      const { test, reply } = await ask({ text: TEXT, echo: true }, { ...parts, profile: 'production' })
      expect(test.asked).toEqual([])
      expect(reply.sent?.status).toBeGreaterThanOrEqual(400)
    }
  })

  it('what filters did is on record in the same words, without the mode', async () => {
    const { test } = await ask({ text: '10.0.0.1', answer: 'jane@example.com' }, { obligations: { filterInput: { default: 'mask' } } })
    expect(test.log.of('inference.admission')[0]?.details).toMatchObject({ inputActions: { 'IP_ADDRESS=mask': 1 } })
    expect(test.log.of('inference.completion')[0]?.details).toMatchObject({ outputActions: { 'EMAIL_ADDRESS=partial': 1 } })
    expect(JSON.stringify(test.log.of('inference.completion'))).not.toContain('filterMode')
  })
})
