/** A control plane whose rooms note what is asked of them, behind a plain server on loopback; the composition root puts TLS there. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Api, createApi } from './api.ts'
import { caller, type Knobs, obedientRooms, type Told } from './rooms.fixtures.ts'

export interface TestPlane extends Knobs, Told {
  readonly api: Api
  readonly url: string
  close(): Promise<void>
}

export async function testPlane(): Promise<TestPlane> {
  const knobs: Knobs = { effect: 'allow', rule: null, caller, logDown: false, failure: null, first: null, groups: null, lines: null }
  const told: Told = { events: [], queries: [], done: [], noted: [] }
  const api = await createApi(obedientRooms(knobs, told))
  const server = createServer(api.handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(knobs, told, {
    api,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      await api.close()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}
