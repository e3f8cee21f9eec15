import { describe, expect, it } from 'vitest'
import type { AuditEvent } from '#foundation/core'
import { DAY_MS, SCORER, TestConditions } from './conditions.fixtures.ts'

const HOUR_MS = 3_600_000
const WORK_DAYS = 28

/** As the keys record it. */
const unwrap = (dataSet: string, details: object = {}, outcome: AuditEvent['outcome'] = 'success'): AuditEvent => ({
  type: 'key.unwrap',
  actor: SCORER,
  action: 'useKey',
  resource: { type: 'Dataset', id: dataSet },
  outcome,
  purpose: 'care',
  details: { keyClass: 'dataset', ...details },
})

/** Four weeks of a program that reads one data set, forty keys an hour. */
function worked(): TestConditions {
  const test = new TestConditions()
  for (let day = 0; day < WORK_DAYS; day++)
    for (let hour = 0; hour < 24; hour++) {
      const at = Date.UTC(2026, 0, 5) + day * DAY_MS + hour * HOUR_MS
      for (let n = 0; n < 3; n++) test.ask(SCORER, { at: at + n * 600_000 })
      for (let n = 0; n < 40; n++) test.room.observe(unwrap('claims'))
    }
  test.clock.setNow(Date.UTC(2026, 0, 5) + WORK_DAYS * DAY_MS)
  return test
}
const reasons = (test: TestConditions) =>
  Object.fromEntries(test.room.explain(SCORER)!.reasons.map(({ reason, points }) => [reason, points]))

describe('unusual use of data keys (A7)', () => {
  it('raises the risk with its volume, and no more once the hour is over', () => {
    const test = worked()
    expect(test.ask(SCORER).risk).toBe(0)
    for (let n = 0; n < 90; n++) test.room.observe(unwrap('claims'))
    expect(test.ask(SCORER).risk).toBe(0)
    for (let n = 0; n < 600; n++) test.room.observe(unwrap('claims'))
    expect(test.ask(SCORER).risk).toBe(30)
    expect(reasons(test)).toEqual({ keys: 30 })
    expect(test.ask(SCORER, { at: test.clock.now() + HOUR_MS }).risk).toBe(0)
  })

  it('counts what the cache served, and nothing that was refused or is of another class', () => {
    const test = worked()
    for (let n = 0; n < 1_000; n++) test.room.observe(unwrap('claims', {}, 'failed'))
    for (let n = 0; n < 1_000; n++) test.room.observe(unwrap('claims', { keyClass: 'model' }))
    expect(test.ask(SCORER).risk).toBe(0)
    test.room.observe(unwrap('claims', { cacheHits: 1_000, cached: true }))
    expect(test.ask(SCORER).risk).toBe(30)
  })

  it('is in what policies are told of whoever asks for a model, too', () => {
    const test = worked()
    for (let n = 0; n < 600; n++) test.room.observe(unwrap('claims'))
    for (const endpoint of ['Model/credit', 'ChatModel/assistant', 'Model/deploy'])
      expect(test.ask(SCORER, { endpoint }).risk).toBeGreaterThanOrEqual(30)
  })

  it('raises the risk for an hour after a data set was read for the first time', () => {
    const test = worked()
    test.room.observe(unwrap('oncology'))
    expect(test.ask(SCORER).risk).toBe(20)
    expect(reasons(test)).toEqual({ data: 20 })
    expect(test.ask(SCORER, { at: test.clock.now() + HOUR_MS }).risk).toBe(0)
    test.room.observe(unwrap('oncology'))
    expect(test.ask(SCORER).risk).toBe(0)
  })

  it('is nothing while a caller is learnt', () => {
    const test = new TestConditions()
    test.ask(SCORER)
    for (let n = 0; n < 1_000; n++) test.room.observe(unwrap(`set-${n % 5}`))
    expect(test.ask(SCORER).risk).toBe(0)
  })

  it('is remembered over a restart, of a bounded number of data sets', () => {
    const test = worked()
    test.room.observe(unwrap('oncology'))
    test.room.save()
    test.restart()
    expect(test.ask(SCORER).risk).toBe(20)
    test.ask(SCORER, { at: test.clock.now() + HOUR_MS })
    test.room.observe(unwrap('claims'))
    expect(test.ask(SCORER).risk).toBe(0)
    for (let n = 0; n < 128; n++) test.room.observe(unwrap(`set-${n}`))
    test.ask(SCORER, { at: test.clock.now() + HOUR_MS })
    test.room.observe(unwrap('oncology'))
    expect(test.ask(SCORER).risk).toBe(20)
  })
})
