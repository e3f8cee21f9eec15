/** Runs of transforms that somebody ends: who may, what is on record, and that nothing is left (A9). */
import { readdirSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type House, type HouseAccount, openHouse } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'

/** Joined with itself: nine million rows, of a file that is soon imported. */
const ROWS = 3_000
const WITHIN_MS = 20_000
const folder = mkdtempSync(join(tmpdir(), 'redoubt-transform-cancel-'))

let house: House
let engineer: HouseAccount
let scientist: HouseAccount
let officer: HouseAccount
const call = (by: { readonly token: string }, method: string, path: string, json?: object): Promise<Answer> =>
  house.call(method, `/api/v1${path}`, { token: by.token, ...(json === undefined ? {} : { json }) })
const runsOf = async (by: { readonly token: string }): Promise<any[]> => (await call(by, 'GET', '/transform-runs')).json.runs
/** Nothing of a version that does not exist. */
const strayObjects = async (): Promise<readonly string[]> => {
  const ids = (await call(engineer, 'GET', '/datasets')).json.datasets.map(({ id }: { id: string }) => id)
  return readdirSync(join(house.dataDir, 'objects/datasets')).filter((name) => !ids.some((id: string) => name.includes(id)))
}
async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (const end = performance.now() + WITHIN_MS; performance.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const found = await ask()
    if (found !== undefined) return found
  }
  throw new Error('it did not come in time')
}
/** A run that has sealed rows, and its answer when it is there. */
async function slowRun(): Promise<{ readonly id: string; readonly answer: Promise<Answer> }> {
  const answer = call(engineer, 'POST', '/transforms/slow/run', {})
  const { id } = await until(async () => (await runsOf(engineer)).find((run) => run.state === 'running' && run.rows > 0))
  return { id, answer }
}

