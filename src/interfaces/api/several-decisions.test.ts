/** Acts that need more than one yes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testPlane, type TestPlane } from './api.fixtures.ts'

let plane: TestPlane
beforeEach(async () => {
  plane = await testPlane()
})
afterEach(() => plane.close())

const call: TestPlane['call'] = (...asked) => plane.call(...asked)

describe('a run of a training pipeline (B2)', () => {
  const RUNS = [
    ['/api/v1/models/credit/train', { dataset: 'credit', algorithm: 'mlp' }, 'redoubt/mlp'],
    ['/api/v1/pipelines/one/run', {}, 'one'],
  ] as const

  it.each(RUNS)('needs a yes to running the pipeline and to learning from its data set: %s', async (path, json, pipeline) => {
    for (const no of ['runPipeline', 'trainOn'] as const) {
      plane.events.length = 0
      plane.rule = ({ action }) => action !== no
      const answer = await call('POST', path, { json })
      expect([answer.status, answer.body.code]).toEqual([403, 'ERR_POLICY_DENIED'])
      // The one that is refused is asked first, so that no approval is spent on the other.
      expect(plane.events).toMatchObject([{ type: 'control.refusal', action: no }])
    }
    expect(plane.done).toEqual([])
    plane.rule = null
    plane.events.length = 0
    await call('POST', path, { json })
    expect(plane.events).toMatchObject([
      { type: 'control.admission', action: 'runPipeline', resource: { type: 'Pipeline', id: pipeline } },
      { type: 'control.admission', action: 'trainOn', resource: { type: 'Dataset', id: 'credit' } },
    ])
  })

  it('is of the version that is named, by number and digest', async () => {
    const answer = await call('POST', '/api/v1/pipelines/one/run', { json: { digest: 'd'.repeat(64) } })
    expect([answer.status, answer.body.code]).toEqual([409, 'ERR_CONFLICT'])
    expect((await call('POST', '/api/v1/pipelines/absent/run')).status).toBe(404)
    expect([plane.events, plane.done]).toEqual([[], []])
  })
})

describe('a model that nobody deployed', () => {
  it('B1: explains in production what was approved to serve, and other versions to those who read the record', async () => {
    const refused = new Set<string>()
    plane.rule = ({ action }) => !refused.has(action)
    for (const action of ['explain', 'invoke', 'readAudit']) {
      refused.clear()
      refused.add(action)
      const answer = await call('POST', '/api/v1/models/credit/explain', { json: { version: 1, row: {} } })
      expect([answer.status, answer.body.code], action).toEqual([403, 'ERR_POLICY_DENIED'])
      expect(plane.events.at(-1)).toMatchObject({ type: 'control.refusal', action })
    }
  })
})
