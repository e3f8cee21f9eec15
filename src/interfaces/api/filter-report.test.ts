import { describe, expect, it } from 'vitest'
import type { EntityUid, JsonObject, Role } from '#foundation/core'
import { reportFilters } from './filter-report.ts'

const APP = { type: 'ServiceAccount', id: 'app' }
const CHAT = { type: 'Endpoint', id: 'assistant' }
const event = (type: string, details: JsonObject, rest: JsonObject = {}): JsonObject => ({
  type,
  actor: APP,
  resource: CHAT,
  details,
  ...rest,
})

async function report(events: readonly JsonObject[], rolesOf: (principal: EntityUid) => readonly Role[] = () => ['application']) {
  const log = {
    size: () => events.length,
    search: ({ type }: { type?: string }) => ({
      entries: events.filter((one) => one['type'] === type).map((one, index) => ({ index, event: one })),
      next: null,
      upTo: events.length,
    }),
  }
  return reportFilters({ log, from: 0, to: 1, rolesOf })
}

describe('the report on filters (C6)', () => {
  it('adds up what was done and would have been, by endpoint, role, way and entity', async () => {
    const { counts, unattributed } = await report([
      event('inference.admission', { inputActions: { 'EMAIL_ADDRESS=mask': 2 } }),
      event('inference.admission', { inputActions: { 'EMAIL_ADDRESS=mask': 1 } }),
      event('inference.admission', { inputActions: { 'EMAIL_ADDRESS=mask': 5 }, filterMode: 'dry_run' }),
      event('inference.completion', { outputActions: { 'PERSON=tokenise': 1, 'X=unheard': 9 } }),
      event('inference.refusal', { entity: 'CREDIT_CARD' }, { code: 'ERR_FILTER_BLOCKED_INPUT' }),
      event('inference.refusal', { entity: 'CREDIT_CARD' }, { code: 'ERR_LIMIT' }),
      event('inference.completion', {}),
    ])
    const common = { endpoint: 'Endpoint::assistant', role: 'application' }
    expect(counts).toEqual([
      { ...common, direction: 'input', entity: 'CREDIT_CARD', action: 'block', dryRun: false, values: 1, calls: 1 },
      { ...common, direction: 'input', entity: 'EMAIL_ADDRESS', action: 'mask', dryRun: false, values: 3, calls: 2 },
      { ...common, direction: 'input', entity: 'EMAIL_ADDRESS', action: 'mask', dryRun: true, values: 5, calls: 1 },
      { ...common, direction: 'output', entity: 'PERSON', action: 'tokenise', dryRun: false, values: 1, calls: 1 },
    ])
    expect(unattributed).toBe(0)
  })

  it('counts for each role of the caller, and says how many callers are gone', async () => {
    const events = [event('inference.admission', { inputActions: { 'EMAIL_ADDRESS=mask': 1 } })]
    expect((await report(events, () => ['auditor', 'deployer'])).counts.map(({ role }) => role)).toEqual(['auditor', 'deployer'])
    expect(await report(events, () => [])).toMatchObject({ counts: [], unattributed: 1 })
  })
})
