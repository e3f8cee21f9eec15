import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testPlane, type TestPlane } from './api.fixtures.ts'
import { RESTORED, TOKEN } from './rooms.fixtures.ts'

let plane: TestPlane
beforeEach(async () => {
  plane = await testPlane()
})
afterEach(() => plane.close())

async function restore(json: unknown): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`${plane.url}/api/v1/vault/restore`, {
    method: 'POST',
    headers: { authorization: TOKEN, 'content-type': 'application/json' },
    body: JSON.stringify(json),
  })
  return { status: response.status, text: await response.text() }
}
const OTHER = `[[PERSON_${'c'.repeat(24)}]]`

describe('turning tokens back (C6)', () => {
  it('is decided as a use of the key of the vault, and on record, without values, before a value leaves', async () => {
    const { status, text } = await restore({ tokens: [RESTORED.token, OTHER, OTHER] })
    expect(status).toBe(200)
    expect(JSON.parse(text)).toEqual({ values: [RESTORED], missing: 1 })
    expect(plane.queries.map(({ action, resource }) => [action, resource.type, resource.id])).toEqual([['useKey', 'Key', 'vault']])
    expect(plane.events.map(({ type }) => type)).toEqual(['control.admission', 'vault.restore'])
    expect(plane.events[1]).toMatchObject({ details: { tokens: 2, restored: { EMAIL_ADDRESS: 1 }, subjects: ['pseudonym-of-jane'] } })
    expect(text).not.toContain('pseudonym')
    for (const secret of [RESTORED.value, RESTORED.token]) expect(JSON.stringify(plane.events)).not.toContain(secret)
  })

  it('is refused by the policies, and when it cannot be recorded', async () => {
    plane.effect = 'deny'
    expect(await restore({ tokens: [RESTORED.token] })).toMatchObject({ status: 403 })
    expect(plane.done).toEqual([])
    plane.effect = 'allow'
    plane.logDown = true
    const { status, text } = await restore({ tokens: [RESTORED.token] })
    expect(status).toBe(503)
    expect(text).not.toContain(RESTORED.value)
  })

  it('takes tokens alone, and not too many', async () => {
    for (const tokens of [[], ['x'], [`${RESTORED.token} `], Array.from({ length: 1_001 }, () => OTHER), OTHER])
      expect((await restore({ tokens })).status).toBe(400)
    expect(plane.done).toEqual([])
  })
})
