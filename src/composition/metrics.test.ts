import { describe, expect, it } from 'vitest'
import { type AuditEvent, type AuditSink, RedoubtError } from '#foundation/core'
import { createMetrics } from './metrics.ts'

const event = (outcome: AuditEvent['outcome'], code?: AuditEvent['code']): AuditEvent => ({
  type: 'inference.completion',
  actor: { type: 'ServiceAccount', id: 'scoring' },
  action: 'invoke',
  resource: { type: 'Endpoint', id: 'assistant' },
  outcome,
  ...(code === undefined ? {} : { code }),
})
const log: AuditSink = { record: () => Promise.resolve({ index: 0, leafHash: '' }) }

describe('metrics', () => {
  it('tells what the stages of the filters take (F2)', async () => {
    const metrics = createMetrics()
    metrics.filterStage('injection', 2)
    metrics.filterStage('injection', 40)
    metrics.filterStage('patterns', 0.02)
    const text = await metrics.text()
    expect(text).toContain('redoubt_filter_stage_seconds_bucket{le="0.003",stage="injection"} 1')
    expect(text).toContain('redoubt_filter_stage_seconds_count{stage="injection"} 2')
    expect(text).toContain('redoubt_filter_stage_seconds_bucket{le="0.00003",stage="patterns"} 1')
  })

  it('counts what was recorded by type, outcome and code, the same however often it is asked', async () => {
    const metrics = createMetrics()
    const audit = metrics.counting(log)
    await audit.record(event('success'))
    await audit.record(event('success'))
    await audit.record(event('failed', 'ERR_UPSTREAM_TIMEOUT'))
    await audit.record(event('failed', 'ERR_UPSTREAM_PROTOCOL'))
    const counts = async (): Promise<readonly string[]> =>
      (await metrics.text()).split('\n').filter((line) => line.startsWith('redoubt_events_total'))
    const expected = [
      'redoubt_events_total{type="inference.completion",outcome="success",code=""} 2',
      'redoubt_events_total{type="inference.completion",outcome="failed",code="ERR_UPSTREAM_TIMEOUT"} 1',
      'redoubt_events_total{type="inference.completion",outcome="failed",code="ERR_UPSTREAM_PROTOCOL"} 1',
    ]
    expect(await counts()).toEqual(expected)
    expect(await counts()).toEqual(expected)
  })

  it('counts what the log could not take apart, and not as recorded', async () => {
    const metrics = createMetrics()
    const audit = metrics.counting({ record: () => Promise.reject(new RedoubtError('ERR_AUDIT_UNAVAILABLE')) })
    await expect(audit.record(event('success'))).rejects.toThrow()
    const text = await metrics.text()
    expect(text).toContain('redoubt_unrecorded_total 1')
    expect(text).not.toContain('redoubt_events_total{')
  })
})
