/** Every route: a token, a decision, a record, and only then the act. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testPlane, type TestPlane } from './api.fixtures.ts'
import { caller } from './rooms.fixtures.ts'
import { APPROVAL, REVIEW, ROUTES, USER } from './routes.fixtures.ts'

let plane: TestPlane
beforeEach(async () => {
  plane = await testPlane()
})
afterEach(() => plane.close())

const call: TestPlane['call'] = (...asked) => plane.call(...asked)

const TESTED_ELSEWHERE = [
  'PUT /api/v1/pipelines/redoubt/:algorithm',
  // `test/house/erasing.test.ts`.
  'POST /api/v1/datasets/:name/shred',
  // `test/house/explanations.test.ts`.
  'POST /api/v1/models/:name/explain',
  'GET /api/v1/audit/explanations/:requestId',
  'POST /api/v1/break-glass',
  'POST /api/v1/break-glass/:id/review',
  'GET /api/v1/access/reviews',
  'GET /api/v1/access/reviews/:id',
  'POST /api/v1/reviews',
  'GET /api/v1/reviews/:id',
  'POST /api/v1/reviews/:id/release',
  'POST /api/v1/reviews/:id/reject',
  'POST /api/v1/reviews/:id/override',
  'GET /api/v1/reviews/:id/answer',
]
/** Routes that demand a token and nothing more: they tell the caller of itself, or show of a list what it may see. */
const FOR_EVERYONE_WITH_A_TOKEN = [
  'GET /api/v1/whoami',
  'POST /api/v1/me/links',
  'GET /api/v1/me/recoveries',
  'GET /api/v1/approvals',
  'GET /api/v1/collections',
  'GET /api/v1/datasets',
  'GET /api/v1/models',
  'GET /api/v1/pipelines',
  'GET /api/v1/transforms',
  'GET /api/v1/transform-runs',
]

const patternOf = (method: string, path: string): string => {
  const plain = path.split('?')[0] ?? ''
  const fits = (pattern: string): boolean =>
    pattern.split('/').length === plain.split('/').length &&
    pattern.split('/').every((part, i) => part.startsWith(':') || part === plain.split('/')[i])
  const found = plane.api.routes.filter((route) => route.method === method && fits(route.path))
  const exact = found.find((route) => !route.path.includes(':')) ?? found[0]
  return `${method} ${exact?.path}`
}

