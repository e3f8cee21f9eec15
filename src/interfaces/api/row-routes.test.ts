/** Rows on their way to a caller who may not have them any more, or who takes more than a share. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testPlane, type TestPlane } from './api.fixtures.ts'
import { caller, TOKEN } from './rooms.fixtures.ts'
import { SlowClients, until, WITHIN_MS } from './slow-client.fixtures.ts'
import { MAX_OF_ONE } from './heavy-work.ts'

let plane: TestPlane
const clients = new SlowClients()
beforeEach(async () => {
  plane = await testPlane()
})
afterEach(async () => {
  clients.hangUp()
  await plane.close()
})

const ask = (path: string, method = 'GET'): Promise<Response> =>
  fetch(`${plane.url}/api/v1/datasets/credit/${path}`, {
    method,
    headers: { authorization: TOKEN, ...(path === 'query' ? { 'content-type': 'application/json' } : {}) },
    ...(path === 'query' ? { body: '{}' } : {}),
  })
const as = (id: string): void => void (plane.caller = { ...caller, facts: { ...caller.facts, id } })
const codeOf = async (answer: Promise<Response>): Promise<string> => ((await (await answer).json()) as { code: string }).code
/** Groups of a mebibyte without end. */
async function* endless(): AsyncGenerator {
  for (;;) yield { rows: 1, columns: [{ name: 'a', type: 'text', values: ['x'.repeat(2 ** 20)] }] }
}
/** Asks for an export and reads none of it. */
const standStill = () => clients.standStill(plane.url, 'POST', '/datasets/credit/export')
const admitted = (): number => plane.events.filter(({ type }) => type === 'control.admission').length
const refusals = () => plane.events.filter(({ type }) => type === 'control.refusal')

describe('rows on their way (B8)', () => {
  it.each(['rows', 'query'])('%s: are not told to a caller who may not any more, within a second, and the record says so', async (path) => {
    plane.first = (signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      })
    plane.groups = async function* () {
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        yield { group: { rows: 1, columns: [{ name: 'a', type: 'text', values: ['x'] }] }, subjects: null }
      }
    }
    const answer = codeOf(ask(path, path === 'query' ? 'POST' : 'GET'))
    await until(() => admitted() === 1)
    plane.effect = 'deny'
    const changed = performance.now()
    expect(await answer).toBe('ERR_POLICY_DENIED')
    expect(performance.now() - changed).toBeLessThan(WITHIN_MS)
    expect(refusals()).toMatchObject([{ action: path === 'query' ? 'query' : 'view', code: 'ERR_POLICY_DENIED' }])
  })

  it('are asked about once more when they are read, before they are told', async () => {
    plane.first = async () => {
      plane.effect = 'deny'
      return { columns: [], masked: [], hidden: [], condition: null, rows: [['secret']], failed: 0, more: false } as never
    }
    const answer = await (await ask('rows')).text()
    expect(answer).toContain('ERR_POLICY_DENIED')
    expect(answer).not.toContain('secret')
    expect(refusals()).toHaveLength(1)
  })

  it('are cut although the reader stands still, and make room for others', async () => {
    plane.groups = endless
    for (const id of ['ada', 'bob']) {
      as(id)
      standStill()
      await until(() => admitted() === (id === 'ada' ? 1 : 2))
    }
    // Both places are taken; a third waits.
    as('carol')
    plane.groups = async function* () {}
    const third = ask('export', 'POST')
    await until(() => admitted() === 3)
    plane.rule = ({ principal }) => principal.id === 'carol'
    const changed = performance.now()
    expect((await third).status).toBe(200)
    expect(performance.now() - changed).toBeLessThan(WITHIN_MS)
    await until(() => refusals().length === 2)
    expect(
      refusals()
        .map(({ actor }) => actor.id)
        .toSorted(),
    ).toEqual(['ada', 'bob'])
    expect(plane.done.filter((what) => what === 'record export')).toHaveLength(1)
  })
})

describe('what one caller takes', () => {
  it('leaves a place to others, and is bounded', async () => {
    plane.groups = endless
    as('ada')
    for (let n = 1; n <= MAX_OF_ONE; n++) {
      standStill()
      await until(() => admitted() === n)
    }
    expect(await codeOf(ask('export', 'POST'))).toBe('ERR_BUSY')
    expect(await codeOf(ask('rows'))).toBe('ERR_BUSY')
    as('bob')
    expect((await ask('rows')).status).toBe(200)
  })
})