beforeAll(async () => {
  house = await openHouse()
  engineer = await house.account('engineer', 'ml-engineer')
  scientist = await house.account('scientist', 'data-scientist')
  officer = await house.account('officer', 'security-officer')
  const path = '/api/v1/datasets/many/versions?sensitivity=internal&purpose=credit-scoring&legalBasis=contract'
  const body = `k,v\n${Array.from({ length: ROWS }, (_, n) => `1,${n}`).join('\n')}\n`
  await house.call('POST', path, { token: house.token, headers: { 'content-type': 'text/csv' }, body })
  const definition = { from: 'many', steps: [{ join: { with: 'many', on: { k: 'k' }, take: [{ column: 'v', as: 'w' }] } }], to: { dataset: 'product' } } // prettier-ignore
  expect((await call(engineer, 'PUT', '/transforms/slow', definition)).status).toBe(200)
}, 60_000)
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('a run of a transform that is cancelled (A9)', () => {
  it('by who may leaves nothing, tells its caller why, and is on record with its end', { timeout: 60_000 }, async () => {
    const { id, answer } = await slowRun()
    // Who may not begin or end it sees none of it.
    expect(await runsOf(scientist)).toEqual([])
    expect((await call(scientist, 'POST', `/transform-runs/${id}/cancel`)).json.code).toBe('ERR_POLICY_DENIED')
    expect((await runsOf(officer)).find((run) => run.id === id)).toMatchObject({ transform: { name: 'slow', version: 1 }, target: 'product', by: { id: 'engineer' }, state: 'running' }) // prettier-ignore
    const cancelled = await call(officer, 'POST', `/transform-runs/${id}/cancel`)
    // What was answered is true when it is answered.
    expect(await strayObjects()).toEqual([])
    expect([cancelled.status, cancelled.json.run]).toMatchObject([200, { id, state: 'cancelled', made: null }])
    const lines = (await answer).text.trim().split('\n').map((line) => JSON.parse(line)) // prettier-ignore
    expect(lines[0]).toEqual({ type: 'progress', run: id, rows: 0 })
    expect(lines.at(-1)).toMatchObject({ type: 'error', problem: { code: 'ERR_TRANSFORM_CANCELLED' } })
    expect((await call(engineer, 'GET', '/datasets/product')).status).toBe(404)
    const [recorded] = await house.entries({ type: 'transform.cancel' })
    expect(recorded!.event).toMatchObject({ actor: { id: 'officer' }, action: 'cancelTransform', resource: { type: 'Transform', id: 'slow' }, details: { run: id, version: 1 } }) // prettier-ignore
    const [end] = await house.entries({ type: 'transform.end' })
    expect(end!.event).toMatchObject({ outcome: 'failed', code: 'ERR_TRANSFORM_CANCELLED', details: { run: id, made: null } })
    expect(end!.index).toBeGreaterThan(recorded!.index)
  })

  it('is not cancelled twice, and none that there is not', async () => {
    const [{ id }] = (await runsOf(engineer)) as [{ id: string }]
    const again = await call(engineer, 'POST', `/transform-runs/${id}/cancel`)
    expect([again.status, again.json.code, again.json.detail]).toEqual([
      409,
      'ERR_CONFLICT',
      `the run \`${id}\` has ended: it was cancelled`,
    ])
    expect((await call(engineer, 'POST', `/transform-runs/run_${'A'.repeat(22)}/cancel`)).json.code).toBe('ERR_NOT_FOUND')
    expect((await call(engineer, 'POST', '/transform-runs/none/cancel')).status).toBe(400)
    expect(await house.entries({ type: 'transform.cancel' })).toHaveLength(1)
  })

  it('waits for its turn, and is cancelled before it comes', { timeout: 60_000 }, async () => {
    const first = await slowRun()
    const second = call(engineer, 'POST', '/transforms/slow/run', {})
    const { id } = await until(async () => (await runsOf(engineer)).find((run) => run.state === 'waiting'))
    expect((await call(engineer, 'POST', `/transform-runs/${id}/cancel`)).json.run).toMatchObject({ state: 'cancelled', rows: 0 })
    expect((await second).text).toContain('ERR_TRANSFORM_CANCELLED')
    expect((await runsOf(engineer)).find((run) => run.id === first.id)).toMatchObject({ state: 'running' })
    expect((await call(engineer, 'POST', `/transform-runs/${first.id}/cancel`)).status).toBe(200)
    await first.answer
    expect(await strayObjects()).toEqual([])
  })

  it('by the command line, which is told the id as soon as it begins', { timeout: 60_000 }, async () => {
    writeFileSync(join(folder, 'quick.yaml'), 'from: many\nsteps:\n  - filter: v < 3\nto:\n  dataset: few\n')
    const running = runRedoubt(house, ['transform', 'run', 'slow'])
    const { id } = await until(async () => (await runsOf(house)).find((run) => run.state === 'running' && run.rows > 0))
    expect((await runRedoubt(house, ['transform', 'runs'])).out).toMatch(new RegExp(`${id} +running +slow version 1 +product +[0-9]+ `))
    const cancelled = await runRedoubt(house, ['transform', 'cancel', id, '--json'])
    expect([cancelled.code, JSON.parse(cancelled.out)], cancelled.err).toMatchObject([0, { id, state: 'cancelled' }])
    const ran = await running
    expect([ran.code, ran.out]).toEqual([1, ''])
    expect(ran.err).toMatch(new RegExp(`^run ${id}; to end it: redoubt transform cancel ${id}\n`))
    expect(ran.err).toContain('ERR_TRANSFORM_CANCELLED')
    const again = await runRedoubt(house, ['transform', 'cancel', id])
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('has ended: it was cancelled')])
    expect((await runRedoubt(house, ['transform', 'cancel', '../runs'])).err).toContain('ERR_USAGE')
    await runRedoubt(house, ['transform', 'save', 'quick', join(folder, 'quick.yaml')])
    expect((await runRedoubt(house, ['transform', 'run', 'quick'])).code).toBe(0)
    const { out } = await runRedoubt(house, ['transform', 'runs', '--json'])
    expect(JSON.parse(out)[0]).toMatchObject({ transform: { name: 'quick' }, state: 'done', made: 1, rows: 3 })
  })
})