describe('every route of the control plane', () => {
  it('is tested here', () => {
    const tested = [
      ...ROUTES.map(([method, path]) => patternOf(method, path)),
      ...FOR_EVERYONE_WITH_A_TOKEN,
      ...TESTED_ELSEWHERE,
      'GET /api/openapi.json',
    ]
    expect(plane.api.routes.map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual(tested.toSorted())
  })

  it('demands a token but for one that holds no data (B8)', async () => {
    expect(plane.api.routes.filter(({ open }) => open !== null).map(({ path }) => path)).toEqual(['/api/openapi.json'])
    for (const { method, path } of plane.api.routes) {
      if (path === '/api/openapi.json') continue
      const answer = await call(method, path.replace(/:\w+/g, '1'), { headers: { authorization: 'Bearer bad' } })
      expect(`${method} ${path} ${answer.status} ${answer.body.code}`).toBe(`${method} ${path} 401 ERR_TOKEN_SIGNATURE`)
      expect(answer.headers.get('www-authenticate')).toContain('Bearer')
    }
    expect([plane.queries, plane.events, plane.done]).toEqual([[], [], []])
  })

  it.each([
    ['GET', '/api/v1/sessions', undefined],
    ['DELETE', `/api/v1/sessions/ses_${'A'.repeat(22)}`, undefined],
    ['POST', '/api/v1/me/links', undefined],
    ['POST', `/api/v1/users/${USER}/recoveries`, undefined],
    ['POST', `/api/v1/recoveries/rec_${'A'.repeat(22)}/approve`, undefined],
    ['POST', `/api/v1/recoveries/rec_${'A'.repeat(22)}/deny`, undefined],
    ['POST', `/api/v1/access/reviews/${REVIEW}/items/1/revoke`, undefined],
    ['POST', `/api/v1/approvals/${APPROVAL}/approve`, { digest: 'a'.repeat(64) }],
    ['POST', `/api/v1/approvals/${APPROVAL}/deny`, { reason: 'no' }],
  ])('is closed to a program that acts for a person where it is about the person themselves: %s %s (B5)', async (method, path, json) => {
    // The owner of the session that the fixture knows, with a token that was given in exchange for theirs.
    const facts = { ...caller.facts, type: 'User', id: `user_${'B'.repeat(22)}` }
    const own = { ...caller, facts, mfaLevel: 3, authTime: Date.now(), sessionId: `ses_${'A'.repeat(22)}` }
    plane.caller = { ...own, onBehalfBy: 'assistant' }
    const ask = json === undefined ? {} : { json }
    expect(await call(method, path, ask)).toMatchObject({ status: 403, body: { code: 'ERR_TOKEN_DELEGATED' } })
    expect(plane.done).toEqual([])
    plane.caller = own
    expect((await call(method, path, ask)).status).toBeLessThan(300)
    expect(plane.done).toHaveLength(1)
  })

  it('tells a person which factors would do, and a program that it may not (B7, RFC 9470)', async () => {
    const person = { ...caller, facts: { ...caller.facts, type: 'User' }, mfaLevel: 2, authTime: Date.now() - 3_600_000 }
    for (const [who, status, code] of [
      [person, 401, 'ERR_STEP_UP_REQUIRED'],
      [caller, 403, 'ERR_POLICY_DENIED'],
    ] as const) {
      plane.events.length = plane.noted.length = 0
      plane.caller = who
      plane.rule = ({ context }) => context.mfaLevel >= 3 && context.mfaAge <= 300
      const answer = await call('GET', '/api/v1/keys')
      plane.caller = caller
      plane.rule = null
      expect([answer.status, answer.body.code]).toEqual([status, code])
      expect(plane.events).toMatchObject([{ type: 'control.refusal', code, outcome: 'refused' }])
      expect(plane.noted).toEqual([false])
      if (status === 403) continue
      expect(answer.body).toMatchObject({ acr_values: '3', max_age: 300, next: expect.stringContaining('redoubt login') })
      expect(answer.headers.get('www-authenticate')).toBe(
        'Bearer error="insufficient_user_authentication", error_description="this needs a hardware-bound security key, shown within the last 5 min", acr_values="3", max_age="300"',
      )
    }
  })

  it('asks for a decision, records the yes, and only then does anything (B1, E3)', async () => {
    for (const [method, path, init, action, done] of ROUTES) {
      plane.events.length = plane.queries.length = plane.done.length = 0
      const answer = await call(method, path, init)
      expect(`${method} ${path} ${answer.status}`).toMatch(/ (?:200|201|404)$/)
      expect(plane.queries[0], path).toMatchObject({
        action,
        principal: { id: 'caller' },
        context: { purpose: 'audit', sourceAddress: '127.0.0.1' },
      })
      expect(plane.events[0], path).toMatchObject({
        type: 'control.admission',
        action,
        outcome: 'success',
        requestId: answer.headers.get('x-request-id'),
        decision: { effect: 'allow', policySet: 'set' },
        details: { method, tokenId: 'token-1' },
      })
      expect(plane.done.join(', '), path).toMatch(done)
    }
  })

  it('does nothing when the decision is no, and records it (B1, E3)', async () => {
    plane.effect = 'deny'
    for (const [method, path, init, action] of ROUTES) {
      plane.events.length = 0
      const answer = await call(method, path, init)
      expect(`${method} ${path} ${answer.status} ${answer.body.code}`).toBe(`${method} ${path} 403 ERR_POLICY_DENIED`)
      expect(plane.events, path).toEqual([
        expect.objectContaining({ type: 'control.refusal', action, outcome: 'refused', code: 'ERR_POLICY_DENIED' }),
      ])
    }
    expect(plane.done).toEqual([])
  })

  it('does nothing when the decision cannot be recorded (E3)', async () => {
    plane.logDown = true
    for (const [method, path, init] of ROUTES) {
      const answer = await call(method, path, init)
      expect(`${method} ${path} ${answer.status} ${answer.body.code}`).toBe(`${method} ${path} 503 ERR_AUDIT_UNAVAILABLE`)
    }
    expect(plane.done).toEqual([])
  })

  it('shows in a list what the caller may view, and no more', async () => {
    expect((await call('GET', '/api/v1/datasets')).body.datasets.length).toBe(1)
    expect((await call('GET', '/api/v1/models')).body.models.length).toBe(1)
    // How many rows of its data set were kept back is not for whoever may see a model.
    for (const path of ['/api/v1/models', '/api/v1/models/credit']) {
      const { text } = await call('GET', path)
      expect([text.includes('"admitted":7'), text.includes('4711')]).toEqual([true, false])
    }
    expect((await call('GET', '/api/v1/datasets/credit')).body).toMatchObject({ name: 'credit', scan: null, isStricter: false })
    expect((await call('GET', '/api/v1/datasets/absent')).body.code).toBe('ERR_DATA_UNKNOWN')
    expect((await call('GET', '/api/v1/pipelines')).body.pipelines.length).toBe(1)
    expect((await call('GET', '/api/v1/transforms')).body.transforms.length).toBe(1)
    plane.effect = 'deny'
    expect((await call('GET', '/api/v1/pipelines')).body.pipelines).toEqual([])
    expect((await call('GET', '/api/v1/transforms')).body.transforms).toEqual([])
    expect((await call('GET', '/api/v1/datasets')).body.datasets).toEqual([])
    expect((await call('GET', '/api/v1/models')).body.models).toEqual([])
  })
})

describe('the description of the interface', () => {
  it('is open, and names every route and the token that it demands', async () => {
    const { body } = await call('GET', '/api/openapi.json', { headers: { authorization: '' } })
    expect(body).toMatchObject({ openapi: '3.1.0', security: [{ token: [] }] })
    for (const { method, path } of plane.api.routes) {
      if (path === '/api/openapi.json') continue
      const described = body.paths[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]
      expect(described?.summary, `${method} ${path}`).toMatch(/\w/)
    }
  })
})
