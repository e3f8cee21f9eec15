import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type House, type HouseAccount, openHouse, starterRow } from './house.fixture.ts'

let house: House
let application: HouseAccount
beforeAll(async () => {
  house = await openHouse()
  application = await house.account('bad-input')
})
afterAll(() => house.close())

interface Target {
  readonly path: string
  readonly method: 'POST' | 'PUT'
  readonly surface: 'openai' | 'anthropic' | 'open-inference' | 'problem'
  /** A body that would be accepted; null where the route takes none. */
  readonly good: Readonly<Record<string, unknown>> | null
  /** One member of it with a value of the wrong type. */
  readonly mistyped: Readonly<Record<string, unknown>>
  readonly maxBytes: number
}

const MIB = 1024 * 1024
const CONTROL_BYTES = 512 * 1024
const CHAT = { model: 'assistant', messages: [{ role: 'user', content: 'hello' }] }

const MESSAGES = { ...CHAT, max_tokens: 10 }

/** Every route that takes JSON. A route that is not here, in `STREAMS` or in `FORMS` fails the first test. */
const TARGETS: readonly Target[] = [
  {
    path: '/v1/responses',
    method: 'POST',
    surface: 'openai',
    good: { model: 'assistant', input: 'hello' },
    mistyped: { input: [{ role: 'user' }] },
    maxBytes: 4 * MIB,
  },
  {
    path: '/v1/messages',
    method: 'POST',
    surface: 'anthropic',
    good: MESSAGES,
    mistyped: { max_tokens: '10' },
    maxBytes: 4 * MIB,
  },
  {
    path: '/v1/messages/count_tokens',
    method: 'POST',
    surface: 'anthropic',
    good: { model: MESSAGES.model, messages: MESSAGES.messages },
    mistyped: { system: 7 },
    maxBytes: 4 * MIB,
  },
  {
    path: '/v1/completions',
    method: 'POST',
    surface: 'openai',
    good: { model: 'assistant', prompt: 'hello' },
    mistyped: { prompt: 7 },
    maxBytes: 4 * MIB,
  },
  {
    path: '/v1/embeddings',
    method: 'POST',
    surface: 'openai',
    good: { model: 'assistant', input: ['hello'] },
    mistyped: { input: [[]] },
    maxBytes: 4 * MIB,
  },
  { path: '/v1/chat/completions', method: 'POST', surface: 'openai', good: CHAT, mistyped: { messages: 'hello' }, maxBytes: 4 * MIB },
  {
    path: '/v2/models/:m/infer',
    method: 'POST',
    surface: 'open-inference',
    good: starterRow(),
    mistyped: { inputs: 7 },
    maxBytes: 8 * MIB,
  },
  {
    path: '/v2/models/:m/versions/:v/infer',
    method: 'POST',
    surface: 'open-inference',
    good: starterRow(),
    mistyped: { id: 7 },
    maxBytes: 8 * MIB,
  },
  control(
    'POST',
    '/service-accounts',
    { name: 'never', roles: ['application'], purpose: 'x', legalBasis: 'contract' },
    { roles: 'application' },
  ),
  control('POST', '/service-accounts/:name/disable', null, {}),
  control('POST', '/service-accounts/:name/rotate', { certificate: 'none' }, { certificate: 7 }),
  control('POST', '/enrolment-links', null, {}),
  control('POST', '/alerts/:id/acknowledge', null, {}),
  control('POST', '/alerts/test', null, {}),
  control('POST', '/approvals', { offer: `off_${'A'.repeat(22)}`, reason: 'a test' }, { reason: 7 }),
  control('POST', '/approvals/:id/approve', { digest: 'a'.repeat(64) }, { digest: 7 }),
  control('POST', '/approvals/:id/deny', { reason: 'a test' }, { reason: 7 }),
  control('POST', '/approvals/:id/withdraw', null, {}),
  control(
    'POST',
    '/break-glass',
    { action: 'administer', resource: { type: 'Model', id: 'credit' }, reason: 'a test', minutes: 1 },
    { minutes: '1' },
  ),
  control('POST', '/break-glass/:id/end', null, {}),
  control('POST', '/break-glass/:id/review', { finding: 'a test' }, { finding: 7 }),
  control('POST', '/access/reviews', { days: 1 }, { days: '1' }),
  control('POST', '/access/reviews/:id/items/:item/attest', null, {}),
  control('POST', '/access/reviews/:id/items/:item/revoke', null, {}),
  control('POST', '/reviews', { requestId: `req_${'A'.repeat(22)}`, reason: 'a test' }, { reason: 7 }),
  control('POST', '/reviews/:id/release', { comment: 'a test' }, { comment: 7 }),
  control('POST', '/reviews/:id/reject', { reason: 'a test' }, { reason: 7 }),
  control('POST', '/reviews/:id/override', { override: { text: 'a test' }, reason: 'a test' }, { override: { text: 7 } }),
  control('POST', '/users', { loginName: 'never', roles: ['auditor'], purpose: 'x', legalBasis: 'contract' }, { loginName: 7 }),
  control('POST', '/users/:id/disable', null, {}),
  control('POST', '/users/:id/enable', null, {}),
  control('PUT', '/users/:id/rights', { groups: [] }, { groups: 'all' }),
  control('POST', '/users/:id/links', null, {}),
  control('POST', '/users/:id/recoveries', null, {}),
  control('POST', '/recoveries/:id/approve', null, {}),
  control('POST', '/recoveries/:id/deny', null, {}),
  control('POST', '/me/links', null, {}),
  control('POST', '/confidential/data/:label', null, {}),
  control('POST', '/confidential/canaries/:label', { count: 1 }, { count: '1' }),
  control(
    'POST',
    '/datasets/:name/collection',
    { columns: [{ name: 'a', type: 'text' }], sensitivity: 'internal', purposes: ['p'], legalBasis: 'contract' },
    { columns: 'a' },
  ),
  control('PUT', '/datasets/:name/collection/collectors', { collectors: [] }, { collectors: 'app' }),
  control('POST', '/datasets/:name/rows', { rows: [{ a: 'x' }] }, { rows: 'x' }),
  control('POST', '/datasets/:name/collection/cut', null, {}),
  control('POST', '/datasets/:name/collection/close', null, {}),
  control('POST', '/datasets/:name/query', { groupBy: 'employment' }, { groupBy: ['employment'] }),
  control('POST', '/datasets/:name/export', null, {}),
  control('POST', '/models/:name/train', { dataset: 'credit', algorithm: 'logistic' }, { seed: '1' }),
  control('POST', '/models/:name/deploy', { version: 1 }, { version: '1' }),
  control('POST', '/models/:name/rollback', { version: 1 }, { version: '1' }),
  control('POST', '/models/:name/explain', { row: { age: 1 } }, { row: { age: [1] } }),
  control('POST', '/models/:name/quarantine', { reason: 'a test' }, { reason: 7 }),
  control('PUT', '/pipelines/:name', { dataset: 'credit', model: 'never', algorithm: 'logistic' }, { algorithm: 7 }),
  control('POST', '/pipelines/:name/run', { version: 1 }, { version: '1' }),
  control('PUT', '/pipelines/redoubt/:algorithm', null, {}),
  control('PUT', '/transforms/:name', { from: 'credit', steps: [{ filter: 'true' }], to: { dataset: 'never' } }, { from: 7 }),
  control('POST', '/transforms/check', { from: 'credit', steps: [{ filter: 'true' }], to: { dataset: 'never' } }, { steps: 7 }),
  control('POST', '/transforms/:name/run', { version: 1 }, { version: '1' }),
  control('POST', '/transform-runs/:id/cancel', null, {}),
  control('POST', '/vault/restore', { tokens: [`[[PERSON_${'b'.repeat(24)}]]`] }, { tokens: 7 }),
  control('POST', '/keys/rotate', { keyClass: 'model' }, { keyClass: 7 }),
  control('POST', '/keys/reconcile', null, {}),
  control('POST', '/subjects/destroy-key', { subject: 'nobody' }, { subject: ['nobody'] }),
  control('POST', '/keys/root', { passphrase: 'sixteen letters!' }, { passphrase: 7 }),
  control('POST', '/subjects/erase', { subject: 'nobody', ground: 'objection' }, { subject: ['nobody'] }),
  control('POST', '/datasets/:name/shred', { ground: 'objection' }, { ground: 7 }),
  control('POST', '/holds', { on: { dataset: 'credit' }, until: '2100-01-01T00:00:00Z', reason: 'a test' }, { reason: 7 }),
  control('POST', '/holds/:id/lift', { reason: 'a test' }, { reason: 7 }),
  control('PUT', '/policies/:name', { text: '' }, { text: {} }),
  control('POST', '/policies/reload', null, {}),
  control(
    'POST',
    '/policies/why',
    { account: 'bad-input', action: 'invoke', resource: { type: 'Model', id: 'credit' } },
    { account: null },
  ),
]
const STREAMS = [
  { path: '/api/v1/datasets/:name/versions?sensitivity=internal&purpose=p&legalBasis=contract', type: 'text/csv' },
  { path: '/api/v1/confidential/documents/:label', type: 'application/octet-stream' },
  { path: '/api/v1/confidential/public/:label', type: 'application/octet-stream' },
  { path: '/api/v1/confidential/terms/:label', type: 'application/octet-stream' },
  { path: '/api/v1/confidential/classifier', type: 'application/octet-stream' },
  { path: '/api/v1/models/:name/versions?sensitivity=internal&purpose=p', type: 'application/octet-stream' },
]
const FORMS = [
  '/oauth/token',
  '/oauth/revoke',
  '/oauth/introspect',
  '/enrol/:token/begin',
  '/enrol/:token/complete',
  '/enrol/:token/totp/begin',
  '/enrol/:token/totp/complete',
  '/oauth/device-authorization',
]
/** Forms of pages, which answer people in words. */
const PAGES = [
  '/sign-in',
  '/sign-in/passkey',
  '/sign-in/code',
  '/sign-in/recovery',
  '/sign-in/cancel',
  '/consent',
  '/device',
  '/device/decide',
  '/sessions/end',
  '/sessions/factor',
  '/sign-out',
]

