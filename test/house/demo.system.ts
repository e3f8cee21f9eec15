/** The tour leaves a server as it was, but for the log: whoever is on call the next day looks for nothing that was only shown. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type House, openHouse } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'

let house: House
beforeAll(async () => {
  house = await openHouse()
})
afterAll(() => house.close())

const alerts = async (state: string): Promise<readonly { kind: string; subject: { id: string } }[]> =>
  (await house.call('GET', `/api/v1/alerts?state=${state}`, { token: house.token })).json.alerts

it('shows that a tampered model raises an alert, and takes note of it itself', async () => {
  const { code, out, err } = await runRedoubt(house, ['demo'])
  expect([code, err]).toEqual([0, ''])
  expect(out).toMatch(/^a tampered model file is not loaded .* 422 ERR_MODEL_SIGNATURE/m)
  expect(await alerts('open')).toEqual([])
  expect(await alerts('acknowledged')).toEqual([
    expect.objectContaining({ kind: 'model.refused', subject: { type: 'Model', id: expect.stringMatching(/^demo-tampered-/) } }),
  ])
  const left = (path: string): Promise<string> => house.call('GET', `/api/v1${path}`, { token: house.token }).then(({ text }) => text)
  for (const path of ['/datasets', '/models', '/policies']) expect(await left(path), path).not.toContain('demo-')
})
