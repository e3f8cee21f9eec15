/** One night with broken glass, over HTTP alone, from the refusal to the overdue review. The wall clock is moved; nothing else is played. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type House, type HouseAccount, openHouse } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

let house: House
let oncall: HouseAccount
let officer: HouseAccount
beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['Date'], shouldAdvanceTime: true })
  vi.setSystemTime(Date.now())
  house = await openHouse()
  oncall = await house.account('oncall', 'ml-engineer')
  officer = await house.account('officer', 'security-officer')
}, 60_000)
afterAll(async () => {
  await house.close()
  vi.useRealTimers()
})

const later = (ms: number): void => void vi.setSystemTime(Date.now() + ms)
const call = async (by: HouseAccount, method: string, path: string, json?: object) =>
  house.call(method, `/api/v1${path}`, { token: await by.freshToken(), ...(json === undefined ? {} : { json }) })
const stop = () => call(oncall, 'POST', '/models/credit/quarantine', { reason: 'nonsense', version: 1 })
const start = () =>
  call(oncall, 'POST', '/break-glass', {
    action: 'administer',
    resource: { type: 'Model', id: 'credit' },
    reason: 'answers nonsense, nobody reachable',
    minutes: 1,
  })
const alerts = async (kind: string) => (await call(officer, 'GET', `/alerts?kind=${kind}`)).json.alerts as Record<string, any>[]
const eventually = async <T>(look: () => Promise<T | undefined>): Promise<T> => {
  for (const end = performance.now() + 10_000; performance.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const found = await look()
    if (found !== undefined) return found
  }
  throw new Error('it did not come')
}
async function doctor(): Promise<{ readonly state: string; readonly detail: string } | undefined> {
  const { out } = await runRedoubt(house, ['doctor', '--json', '--secrets-dir', house.secretsDir], await officer.freshToken())
  return (JSON.parse(out) as { findings: { check: string; state: string; detail: string }[] }).findings.find(
    ({ check }) => check === 'break-glass',
  )
}

describe('a night with broken glass (B1, B8, E6)', () => {
  it('goes from the refusal to the review, and what is not reviewed is told until it is', { timeout: 60_000 }, async () => {
    expect((await stop()).json.code).toBe('ERR_POLICY_DENIED')
    expect((await doctor())?.state).toBe('ok')
    const { status, json: grant } = await start()
    expect([status, grant.active, grant.endsAt - grant.startedAt]).toEqual([201, true, MINUTE_MS])
    expect(grant.reviewDueAt - grant.startedAt).toBe(DAY_MS)
    // Told before it works: the alert is there when the answer is.
    expect(await alerts('break-glass.start')).toMatchObject([{ severity: 'critical', details: { grant: grant.id } }])
    const [begun] = await house.entries({ type: 'break-glass.start', limit: '1' })
    expect(begun?.event).toMatchObject({ actor: { id: 'oncall' }, details: { grant: grant.id } })
    expect(JSON.stringify(begun)).not.toContain('nonsense')
    expect((await stop()).status).toBe(200)
    expect((await doctor())?.state).toBe('warning')

    // Nobody ends it. The room goes by the monotonic clock too, which the moved one may be seconds behind on a busy machine.
    later(2 * MINUTE_MS)
    expect((await stop()).json.code).toBe('ERR_POLICY_DENIED')
    const ended = await eventually(async () => (await house.entries({ type: 'break-glass.end', limit: '1' }))[0])
    expect(ended.event).toMatchObject({ actor: { type: 'System' }, details: { grant: grant.id, cause: 'time', uses: 1 } })
    // Nor does another simply follow.
    expect((await start()).json).toMatchObject({ code: 'ERR_BREAK_GLASS_REVIEW', grant: grant.id })

    later(DAY_MS - 3 * MINUTE_MS)
    expect(await alerts('break-glass.unreviewed')).toEqual([])
    later(2 * MINUTE_MS)
    const overdue = await eventually(async () => (await alerts('break-glass.unreviewed'))[0])
    expect(overdue).toMatchObject({ severity: 'critical', details: { grant: grant.id, daysOverdue: 0 } })
    expect(await doctor()).toMatchObject({ state: 'problem', detail: '1 grants were not reviewed in time' })
    // To take note of the alerts is no review.
    for (const kind of ['break-glass.start', 'break-glass.unreviewed'])
      for (const { id } of await alerts(kind)) expect((await call(officer, 'POST', `/alerts/${id}/acknowledge`)).status).toBe(200)
    expect((await doctor())?.state).toBe('problem')

    expect((await call(oncall, 'POST', `/break-glass/${grant.id}/review`, { finding: 'mine' })).status).toBe(403)
    expect((await call(officer, 'POST', `/break-glass/${grant.id}/review`, { finding: 'justified' })).status).toBe(200)
    expect((await doctor())?.state).toBe('ok')
    expect((await start()).status).toBe(201)
  })
})
