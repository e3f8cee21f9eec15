/** A legal hold on a data set over what was made of its rows and learned from them, over the whole server (A1, B7). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type House, type HouseAccount, openHouse } from './house.fixture.ts'

const PEOPLE = 40
let house: House
let officer: HouseAccount
let engineer: HouseAccount
const ask = (method: string, path: string, json?: object, token = house.token): Promise<Answer> =>
  house.call(method, `/api/v1${path}`, { token, ...(json === undefined ? {} : { json }) })
async function importRows(name: string): Promise<void> {
  const path = `/api/v1/datasets/${name}/versions?sensitivity=confidential&purpose=credit-scoring&legalBasis=contract&subject=who&label=good`
  const rows = Array.from({ length: PEOPLE }, (_, n) => `p-${n},${20 + n},${n % 7},${n % 3 === 0 ? 1 : 0}`)
  const body = `who,age,late,good\n${rows.join('\n')}\n`
  const { text } = await house.call('POST', path, { token: house.token, headers: { 'content-type': 'text/csv' }, body })
  if (!text.includes('"type":"result"')) throw new Error(text)
}
/** The last of the lines that tell how it goes. */
const last = ({ text }: Answer): any => JSON.parse(text.trim().split('\n').at(-1)!)
async function derive(from: string, to: string): Promise<void> {
  expect((await ask('PUT', `/transforms/${to}`, { from, steps: [{ filter: 'age > 0' }], to: { dataset: to, label: 'good' } })).status).toBe(
    200,
  )
  expect(last(await ask('POST', `/transforms/${to}/run`, {})).result).toMatchObject({ name: to, rows: PEOPLE })
}
const hold = (on: object): Promise<Answer> => ask('POST', '/holds', { on, until: '2099-01-01T00:00:00Z', reason: 'r' }, officer.token)
const lift = async (set: Answer): Promise<void> =>
  expect((await ask('POST', `/holds/${set.json.id}/lift`, { reason: 'settled' }, officer.token)).status).toBe(200)
const rowsIn = async (name: string): Promise<number | null> => (await ask('GET', `/datasets/${name}`)).json.rows ?? null
const erase = async (subject: string): Promise<string> =>
  (await ask('POST', '/subjects/erase', { subject, ground: 'objection' }, officer.token)).text
const shred = async (name: string): Promise<string> =>
  (await ask('POST', `/datasets/${name}/shred`, { ground: 'unlawful' }, officer.token)).text

beforeAll(async () => {
  house = await openHouse()
  officer = await house.account('officer', 'privacy-officer')
  engineer = await house.account('engineer', 'ml-engineer')
  await importRows('stays')
}, 60_000)
afterAll(() => house.close())

describe('a legal hold on a data set', () => {
  it(
    'binds what was made of its rows, before and after it was set, and models that learned from that, until it is lifted',
    { timeout: 60_000 },
    async () => {
      await derive('stays', 'adults')
      const set = await hold({ dataset: 'stays' })
      await derive('adults', 'grown-ups')
      const pipeline = { dataset: 'grown-ups', model: 'adult-model', algorithm: 'logistic', parameters: { maxEpochs: 2 } }
      expect((await ask('PUT', '/pipelines/adult-model', pipeline, engineer.token)).status).toBe(200)
      expect(last(await ask('POST', '/pipelines/adult-model/run', {}, engineer.token))).toMatchObject({
        result: { model: { name: 'adult-model' } },
      })

      const says = (text: string): void => {
        expect(text).toContain('ERR_LEGAL_HOLD')
        expect(text).toContain('it is made of rows of the data set `stays`')
        expect(text).toContain(set.json.id)
      }
      for (const name of ['adults', 'grown-ups']) {
        says(await shred(name))
        const removed = await ask('DELETE', `/datasets/${name}`)
        expect(removed.status).toBe(409)
        says(removed.text)
      }
      const model = await ask('DELETE', '/models/adult-model')
      expect(model.status).toBe(409)
      says(model.text)
      expect(await erase('p-3')).toContain('ERR_LEGAL_HOLD')
      const fromOne = await ask('POST', '/subjects/erase', { subject: 'p-3', dataset: 'grown-ups', ground: 'objection' }, officer.token)
      says(fromOne.text)
      expect([await rowsIn('stays'), await rowsIn('adults'), await rowsIn('grown-ups')]).toEqual([PEOPLE, PEOPLE, PEOPLE])
      expect((await ask('GET', '/models/adult-model')).status).toBe(200)

      await lift(set)
      expect(await erase('p-3')).toMatch(/"doneAt":\d/)
      expect([await rowsIn('stays'), await rowsIn('adults'), await rowsIn('grown-ups')]).toEqual([PEOPLE - 1, PEOPLE - 1, PEOPLE - 1])
      expect((await ask('DELETE', '/models/adult-model')).status).toBe(200)
    },
  )

  it('on a person binds each set with rows of theirs, made of others or not', { timeout: 60_000 }, async () => {
    await importRows('others')
    await derive('others', 'made')
    await derive('made', 'again')
    const set = await hold({ subject: 'p-5' })
    for (const name of ['made', 'again']) {
      expect((await ask('DELETE', `/datasets/${name}`)).json.code).toBe('ERR_LEGAL_HOLD')
      expect(await shred(name)).toContain('ERR_LEGAL_HOLD')
    }
    for (const dataset of ['made', 'again'])
      expect((await ask('POST', '/subjects/erase', { subject: 'p-5', dataset, ground: 'objection' }, officer.token)).text).toContain(
        'ERR_LEGAL_HOLD',
      )
    expect(await rowsIn('again')).toBe(PEOPLE)
    await lift(set)
    expect((await ask('DELETE', '/datasets/again')).status).toBe(200)
    expect(await shred('made')).toMatch(/"doneAt":\d/)
  })
})