function control(method: Target['method'], path: string, good: Target['good'], mistyped: Target['mistyped']): Target {
  return { method, path: `/api/v1${path}`, surface: 'problem', good, mistyped, maxBytes: CONTROL_BYTES }
}

const concrete = (path: string): string =>
  path
    .replace(/:(m|name|label)\b/, 'credit')
    .replace(':v', '1')
    .replace(':algorithm', 'logistic')
    .replace('users/:id', `users/user_${'A'.repeat(22)}`)
    .replace('recoveries/:id', `recoveries/rec_${'A'.repeat(22)}`)
    .replace(':id', `alr_${'A'.repeat(22)}`)

/** The code of a refusal, after a look at the shape that the surface gives it. */
function refusal({ surface }: Pick<Target, 'surface'>, answer: Answer): string {
  expect(answer.headers['x-request-id']).toMatch(/^req_/)
  if (surface === 'problem') {
    expect(answer.headers['content-type']).toContain('application/problem+json')
    const { status, code, next, title, type } = answer.json
    expect({ status, type }).toEqual({ status: answer.status, type: `urn:redoubt:error:${code}` })
    expect(typeof next === 'string' && typeof title === 'string').toBe(true)
    return `${answer.status} ${code}`
  }
  if (surface === 'openai') {
    const { error } = answer.json
    expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
    expect(error.type).toBe('invalid_request_error')
  } else if (surface === 'anthropic') {
    const { type, error } = answer.json
    expect(type).toBe('error')
    expect(Object.keys(error).sort()).toEqual(['message', 'type'])
    expect(error.type).toBe('invalid_request_error')
  } else expect(Object.keys(answer.json)).toEqual(['error'])
  return `${answer.status} ${String(answer.headers['redoubt-code'])}`
}

