import { request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { testPlane, type TestPlane } from './api.fixtures.ts'
import { TOKEN } from './rooms.fixtures.ts'

let plane: TestPlane
beforeEach(async () => {
  plane = await testPlane()
})
afterEach(() => plane.close())

const ROWS = '/api/v1/datasets/collected/rows'
const send = (body: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${plane.url}${ROWS}`, {
    method: 'POST',
    body,
    headers: { authorization: TOKEN, 'content-type': 'application/x-ndjson', ...headers },
  })

describe('rows that come in', () => {
  it('are added by nobody whose right ended while they were on their way (B8)', async () => {
    const { port } = new URL(plane.url)
    const headers = { authorization: TOKEN, 'content-type': 'application/x-ndjson' }
    const sent = request({ host: '127.0.0.1', port, path: ROWS, method: 'POST', headers })
    const answered = new Promise<number | undefined>((resolve) => sent.on('response', (answer) => resolve(answer.resume().statusCode)))
    sent.write('{"a":"x"}\n')
    while (plane.events.length === 0) await wait(5)
    plane.effect = 'deny'
    sent.end()
    expect(await answered).toBe(403)
    expect(plane.done).not.toContain('append rows')
    expect(plane.events.map(({ type }) => type)).toEqual(['control.admission', 'control.refusal'])
  })

  it('that do not fit are on record as refused, with the code and no value', async () => {
    const answer = await send('{"a":"canary","b":"canary"}\n')
    expect(answer.status).toBe(422)
    expect(plane.events.at(-1)).toMatchObject({ type: 'control.refusal', action: 'appendRows', code: 'ERR_DATA_ROWS' })
    expect(JSON.stringify(plane.events)).not.toContain('canary')
    expect(plane.done).not.toContain('append rows')
  })

  it('are told when to come back (RFC 9110 §10.2.3)', async () => {
    plane.failure = new RedoubtError('ERR_BUSY', 'full', { evidence: { retryAfterMs: 1_500 } })
    const answer = await send('{"a":"x"}\n')
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2'])
  })
})
