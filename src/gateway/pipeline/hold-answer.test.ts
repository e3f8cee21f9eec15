import { expect, it } from 'vitest'
import type { ReviewAsk } from '#foundation/core'
import { compilePlan } from '#gateway/filters'
import { holdWhole } from './hold-answer.ts'
import type { House } from './house.ts'
import { Inspection } from './inspection.ts'
import { isRefused, type ServedState } from './states.ts'
import type { TextFilter, WholeServed } from './surface.ts'

const MARKER = 'q7ak3mzt5xw2hb4yd6cfnrel'

it('shows a reviewer what was asked without the marker of the prompt, and leaves the request as it went (D10, C7)', async () => {
  const asks: ReviewAsk[] = []
  const reviews = { ask: async (ask: ReviewAsk) => (asks.push(ask), { id: 'rev_1' }), decided: async () => 'waiting' }
  const texts = [`Be kind. Internal marker: ${MARKER}`, 'hello']
  const state = {
    canary: MARKER,
    received: { requestId: 'req_1', surface: { name: 'chat' } },
    principal: { facts: { type: 'User', id: 'ada' }, purpose: 'p', onBehalfBy: '' },
    call: {
      resource: { type: 'Endpoint', id: 'assistant' },
      rewriteTexts: (filter: TextFilter) => texts.forEach((text, i) => expect(filter(text, String(i))).toBe(text)),
    },
    decision: { policies: [], obligations: { filterOutput: {} } },
    subject: null,
    inputDigest: '',
    cancellation: { onCancel: () => undefined },
  } as unknown as ServedState
  const house = { reviews, digestKey: new Uint8Array(32) } as unknown as House
  const inspection = new Inspection(compilePlan({}), 'ERR_FILTER_BLOCKED_OUTPUT')
  const next = await holdWhole(house, state, {} as WholeServed, { status: 200, headers: {}, body: 'ok' }, inspection)
  expect(isRefused(next) && next.refused.code).toBe('ERR_REVIEW_PENDING')
  expect(asks[0]?.content['asked']).toEqual([
    { place: '0', text: 'Be kind. Internal marker: [PROMPT_CANARY]' },
    { place: '1', text: 'hello' },
  ])
  expect(JSON.stringify(asks)).not.toContain(MARKER)
})