const token = (target: Target): string => (target.surface === 'problem' ? house.token : application.token)
const send = (target: Target, body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
  house.call(target.method, concrete(target.path), {
    token: token(target),
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })

/** Sends `body` everywhere and demands the same refusal, with nothing admitted and nothing sent upstream. */
async function everywhere(wanted: RegExp, body: (target: Target) => string | Uint8Array | null, headers = {}): Promise<void> {
  const before = house.upstream.bodies.length
  const asked = new Set<string>()
  for (const target of TARGETS) {
    const sent = body(target)
    if (sent === null) continue
    const answer = await send(target, sent, headers)
    expect(`${target.method} ${target.path}: ${refusal(target, answer)}`).toMatch(wanted)
    asked.add(String(answer.headers['x-request-id']))
  }
  const latest = await house.entries({ limit: '200' })
  const recorded = latest.filter(({ event }) => asked.has(event['requestId'] as string)).map(({ event }) => event['type'])
  expect(recorded.filter((type) => type !== 'inference.refusal')).toEqual([])
  expect(house.upstream.bodies.length).toBe(before)
}

describe('bad input on every route that takes a body', () => {
  it('is tested on every POST and PUT route that there is', () => {
    const taking = house.server.routes.filter(({ method }) => method === 'POST' || method === 'PUT').map(({ path }) => path)
    const tested = [...TARGETS.map(({ path }) => path), ...STREAMS.map(({ path }) => path.split('?')[0] ?? ''), ...FORMS, ...PAGES]
    expect(taking.toSorted()).toEqual(tested.toSorted())
  })

  it('refuses malformed JSON before any work', async () => {
    for (const text of ['{', '[1,', '{"a":1,}', 'nul', '{"a":NaN}', "{'a':1}", '\u0000', '{} {}', '"'])
      await everywhere(/400 ERR_INPUT_MALFORMED$/, () => text)
  })

  it('refuses what is not UTF-8 before any work', async () => {
    for (const bytes of [
      [0x7b, 0xff, 0x7d],
      [0xff, 0xfe, 0x7b, 0x00],
      [0x22, 0xc0, 0xaf, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
    ])
      await everywhere(/400 ERR_INPUT_MALFORMED$/, () => Uint8Array.from(bytes))
  })

  it('refuses deep nesting before any work', async () => {
    await everywhere(/400 ERR_INPUT_TOO_DEEP$/, () => `{"messages":${'['.repeat(5_000)}${']'.repeat(5_000)}}`)
    await everywhere(/400 ERR_INPUT_TOO_DEEP$/, () => '{"a":'.repeat(100_000))
  })

  it('refuses a member that is named twice, also when it is written differently', async () => {
    await everywhere(/400 ERR_INPUT_DUPLICATE_KEY$/, ({ good }) => `${JSON.stringify({ zz: 1, ...good }).slice(0, -1)},"zz":2}`)
    await everywhere(/400 ERR_INPUT_DUPLICATE_KEY$/, ({ good }) => `${JSON.stringify({ zz: 1, ...good }).slice(0, -1)},"\\u007az":2}`)
  })

  it('refuses `__proto__` wherever it stands (CWE-1321)', async () => {
    await everywhere(
      /400 ERR_INPUT_MALFORMED$/,
      ({ good }) => `${JSON.stringify({ zz: 1, ...good }).slice(0, -1)},"__proto__":{"admin":true}}`,
    )
    await everywhere(/400 ERR_INPUT_MALFORMED$/, () => '{"a":{"__pro\\u0074o__":{}}}')
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })

  it('refuses a member of the wrong type and names it', async () => {
    await everywhere(/400 ERR_INPUT_INVALID$/, ({ good, mistyped }) => (good === null ? null : JSON.stringify({ ...good, ...mistyped })))
    for (const body of ['[]', '7', '"text"', 'true']) await everywhere(/400 ERR_INPUT_INVALID$/, () => body)
    await everywhere(/400 ERR_INPUT_INVALID$/, ({ good, path }) =>
      good === null || /\/(?:deploy|rollback|rotate|run)$/.test(path) ? null : 'null',
    )
  })

  it('refuses unknown members (control plane and Open Inference Protocol)', async () => {
    const body = ({ surface, good }: Target): string | null => (surface === 'openai' ? null : JSON.stringify({ ...good, unheardOf: 1 }))
    await everywhere(/400 ERR_INPUT_INVALID$/, body)
  })

  it('refuses unknown query parameters on the control plane', async () => {
    for (const { method, path } of house.server.routes) {
      if (!path.startsWith('/api/v1/')) continue
      const target = TARGETS.find((one) => one.path === path)
      const url = concrete(path).replace(':version', '1').replace(':index', '0')
      const known = STREAMS.find((one) => one.path.startsWith(`${path}?`))?.path.split('?')[1] ?? ''
      const answer = await house.call(method, `${url}?${known}&unheardOf=1`, {
        token: house.token,
        ...(target?.good
          ? { json: target.good }
          : known === ''
            ? {}
            : { body: 'x', headers: { 'content-type': STREAMS.find((one) => one.path.startsWith(`${path}?`))!.type } }),
      })
      expect(`${method} ${path}: ${refusal({ surface: 'problem' }, answer)}`).toMatch(/400 ERR_INPUT_INVALID$/)
    }
  })

  it('refuses a body of another content type', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonp',
      'text/json',
    ])
      await everywhere(/415 ERR_INPUT_CONTENT_TYPE$/, ({ good }) => JSON.stringify(good ?? {}), { 'content-type': type })
  })

  it('refuses an empty body where one is needed', async () => {
    await everywhere(/400 ERR_INPUT_(?:MALFORMED|INVALID)$/, () => '')
  })

  it('refuses an oversized body by its announced length, without reading it', async () => {
    for (const target of TARGETS) {
      const head = `${target.method} ${concrete(target.path)} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token(target)}\r\ncontent-type: application/json\r\n`
      const answer = await firstAnswer(`${head}content-length: ${target.maxBytes + 1}\r\n\r\n`)
      expect(`${target.path} ${answer}`).toMatch(/ HTTP\/1\.1 413 /)
      expect(answer).toContain('ERR_INPUT_TOO_LARGE')
    }
  })

  it('refuses an oversized body that announces no length, as soon as the bound is passed and before it ends', async () => {
    for (const target of TARGETS) {
      const head = `${target.method} ${concrete(target.path)} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token(target)}\r\ncontent-type: application/json\r\n`
      const size = target.maxBytes + 1
      const answer = await firstAnswer(`${head}transfer-encoding: chunked\r\n\r\n${size.toString(16)}\r\n${' '.repeat(size)}`)
      expect(`${target.path} ${answer}`).toMatch(/ HTTP\/1\.1 413 /)
      expect(answer).toContain('ERR_INPUT_TOO_LARGE')
    }
  })

  it('gives up a body that trickles in, and ends the connection', async () => {
    const answers = await Promise.all(
      TARGETS.map(async (target) => {
        const head = `${target.method} ${concrete(target.path)} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token(target)}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"a":`
        return `${target.path} ${await house.bytes(head)}`
      }),
    )
    for (const answer of answers) {
      expect(answer).toMatch(/ HTTP\/1\.1 408 /)
      expect(answer).toContain('ERR_INPUT_TIMEOUT')
      expect(answer.toLowerCase()).toContain('connection: close')
    }
  })

  it('refuses a body that breaks off before its announced length, with nothing sent upstream', async () => {
    const before = house.upstream.bodies.length
    for (const target of TARGETS) {
      const socket = await house.socket()
      socket.on('error', () => undefined).resume()
      const body = JSON.stringify(target.good ?? {})
      socket.write(
        `${target.method} ${concrete(target.path)} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token(target)}\r\ncontent-type: application/json\r\ncontent-length: ${body.length + 10}\r\n\r\n${body}`,
      )
      socket.end()
      await new Promise((resolve) => socket.once('close', resolve))
    }
    expect(house.upstream.bodies.length).toBe(before)
    expect(await house.entries({ type: 'inference.admission' })).toEqual([])
  })
})

