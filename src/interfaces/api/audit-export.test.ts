/** The log on its way to a caller who may not have it any more, or who does not read (B8). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { testPlane, type TestPlane } from './api.fixtures.ts'
import { TOKEN } from './rooms.fixtures.ts'
import { SlowClients, until, WITHIN_MS } from './slow-client.fixtures.ts'

let plane: TestPlane
const clients = new SlowClients()
beforeEach(async () => {
  plane = await testPlane()
})
afterEach(async () => {
  clients.hangUp()
  await plane.close()
})

const ask = (query = ''): Promise<Response> => fetch(`${plane.url}/api/v1/audit/export${query}`, { headers: { authorization: TOKEN } })
const ofType = (type: string) => plane.events.filter((event) => event.type === type)
let given = 0
async function* endless(): AsyncGenerator<Buffer> {
  for (given = 0; ; given++) yield Buffer.alloc(2 ** 16, 0x61)
}
/** Asks for an export and reads none of it. */
const standStill = () => clients.standStill(plane.url, 'GET', '/audit/export')

describe('an export of the log (B8)', () => {
  it('is recorded before its first byte, and its end before the last', async () => {
    plane.lines = async function* () {
      expect(ofType('audit.export')).toMatchObject([{ action: 'exportAudit', resource: { type: 'Log' }, outcome: 'success' }])
      expect(ofType('audit.exported')).toEqual([])
      yield Buffer.from('{}\n')
    }
    const answer = await ask()
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
    expect(await answer.text()).toBe('{}\n{"closing":{}}\n')
    expect(ofType('audit.exported')).toMatchObject([{ outcome: 'success', details: { entries: 0, digest: '' } }])
  })

  it('gives out nothing when its beginning cannot be recorded', async () => {
    plane.lines = async function* () {
      yield Buffer.from('secret\n')
    }
    plane.rule = () => {
      // Of the record of the admission there is just enough room.
      queueMicrotask(() => void (plane.logDown = true))
      return true
    }
    const answer = await ask()
    expect(answer.status).toBe(503)
    expect(await answer.text()).not.toContain('secret')
  })

  it('has no closing line when its end cannot be recorded', async () => {
    plane.lines = async function* () {
      yield Buffer.from('{}\n')
      plane.logDown = true
    }
    await expect(ask().then((answer) => answer.text())).rejects.toThrow()
  })

  it('goes at the pace of its reader, and is cut within a second when they may not any more, though they stand still', async () => {
    plane.lines = endless
    standStill()
    await until(() => given > 0)
    // What the kernel holds for a connection, and then nothing more.
    let before = -1
    while (before !== given) {
      before = given
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    expect(given).toBeLessThan(500)
    plane.effect = 'deny'
    const changed = performance.now()
    await until(() => ofType('audit.exported').length === 1)
    expect(performance.now() - changed).toBeLessThan(WITHIN_MS)
    expect(ofType('audit.exported')).toMatchObject([{ outcome: 'failed', code: 'ERR_POLICY_DENIED', details: { entries: 7 } }])
    expect(ofType('control.refusal')).toMatchObject([{ action: 'exportAudit', code: 'ERR_POLICY_DENIED' }])
  })

  it('is asked about once more before the line that closes it', async () => {
    plane.lines = async function* () {
      yield Buffer.from('{}\n')
      plane.effect = 'deny'
    }
    await expect(ask().then((answer) => answer.text())).rejects.toThrow()
    expect(ofType('audit.exported')).toMatchObject([{ outcome: 'failed', code: 'ERR_POLICY_DENIED' }])
  })

  it('that fails before its first line is refused as anything else', async () => {
    plane.lines = async function* () {
      yield await Promise.reject<Buffer>(new RedoubtError('ERR_AUDIT_CORRUPT'))
    }
    const answer = await ask()
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([500, 'ERR_AUDIT_CORRUPT'])
    expect((await ask('?limit=1')).status).toBe(400)
    expect((await ask('?actor=nobody')).status).toBe(400)
  })
})
