/** What was made of a data set is not for those whom nobody permits the data set itself, over the whole server (B1, B2). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type House, type HouseAccount, openHouse } from './house.fixture.ts'

/** Applications have no permit of a data set but these; nothing forbids them \`stays\`. */
const POLICIES = `
@id("test-all-but-stays") permit (principal in Role::"application", action in [Action::"view", Action::"query", Action::"export"], resource is Dataset)
  unless { resource == Dataset::"stays" };
@id("test-released") permit (principal in Role::"application", action == Action::"view", resource == Dataset::"released");
`
const folder = mkdtempSync(join(tmpdir(), 'redoubt-sources-'))
let house: House
let engineer: HouseAccount
let application: HouseAccount
const ask = (method: string, path: string, json?: object, token = house.token): Promise<Answer> =>
  house.call(method, `/api/v1${path}`, { token, ...(json === undefined ? {} : { json }) })
const asApplication = (method: string, path: string, json?: object): Promise<Answer> => ask(method, path, json, application.token)

beforeAll(async () => {
  writeFileSync(join(folder, 'sources.cedar'), POLICIES)
  house = await openHouse((configuration) => ({ ...configuration, policies: folder }))
  engineer = await house.account('engineer', 'ml-engineer')
  application = await house.account('an-application', 'application')
  const path = '/api/v1/datasets/stays/versions?sensitivity=internal&purpose=credit-scoring&legalBasis=contract&subject=who'
  const headers = { 'content-type': 'text/csv' }
  const { text } = await house.call('POST', path, { token: house.token, headers, body: 'who,age\nann,41\nbob,17\n' })
  expect(text).toContain('"type":"result"')
  for (const [from, to] of [['stays', 'adults'], ['adults', 'counts'], ['stays', 'released']] as const) {
    expect((await ask('PUT', `/transforms/${to}`, { from, steps: [{ filter: 'age > 0' }], to: { dataset: to } }, engineer.token)).status).toBe(200)
    expect((await ask('POST', `/transforms/${to}/run`, {}, engineer.token)).text).toContain('"type":"result"')
  } // prettier-ignore
}, 60_000)
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('what was made of a data set that somebody may not view', () => {
  it('is not shown, counted, taken out or listed, and the refusal is explained; after its sources are removed, too', async () => {
    const refused = async (): Promise<void> => {
      for (const name of ['adults', 'counts'])
        for (const [method, path, json] of [
          ['GET', `/datasets/${name}`],
          ['GET', `/datasets/${name}/rows`],
          ['POST', `/datasets/${name}/query`, {}],
          ['POST', `/datasets/${name}/export`, {}],
        ] as const) {
          const answer = await asApplication(method, path, json)
          expect([method, path, answer.status, answer.json.code]).toEqual([method, path, 403, 'ERR_POLICY_DENIED'])
        }
    }
    expect((await asApplication('GET', '/datasets/stays')).status).toBe(403)
    await refused()
    const { json } = await asApplication('GET', '/datasets')
    expect(json.datasets.map(({ name }: { name: string }) => name)).toEqual(expect.not.arrayContaining(['stays', 'adults', 'counts']))
    // Whoever may view the source may view what was made of it.
    expect((await ask('GET', '/datasets/counts', undefined, engineer.token)).status).toBe(200)
    expect((await ask('DELETE', '/datasets/stays')).status).toBe(200)
    await refused()
  })

  it('is shown where a permit names it', async () => {
    expect((await asApplication('GET', '/datasets/released/rows')).json.rows).toHaveLength(2)
    // It names it for that act alone.
    expect((await asApplication('POST', '/datasets/released/query', {})).json.code).toBe('ERR_POLICY_DENIED')
  })
})
