/** A control plane whose rooms note what is asked of them, behind a plain server on loopback; the composition root puts TLS there. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Api, createApi } from './api.ts'
import { caller, type Knobs, obedientRooms, TOKEN, type Told } from './rooms.fixtures.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The text as JSON; throws when it is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test looks for what it expects
  readonly body: any
}

export interface Ask {
  readonly json?: unknown
  readonly body?: string
  readonly headers?: Record<string, string>
}

export interface TestPlane extends Knobs, Told {
  readonly api: Api
  readonly url: string
  /** As the caller that the knobs name. */
  call(method: string, path: string, ask?: Ask): Promise<Answer>
  close(): Promise<void>
}

export async function testPlane(): Promise<TestPlane> {
  const knobs: Knobs = { effect: 'allow', rule: null, caller, logDown: false, failure: null, first: null, groups: null, lines: null }
  const told: Told = { events: [], queries: [], done: [], noted: [] }
  const api = await createApi(obedientRooms(knobs, told))
  const server = createServer(api.handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(knobs, told, {
    api,
    url,
    async call(method: string, path: string, ask: Ask = {}) {
      const body = ask.json === undefined ? ask.body : JSON.stringify(ask.json)
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { authorization: TOKEN, ...(ask.json === undefined ? {} : { 'content-type': 'application/json' }), ...ask.headers },
        ...(body === undefined ? {} : { body }),
      })
      const text = await response.text()
      return {
        status: response.status,
        headers: response.headers,
        text,
        get body() {
          return JSON.parse(text)
        },
      }
    },
    async close() {
      await api.close()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}
