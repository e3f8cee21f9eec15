/** What no policy can permit. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testPlane, type TestPlane } from './api.fixtures.ts'
import { caller } from './rooms.fixtures.ts'
import { APPROVAL, PIPELINE, REVIEW, USER } from './routes.fixtures.ts'

let plane: TestPlane
beforeEach(async () => {
  plane = await testPlane()
})
afterEach(() => plane.close())

const call: TestPlane['call'] = (...asked) => plane.call(...asked)

describe('D10: a review', () => {
  it('is no program’s in production, whatever the policies say', async () => {
    const review = `/api/v1/reviews/rev_${'A'.repeat(22)}`
    plane.done.length = 0
    for (const [method, path, json] of [
      ['GET', review, undefined],
      ['POST', `${review}/release`, {}],
      ['POST', `${review}/reject`, { reason: 'r' }],
      ['POST', `${review}/override`, { override: { text: 't' }, reason: 'r' }],
    ] as const) {
      const { status, body } = await call(method, path, json === undefined ? {} : { json })
      expect([status, body.code], path).toEqual([403, 'ERR_POLICY_DENIED'])
    }
    expect(plane.done).toEqual([])
  })
})

describe('a built-in pipeline (B2)', () => {
  it('is edited by nobody, whatever the policies say, and who tries is on record', async () => {
    const answer = await call('PUT', '/api/v1/pipelines/redoubt/mlp', { json: PIPELINE })
    expect([answer.status, answer.body.code]).toEqual([409, 'ERR_CONFLICT'])
    expect(plane.events).toMatchObject([{ action: 'editPipeline', resource: { type: 'Pipeline', id: 'redoubt/mlp' } }])
    expect(plane.queries[0]?.resource.attributes).toMatchObject({ builtIn: true })
    expect(plane.done).toEqual([])
  })
})

describe('a program that acts for a person (B1, B4)', () => {
  const NOT_LENT: readonly (readonly [path: string, json: object])[] = [
    [`/approvals/${APPROVAL}/approve`, { digest: 'a'.repeat(64) }],
    [`/approvals/${APPROVAL}/deny`, { reason: 'r' }],
    ['/break-glass', { action: 'administer', resource: { type: 'Model', id: 'credit' }, reason: 'r' }],
    [`/break-glass/bg_${'A'.repeat(22)}/review`, { finding: 'f' }],
    ['/access/reviews', {}],
    [`/access/reviews/${REVIEW}/items/1/attest`, {}],
    [`/access/reviews/${REVIEW}/items/1/revoke`, {}],
    [`/recoveries/rec_${'A'.repeat(22)}/approve`, {}],
    [`/reviews/${REVIEW}/release`, {}],
    [`/reviews/${REVIEW}/reject`, { reason: 'r' }],
    [`/reviews/${REVIEW}/override`, { override: { text: 't' }, reason: 'r' }],
  ]

  it('agrees to nothing, excepts nothing and reviews nothing, whatever the policies say, and the record says why', async () => {
    const person = { ...caller, facts: { ...caller.facts, type: 'User', id: USER }, mfaLevel: 3 as const }
    plane.caller = { ...person, onBehalfBy: 'assistant' }
    for (const [path, json] of NOT_LENT) {
      plane.events.length = 0
      const answer = await call('POST', `/api/v1${path}`, json === undefined ? {} : { json })
      expect(`${path} ${answer.status} ${answer.body.code}`).toBe(`${path} 403 ERR_TOKEN_DELEGATED`)
      expect(plane.events).toMatchObject([{ type: 'control.refusal', code: 'ERR_TOKEN_DELEGATED', details: { onBehalfBy: 'assistant' } }])
    }
    expect(plane.done).toEqual([])
    // The person does.
    plane.caller = person
    for (const [path, json] of NOT_LENT) {
      const answer = await call('POST', `/api/v1${path}`, { json })
      expect(answer.body.code, path).not.toBe('ERR_TOKEN_DELEGATED')
    }
    expect(plane.done).toEqual(
      expect.arrayContaining(['approve', 'deny', 'review grant', 'start access review', 'attest', 'revoke', 'release review']),
    )
  })
})

describe('break-glass in production (B3)', () => {
  const ASK = { json: { action: 'invoke', resource: { type: 'Log', id: 'audit' }, reason: 'r' } }

  it('is for people with two factors, whatever the policies say', async () => {
    for (const [path, init] of [
      ['', ASK],
      [`/bg_${'A'.repeat(22)}/review`, { json: { finding: 'f' } }],
    ] as const) {
      const answer = await call('POST', `/api/v1/break-glass${path}`, init)
      expect(`${answer.status} ${answer.body.code}`).toBe('403 ERR_BREAK_GLASS')
    }
    expect(plane.events.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual(['respond success', 'respond success'])
    expect(plane.done).toEqual([])
  })

  it('asks for a decision, and records the no', async () => {
    plane.effect = 'deny'
    for (const [method, path, init] of [
      ['POST', '/break-glass', ASK],
      ['POST', `/break-glass/bg_${'A'.repeat(22)}/review`, { json: { finding: 'f' } }],
      ['GET', '/access/reviews', {}],
      ['GET', `/access/reviews/${REVIEW}`, {}],
    ] as const) {
      plane.events.length = 0
      expect((await call(method, `/api/v1${path}`, init)).body.code).toBe('ERR_POLICY_DENIED')
      expect(plane.events).toMatchObject([{ type: 'control.refusal', outcome: 'refused' }])
    }
    expect(plane.done).toEqual([])
  })
})
