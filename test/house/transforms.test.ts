/** Transforms against the whole server: who may, under policies that reach into rows and columns, and after an erasure. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type House, type HouseAccount, openHouse } from './house.fixture.ts'

const POLICIES = `@id("test-rows") forbid (principal, action == Action::"transform", resource == Dataset::"guarded")
when { resource.row.text.hasTag("ward") && ["closed", "hidden"].contains(resource.row.text.getTag("ward")) };
@id("test-mask") @mask_columns("age=coarse") permit (principal in Role::"ml-engineer", action == Action::"transform", resource == Dataset::"masked");
@id("test-view-rows") forbid (principal, action == Action::"view", resource == Dataset::"watched")
unless { resource.row.text.hasTag("ward") && resource.row.text.getTag("ward") == "open" };
@id("test-view-mask") @mask_columns("age=coarse") permit (principal in Role::"ml-engineer", action == Action::"view", resource == Dataset::"watched");
@id("test-no-view") forbid (principal, action == Action::"view", resource == Dataset::"shut");
`
const CSV = 'who,ward,age\np-1,closed,33\np-2,open,47\np-3,open,12\n'
const folder = mkdtempSync(join(tmpdir(), 'redoubt-transforms-'))

let house: House
let engineer: HouseAccount
let scientist: HouseAccount
const call = (by: { readonly token: string }, method: string, path: string, json?: object): Promise<Answer> =>
  house.call(method, `/api/v1${path}`, { token: by.token, ...(json === undefined ? {} : { json }) })
async function importRows(name: string): Promise<void> {
  const path = `/api/v1/datasets/${name}/versions?sensitivity=confidential&purpose=credit-scoring&legalBasis=contract&subject=who`
  const { text } = await house.call('POST', path, { token: house.token, headers: { 'content-type': 'text/csv' }, body: CSV })
  if (!text.includes('"type":"result"')) throw new Error(text)
}
const definition = (from: string, dataset: string, steps: readonly object[]) => ({ from, steps, to: { dataset } })
const save = (name: string, json: object, by = engineer) => call(by, 'PUT', `/transforms/${name}`, json)
const run = async (name: string, by = engineer, body: object = {}): Promise<any> => {
  const answer = await call(by, 'POST', `/transforms/${name}/run`, body)
  return answer.status === 200 ? JSON.parse(answer.text.trim().split('\n').at(-1) ?? '') : answer.json
}

function nameInCertificate(): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: 'localhost', servername: 'localhost', port: house.port, ca: house.ca }, () => {
      resolve(
        socket
          .getPeerCertificate()
          .subjectaltname?.split(', ')
          .find((name) => name.startsWith('URI:')),
      )
      socket.destroy()
    }).on('error', reject)
  })
}

beforeAll(async () => {
  writeFileSync(join(folder, 'test.cedar'), POLICIES)
  house = await openHouse((configuration) => ({ ...configuration, policies: folder }))
  engineer = await house.account('engineer', 'ml-engineer')
  scientist = await house.account('scientist', 'data-scientist')
  for (const name of ['plain', 'guarded', 'masked', 'watched', 'shut']) await importRows(name)
}, 60_000)
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('transforms of data sets (A9)', () => {
  it('are edited and run by those who bring data in, each question is asked, and the lineage is shown (B2)', async () => {
    expect((await save('t', definition('plain', 'made', [{ filter: 'age > 18' }]), scientist)).status).toBe(403)
    const saved = await save('t', definition('plain', 'made', [{ filter: 'age > 18' }]))
    expect([saved.status, saved.json.transform.version]).toEqual([200, 1])
    expect((await run('t', scientist)).code).toBe('ERR_POLICY_DENIED')
    expect((await run('t', engineer, { digest: 'a'.repeat(64) })).code).toBe('ERR_CONFLICT')
    expect((await run('t')).result).toMatchObject({ name: 'made', version: 1, rows: 2, subject: 'who', sensitivity: 'confidential' })
    expect((await call(scientist, 'GET', '/transforms/t')).json.versions).toEqual([saved.json.transform])
    const shown = (await call(engineer, 'GET', '/datasets/made')).json
    expect(shown.derivedFrom).toMatchObject({ transform: { name: 't', version: 1 }, sources: [{ name: 'plain', version: 1 }], person: { id: 'engineer' } }) // prettier-ignore
    const [recorded] = await house.entries({ type: 'transform.run' })
    // The name that whoever connects sees in the certificate is the name in the record.
    expect(await nameInCertificate()).toBe(`URI:${(recorded!.event as any).details.process.spiffeId}`)
    const events = (await house.entries({ type: 'control.admission' })).map(({ event }: any) => `${event.action} ${event.resource.type}::${event.resource.id}`) // prettier-ignore
    expect(events).toEqual(expect.arrayContaining(['runTransform Transform::t', 'transform Dataset::plain', 'import System::dataset:made']))
  })

  it('are no way around policies on rows: what is left out stays out (B1)', async () => {
    await save('around', definition('guarded', 'around', [{ filter: 'true' }]))
    expect((await run('around')).result.rows).toBe(2)
  })

  it('are no way around masks: nothing is computed of a masked column (B1)', async () => {
    await save('unmask', definition('masked', 'unmasked', [{ derive: { years: 'age + 0' } }]))
    expect((await run('unmask')).code).toBe('ERR_TRANSFORM_DEFINITION')
    const checked = await call(engineer, 'POST', '/transforms/check', definition('masked', 'x', [{ select: ['who', 'age'] }]))
    expect(checked.json.columns).toContainEqual({ name: 'age', type: 'integer', masked: true })
  })

  it('are no way around policies that name `view` alone: rows, masks, and all of it (B1, B2)', async () => {
    await save('watched', definition('watched', 'seen', [{ filter: 'true' }]))
    expect((await run('watched')).result.rows).toBe(2)
    const shown = (await call(engineer, 'GET', '/datasets/seen/rows')).json
    expect(JSON.stringify(shown)).not.toContain('p-1')
    await save('around-mask', definition('watched', 'unmasked', [{ derive: { years: 'age + 0' } }]))
    expect((await run('around-mask')).code).toBe('ERR_TRANSFORM_DEFINITION')
    await save('shut', definition('shut', 'opened', [{ filter: 'true' }]))
    expect((await run('shut')).code).toBe('ERR_POLICY_DENIED')
    // Joined, as read.
    await save('joins-shut', definition('plain', 'opened', [{ join: { with: 'shut', on: { who: 'who' }, take: ['ward'].map((column) => ({ column, as: 'w' })) } }])) // prettier-ignore
    expect((await run('joins-shut')).code).toBe('ERR_POLICY_DENIED')
    expect((await call(engineer, 'POST', '/transforms/check', definition('shut', 'x', [{ filter: 'true' }]))).json.code).toBe(
      'ERR_POLICY_DENIED',
    )
    expect((await call(engineer, 'GET', '/datasets/opened')).status).toBe(404)
    const [refused] = await house.entries({ type: 'control.refusal' })
    expect(refused!.event).toMatchObject({ resource: { id: 'shut' }, decision: { policies: ['test-no-view'] } })
  })

  it('say where a definition is wrong', async () => {
    const wrong = await call(engineer, 'POST', '/transforms/check', definition('plain', 'x', [{ filter: 'age > 1' }, { filter: 'nope = 1' }])) // prettier-ignore
    expect([wrong.status, wrong.json.code]).toEqual([422, 'ERR_TRANSFORM_DEFINITION'])
    expect(wrong.json.detail).toContain('steps.1.filter: there is no column `nope`')
  })
})
