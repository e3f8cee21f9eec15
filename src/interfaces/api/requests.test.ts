/** What a request may look like, and what an error does. */
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ERROR_TABLE, problemOf, RedoubtError, type ErrorCode } from '#foundation/core'
import { type Answer, testPlane, type TestPlane } from './api.fixtures.ts'
import { TOKEN } from './rooms.fixtures.ts'
import { CSV, TABLE } from './routes.fixtures.ts'

let plane: TestPlane
beforeEach(async () => {
  plane = await testPlane()
})
afterEach(() => plane.close())

const call: TestPlane['call'] = (...asked) => plane.call(...asked)

describe('bodies', () => {
  const post = (body: string, headers: Record<string, string> = { 'content-type': 'application/json' }): Promise<Answer> =>
    call('POST', '/api/v1/keys/rotate', { body, headers })

  it('are strict JSON: no doubled members, no depth without bound, no `__proto__`', async () => {
    const cases: readonly [string, ErrorCode][] = [
      ['{"keyClass":"model","keyClass":"subject"}', 'ERR_INPUT_DUPLICATE_KEY'],
      [`{"keyClass":${'['.repeat(17)}${']'.repeat(17)}}`, 'ERR_INPUT_TOO_DEEP'],
      ['{"__proto__":{}}', 'ERR_INPUT_MALFORMED'],
      ['{', 'ERR_INPUT_MALFORMED'],
      ['', 'ERR_INPUT_MALFORMED'],
    ]
    for (const [body, code] of cases) expect((await post(body)).body).toMatchObject({ code, status: ERROR_TABLE[code].status })
    expect(plane.queries).toEqual([])
  })

  it('are bounded in size', async () => {
    expect((await post(`{"keyClass":"${'x'.repeat(600_000)}"}`)).body.code).toBe('ERR_INPUT_TOO_LARGE')
  })

  it('are bounded in time', async () => {
    const { port } = new URL(plane.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(
      `POST /api/v1/keys/rotate HTTP/1.1\r\nhost: x\r\nauthorization: ${TOKEN}\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{`,
    )
    let text = ''
    for await (const part of socket) text += String(part)
    expect(text).toMatch(/^HTTP\/1\.1 408 /)
    expect(text).toContain('ERR_INPUT_TIMEOUT')
  })

  it('have no members, and addresses no parameters, that the route does not describe', async () => {
    expect((await post('{"keyClass":"model","more":1}')).body.code).toBe('ERR_INPUT_INVALID')
    expect((await call('POST', '/api/v1/enrolment-links', { json: { more: 1 } })).body.code).toBe('ERR_INPUT_INVALID')
    expect((await call('DELETE', '/api/v1/models/credit', { json: { force: true } })).body.code).toBe('ERR_INPUT_INVALID')
    expect((await call('GET', '/api/v1/keys?more=1')).body.code).toBe('ERR_INPUT_INVALID')
    expect(plane.done).toEqual([])
  })

  it('are of the content type that the route reads', async () => {
    for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded'])
      expect((await post('{"keyClass":"model"}', { 'content-type': type })).body.code).toBe('ERR_INPUT_CONTENT_TYPE')
    expect((await call('POST', TABLE, { ...CSV, headers: { 'content-type': 'application/octet-stream' } })).body.code).toBe(
      'ERR_INPUT_CONTENT_TYPE',
    )
    expect((await post('keyClass', { 'content-type': 'text/csv' })).status).toBe(400)
    expect(plane.queries).toEqual([])
  })

  it('name objects by names that are safe in a path', async () => {
    for (const name of ['UPPER', '..', '%2e%2e', 'a%2fb', 'a%20b', 'x'.repeat(64)]) {
      const { status } = await call('DELETE', `/api/v1/models/${name}`)
      expect(`${name} ${status}`).toMatch(/ (?:400|404)$/)
    }
    expect(plane.done).toEqual([])
  })
})

describe('errors', () => {
  it('are RFC 9457 problems with code, next step and request id', async () => {
    const answer = await call('DELETE', '/api/v1/models/absent')
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(answer.body).toEqual({
      type: 'urn:redoubt:error:ERR_MODEL_UNKNOWN',
      title: ERROR_TABLE.ERR_MODEL_UNKNOWN.title,
      status: 404,
      detail: 'there is no model `absent`',
      code: 'ERR_MODEL_UNKNOWN',
      next: ERROR_TABLE.ERR_MODEL_UNKNOWN.next,
      requestId: answer.headers.get('x-request-id'),
    })
    expect((await call('GET', '/api/v1/nothing')).body).toMatchObject({ code: 'ERR_ROUTE_UNKNOWN', status: 404 })
  })

  it('keep what went wrong inside to themselves', async () => {
    plane.failure = new TypeError('a secret detail')
    const answer = await call('GET', '/api/v1/keys')
    expect(answer.body).toMatchObject({ status: 500, code: 'ERR_INTERNAL', detail: ERROR_TABLE.ERR_INTERNAL.title })
    expect(answer.text).not.toContain('secret')
  })

  it('name their evidence, which never replaces the members of the problem', () => {
    expect(problemOf(new RedoubtError('ERR_DATA_RAGGED', 'line 3', { evidence: { line: 3 } }), 'req_1')).toMatchObject({
      line: 3,
      status: 422,
    })
    const hostile = new RedoubtError('ERR_DATA_RAGGED', 'line 3', { evidence: { status: 200, code: 'ERR_NONE', type: 'x' } })
    expect(problemOf(hostile, 'req_1')).toMatchObject({ status: 422, code: 'ERR_DATA_RAGGED', type: 'urn:redoubt:error:ERR_DATA_RAGGED' })
  })
})