describe('bad input on the routes that read streams', () => {
  it('refuses any other content type before any work', async () => {
    for (const { path } of STREAMS)
      for (const type of ['application/json', 'text/plain', 'application/x-ndjson', '']) {
        const headers = type === '' ? {} : { 'content-type': type }
        const answer = await house.call('POST', concrete(path), { token: house.token, headers, body: '{}' })
        expect(`${path} ${refusal({ surface: 'problem' }, answer)}`).toMatch(/415 ERR_INPUT_CONTENT_TYPE$/)
        expect(await house.entries({ requestId: String(answer.headers['x-request-id']) })).toEqual([])
      }
  })

  it('refuses options that are missing, doubled or mistyped before any work', async () => {
    for (const query of [
      '',
      'sensitivity=secret&purpose=p&legalBasis=contract',
      'sensitivity=internal&sensitivity=public&purpose=p&legalBasis=contract',
    ]) {
      const answer = await house.call('POST', `/api/v1/datasets/table/versions?${query}`, {
        token: house.token,
        headers: { 'content-type': 'text/csv' },
        body: 'a,b\n1,2\n',
      })
      expect(refusal({ surface: 'problem' }, answer)).toBe('400 ERR_INPUT_INVALID')
    }
    for (const name of ['UPPER', 'a%20b', '-x', 'a'.repeat(64)]) {
      const answer = await house.call('POST', `/api/v1/datasets/${name}/versions?sensitivity=internal&purpose=p&legalBasis=contract`, {
        token: house.token,
        headers: { 'content-type': 'text/csv' },
        body: 'a,b\n1,2\n',
      })
      expect(`${name} ${refusal({ surface: 'problem' }, answer)}`).toBe(`${name} 400 ERR_INPUT_INVALID`)
    }
  })

  it('names the line of rows that are ragged or mistyped', async () => {
    const cases = [
      ['a,b\n1,2\n3\n', 'ERR_DATA_RAGGED', 3],
      ['a,a\n1,2\n', 'ERR_DATA_COLUMN', undefined],
      ['a,b\n1,"2\n', 'ERR_DATA_MALFORMED', undefined],
    ] as const
    for (const [body, code, line] of cases) {
      const answer = await house.call('POST', '/api/v1/datasets/ragged/versions?sensitivity=internal&purpose=p&legalBasis=contract', {
        token: house.token,
        headers: { 'content-type': 'text/csv' },
        body,
      })
      const last = JSON.parse(answer.text.trimEnd().split('\n').at(-1) ?? '')
      expect(last).toMatchObject({ type: 'error', problem: { code, ...(line === undefined ? {} : { line }) } })
      expect((await house.call('GET', '/api/v1/datasets', { token: house.token })).text).not.toContain('ragged')
    }
  })

  it('refuses a file that is no model', async () => {
    for (const body of [new Uint8Array(0), Buffer.from('not a model'), new Uint8Array(5000).fill(0xff)]) {
      const answer = await house.call('POST', '/api/v1/models/nonsense/versions?sensitivity=internal&purpose=p', {
        token: house.token,
        headers: { 'content-type': 'application/octet-stream' },
        body,
      })
      expect(refusal({ surface: 'problem' }, answer)).toBe('422 ERR_MODEL_FORMAT')
    }
  })
})

