/** The end of a person's data in what was made of it, over the whole server: also when both happen at once (B7). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type House, type HouseAccount, openHouse } from './house.fixture.ts'

const SEED = Number(process.env['REDOUBT_SEED'] ?? 134_701)
const ROUNDS = 6
/** Longer than a run takes from its request to its version. */
const MAX_APART_MS = 2_000

let house: House
let officer: HouseAccount
const post = async (path: string, json: object, token = house.token) => await house.call('POST', `/api/v1${path}`, { token, json })
async function importRows(name: string, people: readonly string[]): Promise<void> {
  const path = `/api/v1/datasets/${name}/versions?sensitivity=confidential&purpose=credit-scoring&legalBasis=contract&subject=who`
  const body = `who,age\n${people.map((who, i) => `${who},${20 + i}`).join('\n')}\n`
  const { text } = await house.call('POST', path, { token: house.token, headers: { 'content-type': 'text/csv' }, body })
  if (!text.includes('"type":"result"')) throw new Error(text)
}
async function save(from: string, to: string): Promise<void> {
  const json = { from, steps: [{ filter: 'age > 0' }], to: { dataset: to } }
  expect((await house.call('PUT', `/api/v1/transforms/${to}`, { token: house.token, json })).status).toBe(200)
}
/** The last of the lines that tell how it goes. */
const resultOf = ({ text }: Answer): any => JSON.parse(text.trim().split('\n').at(-1)!)
const run = async (name: string): Promise<any> => resultOf(await post(`/transforms/${name}/run`, {}))
const erase = async (subject: string): Promise<any> =>
  resultOf(await post('/subjects/erase', { subject, ground: 'objection' }, officer.token))
const rowsIn = async (name: string): Promise<number | null> => (await house.call('GET', `/api/v1/datasets/${name}`, { token: house.token })).json.rows ?? null // prettier-ignore

beforeAll(async () => {
  house = await openHouse()
  officer = await house.account('officer', 'privacy-officer')
}, 60_000)
afterAll(() => house.close())

describe(`a person whose rows were transformed (seed ${SEED})`, () => {
  it('is erased from what was made of them, and of that; a hold on it holds the erasure', { timeout: 60_000 }, async () => {
    await importRows('first', ['ann', 'bob'])
    for (const [from, to] of [['first', 'second'], ['second', 'third']] as const) {
      await save(from, to)
      expect((await run(to)).result).toMatchObject({ rows: 2 })
    } // prettier-ignore
    const hold = await post('/holds', { on: { dataset: 'third' }, until: '2099-01-01T00:00:00Z', reason: 'r' }, officer.token)
    expect(JSON.stringify(await erase('ann'))).toContain('ERR_LEGAL_HOLD')
    // All of it is asked before any of it is gone.
    expect([await rowsIn('first'), await rowsIn('second'), await rowsIn('third')]).toEqual([2, 2, 2])
    expect((await post(`/holds/${hold.json.id ?? hold.json.hold?.id}/lift`, { reason: 'settled' }, officer.token)).status).toBe(200)
    // A hold on a person holds what was made of their rows, whatever its name.
    const person = await post('/holds', { on: { subject: 'bob' }, until: '2099-01-01T00:00:00Z', reason: 'r' }, officer.token)
    const removed = await house.call('DELETE', '/api/v1/datasets/third', { token: house.token })
    expect([removed.status, removed.json.code]).toEqual([409, 'ERR_LEGAL_HOLD'])
    expect((await post(`/holds/${person.json.id ?? person.json.hold?.id}/lift`, { reason: 'settled' }, officer.token)).status).toBe(200)
    expect(JSON.stringify(await erase('ann'))).toContain('"third"')
    expect([await rowsIn('first'), await rowsIn('second'), await rowsIn('third')]).toEqual([1, 1, 1])
  })

  it('is in no data set once they are erased, whenever a transform was run beside it', { timeout: 120_000 }, async () => {
    let state = (SEED % 2_147_483_646) + 1
    const apart = (): number => ((state = (state * 48_271) % 2_147_483_647) / 2_147_483_647) * MAX_APART_MS
    const later = async <T>(work: () => Promise<T>, ms: number): Promise<T> => {
      await new Promise((resolve) => setTimeout(resolve, ms))
      return work()
    }
    const seen: string[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const [from, to, who] = [`from-${round}`, `to-${round}`, `person-${round}`]
      await importRows(from, [who, 'stays'])
      await save(from, to)
      const [ran, erased] = await Promise.all([later(() => run(to), 0), later(() => erase(who), apart())])
      expect([round, JSON.stringify(erased)]).toEqual([round, expect.stringMatching(/"doneAt":\d/)])
      seen.push(ran.result === undefined ? (/ERR_[A-Z_]+/.exec(JSON.stringify(ran))?.[0] ?? 'nothing') : 'made')
      expect([round, await rowsIn(from)]).toEqual([round, 1])
      // It was made and erased from, made after the erasure, or not made at all.
      expect([round, [1, null]]).toEqual([round, expect.arrayContaining([await rowsIn(to)])])
    }
    expect(seen.filter((one) => one !== 'made' && one !== 'ERR_CONFLICT' && one !== 'ERR_DATA_CHANGED')).toEqual([])
  })
})
