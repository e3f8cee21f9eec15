import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type AuditEvent, type FilterAction, RedoubtError } from '#foundation/core'
import { nodeFolder } from '#foundation/storage'
import { createRedactor, scanText } from '#gateway/filters'
import { PolicyStore } from '#interfaces/api'
import { LiveFilters } from './live-filters.ts'

const recogniser = (entity: string, pattern: string): string =>
  `recognisers:\n  - id: own\n    entity: ${entity}\n    pattern: ${pattern}\n    score: 1\n`
const POLICY =
  '@id("staff") @description("d") @filter_output("STAFF_ID=mask") permit (principal, action == Action::"invoke", resource is Endpoint);'

let folder: string
let own: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-live-'))
  own = join(folder, 'own.yaml')
  for (const name of ['operator', 'stored']) mkdirSync(join(folder, name))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function open() {
  writeFileSync(own, recogniser('STAFF_ID', String.raw`S-\d{6}`))
  writeFileSync(join(folder, 'operator', 'staff.cedar'), POLICY)
  const filters = new LiveFilters({ recognisers: [own], exempt: [] })
  const policies = await PolicyStore.open({
    folder: nodeFolder(join(folder, 'stored')),
    operatorPath: join(folder, 'operator'),
    shadowRate: 1_000,
    onMismatch: () => undefined,
    vocabulary: filters.vocabulary,
    plan: filters.plan,
  })
  const events: AuditEvent[] = []
  const audit = { record: async (event: AuditEvent) => ({ index: events.push(event), leafHash: '' }) }
  const actions = (): Readonly<Record<string, FilterAction>> =>
    policies.engine.set.rules.find(({ annotations }) => 'STAFF_ID' in annotations.obligations.filterOutput)!.annotations.obligations.filterOutput
  return {
    reload: (exempt: readonly string[] = []) => filters.reload({ recognisers: [own], exempt: [...exempt] }, { policies, audit }),
    plan: () => filters.plan(actions(), false),
    events,
    policies,
    filters,
  }
} // prettier-ignore

it('what a site adds is read again and in force for what begins then; a stream ends with what it began with (C6)', async () => {
  const { reload, plan, events } = await open()
  const running = createRedactor(plan())
  let out = running.push('first S-111111, ')
  writeFileSync(own, recogniser('STAFF_ID', String.raw`EMP-\d{4}`))
  const change = await reload(['EMP-0000'])
  out += running.push('then S-222222 and EMP-1234.') + running.flush()
  expect(out).toBe('first [STAFF_ID], then [STAFF_ID] and EMP-1234.')
  expect(scanText('S-222222 EMP-1234 EMP-0000.', plan()).text).toBe('S-222222 [STAFF_ID] EMP-0000.')
  expect(change).toMatchObject({ recognisers: 1, exempt: 1 })
  expect(change.after).not.toBe(change.before)
  expect(events).toMatchObject([{ type: 'filters.reload', outcome: 'success', details: { before: change.before, after: change.after, recognisers: 1, exempt: 1 } }]) // prettier-ignore
  expect(JSON.stringify(events)).not.toContain('EMP')
})

it('what is refused changes nothing, and says file and line (C6)', async () => {
  const { reload, plan, events, policies, filters } = await open()
  const { digest } = policies.engine
  const vocabulary = JSON.stringify(filters.vocabulary)
  for (const [text, code, message] of [
    [recogniser('STAFF_ID', 'a+'), 'ERR_FILTER_RECOGNISER', /own\.yaml, line 2, own`/],
    ['recognisers: [', 'ERR_FILTER_RECOGNISER', /own\.yaml/],
    // A policy in force would promise what is not done.
    [recogniser('OTHER_ID', String.raw`O-\d{6}`), 'ERR_POLICY_INVALID', /STAFF_ID/],
  ] as const) {
    writeFileSync(own, text)
    await expect(reload()).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string })
    expect(events.at(-1)).toMatchObject({ type: 'filters.reload', outcome: 'failed', code })
    expect(scanText('S-222222', plan()).text).toBe('[STAFF_ID]')
    expect([policies.engine.digest, JSON.stringify(filters.vocabulary)]).toEqual([digest, vocabulary])
  }
  rmSync(own)
  await expect(reload()).rejects.toMatchObject({ code: 'ERR_FILTER_RECOGNISER' })
  expect(events.at(-1)?.details).toMatchObject({ file: own })
})

it('what is in force is never recorded as refused, also when the log takes nothing (C6, E3)', async () => {
  const { filters, policies, plan } = await open()
  const outcomes: string[] = []
  const audit = {
    record: async ({ outcome }: AuditEvent) => {
      outcomes.push(outcome)
      throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
    },
  }
  await expect(filters.reload({ recognisers: [own], exempt: ['S-222222'] }, { policies, audit })).rejects.toMatchObject({
    code: 'ERR_AUDIT_UNAVAILABLE',
  })
  expect(outcomes).toEqual(['success'])
  expect(scanText('S-222222', plan()).text).toBe('S-222222')
})

it('policies may name what is found since, and not what is not any more', async () => {
  const { reload, policies } = await open()
  writeFileSync(own, recogniser('STAFF_ID', String.raw`S-\d{6}`) + String.raw`  - { id: b, entity: B_ID, pattern: 'B-\d{6}', score: 1 }`)
  const policy = POLICY.replaceAll('STAFF_ID', 'B_ID').replace('staff', 'b')
  await expect(policies.put('b', policy)).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
  await reload()
  await policies.put('b', policy)
  writeFileSync(own, recogniser('STAFF_ID', String.raw`S-\d{6}`))
  await expect(reload()).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
})