describe('bad input on the routes open to anyone', () => {
  it('refuses oversized and unfit forms of pages', async () => {
    const type = 'application/x-www-form-urlencoded'
    for (const path of PAGES) {
      const large = await house.call('POST', path, { body: 'a'.repeat(20_000), headers: { 'content-type': type } })
      expect(`${path} ${large.status}`).toBe(`${path} 413`)
      const unfit = await house.call('POST', path, { body: '\u0000', headers: { 'content-type': 'text/plain' } })
      expect(`${path} ${unfit.status}`).toMatch(/ 4\d\d$/)
    }
  })

  it('refuses oversized and unfit bodies in the shape of the route', async () => {
    for (const path of FORMS) {
      const url = path.replace(':token', 'A'.repeat(43))
      const large = await house.call('POST', url, {
        body: 'a'.repeat(20_000),
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      })
      expect(`${path} ${large.status}`).toBe(`${path} 413`)
      expect(large.json.code).toBe('ERR_INPUT_TOO_LARGE')
      const unfit = await house.call('POST', url, { body: '\u0000', headers: { 'content-type': 'text/plain' } })
      expect(`${path} ${unfit.status}`).toMatch(/ 4\d\d$/)
      if (path.startsWith('/oauth/')) expect(typeof unfit.json.error).toBe('string')
      else expect(typeof unfit.json.code).toBe('string')
    }
  })
})

function firstAnswer(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    house.socket().then((socket) => {
      let all = ''
      socket.on('error', reject)
      socket.on('data', (part: Buffer) => {
        all += part.toString('utf8')
        if (!all.includes('ERR_')) return
        socket.destroy()
        resolve(all)
      })
      socket.write(text)
    }, reject)
  })
}
