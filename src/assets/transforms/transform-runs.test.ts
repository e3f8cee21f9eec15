import { describe, expect, it } from 'vitest'
import { ManualClock, type RedoubtError } from '#foundation/core'
import { checkedTransform } from './definition.ts'
import { TransformRuns } from './transform-runs.ts'

const ADA = { type: 'User', id: 'ada' }
const definition = checkedTransform({ from: 'visits', steps: [{ filter: 'true' }], to: { dataset: 'made' } })
const transform = { name: 't', version: 3, digest: 'd'.repeat(64), definition, author: ADA, createdAt: 1 }
const code = (of: Promise<unknown>): Promise<string> => of.then(() => 'none', (error: RedoubtError) => error.code) // prettier-ignore

describe('runs of transforms (A9)', () => {
  it('are told newest first, as they wait, go on and end', () => {
    const clock = new ManualClock(1_000)
    const runs = new TransformRuns(clock)
    const [one, other] = [runs.open(transform, ADA), runs.open(transform, ADA)]
    one.begun()
    one.progress(7)
    clock.advance(500)
    other.ended({ code: 'ERR_TRANSFORM_VALUE' })
    expect(one.id).toMatch(/^run_[A-Za-z0-9_-]{22}$/)
    expect(runs.list()).toEqual([
      expect.objectContaining({ id: other.id, state: 'failed', code: 'ERR_TRANSFORM_VALUE', made: null, beganAt: 1_000, endedAt: 1_500 }),
      { id: one.id, transform: { name: 't', version: 3, digest: 'd'.repeat(64) }, target: 'made', by: ADA, state: 'running', rows: 7, beganAt: 1_000, endedAt: null, made: null, code: null }, // prettier-ignore
    ])
    one.ended({ made: 4 })
    expect(runs.get(one.id)).toMatchObject({ state: 'done', made: 4, rows: 7 })
  })

  it('are cancelled when nothing of them goes on any more, and not before', async () => {
    const runs = new TransformRuns(new ManualClock(0))
    const run = runs.open(transform, ADA)
    let answered = false
    const cancelled = runs.cancel(run.id).finally(() => (answered = true))
    expect(run.signal.reason).toMatchObject({ code: 'ERR_TRANSFORM_CANCELLED' })
    await new Promise((resolve) => setImmediate(resolve))
    expect(answered).toBe(false)
    run.ended({ code: 'ERR_TRANSFORM_CANCELLED' })
    expect(await cancelled).toMatchObject({ id: run.id, state: 'cancelled' })
  })

  it('are not cancelled where there is none, once they have ended, or when their version is made meanwhile', async () => {
    const runs = new TransformRuns(new ManualClock(0))
    expect(await code(runs.cancel('run_none'))).toBe('ERR_NOT_FOUND')
    const [made, failed, late] = [runs.open(transform, ADA), runs.open(transform, ADA), runs.open(transform, ADA)]
    made.ended({ made: 1 })
    failed.ended({ code: 'ERR_TRANSFORM_LIMIT' })
    expect(await code(runs.cancel(made.id))).toBe('ERR_CONFLICT')
    expect(await code(runs.cancel(failed.id))).toBe('ERR_CONFLICT')
    expect(made.signal.aborted).toBe(false)
    const refused = runs.cancel(late.id)
    late.ended({ made: 2 })
    await expect(refused).rejects.toThrow(`the run \`${late.id}\` has ended: it made version 2 of \`made\``)
  })

  it('are kept while they go on, and a hundred of those that ended', () => {
    const clock = new ManualClock(0)
    const runs = new TransformRuns(clock)
    const goes = runs.open(transform, ADA)
    for (let n = 0; n < 130; n++) {
      clock.advance(1)
      runs.open(transform, ADA).ended({ made: n })
    }
    expect(runs.list()).toHaveLength(101)
    expect(runs.list().map(({ made }) => made)).toEqual([...Array.from({ length: 100 }, (_, n) => 129 - n), null])
    expect(runs.get(goes.id)).toMatchObject({ state: 'waiting' })
  })
})
