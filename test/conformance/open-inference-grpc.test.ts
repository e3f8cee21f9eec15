/** The Open Inference Protocol over gRPC, by the published `@grpc/grpc-js` client, against the whole server. */
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2'
import { connect } from 'node:tls'
import { type Client, credentials, loadPackageDefinition, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BODY_TIMEOUT_MS, type House, type HouseAccount, openHouse, starterRow } from '../house/house.fixture.ts'

const PROTO = new URL('../../src/gateway/routes/open-inference-grpc/open_inference.proto', import.meta.url).pathname

let house: House
let account: HouseAccount
let client: any
beforeAll(async () => {
  house = await openHouse()
  account = await house.account('grpc')
  client = clientAt()
})
afterAll(async () => {
  ;(client as Client).close()
  await house.close()
})

function clientAt(): any {
  const { inference } = loadPackageDefinition(loadSync(PROTO, { keepCase: true, longs: String, defaults: true, oneofs: true })) as any
  return new inference.GRPCInferenceService(`localhost:${house.server.grpcPort}`, credentials.createSsl(Buffer.from(house.ca)))
}

interface Answer {
  readonly error: ServiceError | null
  readonly response: any
  readonly headers: Metadata
}
/** Calls one method; metadata of the answer, or of the error. */
function call(
  method: string,
  request: object,
  metadata: Readonly<Record<string, string>> = { authorization: `Bearer ${account.token}` },
  deadlineMs = 10_000,
): Promise<Answer> {
  return new Promise((resolve) => {
    const sent = new Metadata()
    for (const [name, value] of Object.entries(metadata)) sent.set(name, value)
    let headers = new Metadata()
    const running = client[method](request, sent, { deadline: Date.now() + deadlineMs }, (error: ServiceError | null, response: any) =>
      resolve({ error, response, headers: error?.metadata ?? headers }),
    )
    running.on('metadata', (received: Metadata) => (headers = received))
  })
}
const header = ({ headers }: Answer, name: string): string => String(headers.get(name)[0] ?? '')

interface RowInput {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly number[]
  readonly data: readonly (string | number)[]
}
const row = (): readonly RowInput[] => starterRow().inputs as RowInput[]
const typed = (): object => ({
  model_name: 'credit',
  inputs: row().map(({ name, datatype, shape, data }) => ({
    name,
    datatype,
    shape,
    contents: datatype === 'BYTES' ? { bytes_contents: data.map((text) => Buffer.from(String(text))) } : { int64_contents: data },
  })),
})
const raw = (): object => ({
  model_name: 'credit',
  inputs: row().map(({ name, datatype, shape }) => ({ name, datatype, shape })),
  raw_input_contents: row().map(({ datatype, data: [value] }) => {
    if (datatype === 'INT64') {
      const bytes = Buffer.alloc(8)
      bytes.writeBigInt64LE(BigInt(value ?? 0))
      return bytes
    }
    const text = Buffer.from(String(value))
    const length = Buffer.alloc(4)
    length.writeUInt32LE(text.byteLength)
    return Buffer.concat([length, text])
  }),
})

describe('the open inference protocol over gRPC', () => {
  it('tells that it is live and ready before anyone has a token, and nothing else (B8)', async () => {
    expect((await call('ServerLive', {}, {})).response).toEqual({ live: true })
    expect((await call('ServerReady', {}, {})).response).toEqual({ ready: true })
    // The reviewed list: whatever else the service has demands a token.
    const open = ['ServerLive', 'ServerReady']
    const methods = Object.keys(client.constructor.service).filter((method) => !open.includes(method))
    expect(methods).toHaveLength(4)
    for (const method of methods)
      for (const metadata of [{}, { authorization: 'Bearer garbage' }, { authorization: 'Basic YTpi' }] as Record<string, string>[]) {
        const answer = await call(method, method === 'ModelInfer' ? typed() : { name: 'credit' }, metadata)
        expect(`${method} ${status[answer.error?.code ?? 0]}`).toBe(`${method} UNAUTHENTICATED`)
        expect(header(answer, 'redoubt-code')).toMatch(/^ERR_TOKEN_/)
        expect(header(answer, 'www-authenticate')).toMatch(/^Bearer/)
      }
  })

  it('describes the server and the models that the caller may invoke', async () => {
    expect((await call('ServerMetadata', {})).response).toMatchObject({ name: 'redoubt', extensions: [] })
    expect((await call('ModelReady', { name: 'credit' })).response).toEqual({ ready: true })
    const { response } = await call('ModelMetadata', { name: 'credit' })
    const rest = await house.call('GET', '/v2/models/credit', { token: account.token })
    expect({ name: response.name, platform: response.platform, versions: response.versions }).toEqual({
      name: rest.json.name,
      platform: rest.json.platform,
      versions: rest.json.versions,
    })
    expect(response.inputs.map(({ name, datatype, shape }: any) => ({ name, datatype, shape: shape.map(Number) }))).toEqual(
      rest.json.inputs,
    )
    expect((await call('ModelMetadata', { name: 'absent' })).error?.code).toBe(status.NOT_FOUND)
    expect((await call('ModelReady', { name: 'credit', version: '99' })).error?.code).toBe(status.NOT_FOUND)
  })

  it('scores a row as its REST twin does, from typed and from raw contents, on record (E3)', async () => {
    const rest = await house.call('POST', '/v2/models/credit/infer', { token: account.token, json: starterRow() })
    const outputs = new Map<string, any>(rest.json.outputs.map((output: any) => [output.name, output]))
    const byTypes = await call('ModelInfer', typed())
    const byBytes = await call('ModelInfer', raw())
    expect(byTypes.error ?? byBytes.error).toBeNull()
    for (const output of byTypes.response.outputs) {
      const { datatype, data } = outputs.get(output.name)
      const values =
        datatype === 'INT64' ? output.contents.int64_contents.map(Number) : (output.contents.fp32_contents ?? output.contents.fp64_contents)
      expect(values.map((value: number) => Math.fround(value))).toEqual(data.map((value: number) => Math.fround(value)))
    }
    expect(byBytes.response.raw_output_contents).toHaveLength(byTypes.response.outputs.length)
    const entries = await house.entries({ requestId: header(byTypes, 'x-request-id') })
    expect(entries.map(({ event }) => event['type'])).toEqual(['inference.completion', 'inference.admission'])
    expect(entries[0]?.event['details']).toMatchObject({ surface: 'open-inference.grpc', model: 'credit' })
    expect(header(byTypes, 'redoubt-log-index')).toBe(String(entries[0]?.index))
    // The same answer has the same digest, whatever wire it left on.
    const twin = await house.entries({ requestId: String(rest.headers['x-request-id']), type: 'inference.completion' })
    expect((entries[0]?.event['details'] as any)?.outputDigest).toBe((twin[0]?.event['details'] as any)?.outputDigest)
  })

  it('gives the outputs that are asked for, and the id of the call', async () => {
    const { response } = await call('ModelInfer', { ...typed(), id: 'call-1' })
    const name = response.outputs.at(-1).name as string
    const chosen = await call('ModelInfer', { ...typed(), id: 'call-1', model_version: '1', outputs: [{ name }] })
    expect(chosen.response).toMatchObject({ id: 'call-1', model_name: 'credit', model_version: '1' })
    expect(chosen.response.outputs.map((output: any) => output.name)).toEqual([name])
  })

  it('refuses bad input precisely, in the words of the protocol, before any work', async () => {
    const inputs = (typed() as { inputs: object[] }).inputs
    for (const [change, code, words] of [
      [{ model_name: 'absent' }, 'NOT_FOUND', 'ERR_MODEL_UNKNOWN'],
      [{ model_version: '99' }, 'NOT_FOUND', 'ERR_MODEL_UNDEPLOYED'],
      [{ inputs: inputs.slice(1) }, 'INVALID_ARGUMENT', 'is missing'],
      [{ inputs: [...inputs.slice(1), { ...inputs[0], datatype: 'FP64' }] }, 'INVALID_ARGUMENT', 'ERR_INPUT_INVALID'],
      [{ inputs: [...inputs.slice(1), { ...inputs[0], shape: [2, 1] }] }, 'INVALID_ARGUMENT', 'ERR_INPUT_INVALID'],
      [
        { inputs: [...inputs.slice(1), { ...inputs[0], contents: { int64_contents: ['9223372036854775807'] } }] },
        'INVALID_ARGUMENT',
        'is not INT64',
      ],
      [{ parameters: { unheard: { bool_param: true } } }, 'INVALID_ARGUMENT', 'not supported'],
      [{ raw_input_contents: [Buffer.alloc(8)] }, 'INVALID_ARGUMENT', 'one entry for each input'],
    ] as const) {
      const answer = await call('ModelInfer', { ...typed(), ...change })
      expect(`${words} ${status[answer.error?.code ?? 0]}`).toBe(`${words} ${code}`)
      expect(answer.error?.details).toContain(words)
      const entries = await house.entries({ requestId: header(answer, 'x-request-id') })
      expect(entries.map(({ event }) => event['type'])).toEqual(['inference.refusal'])
    }
  })

  it('refuses a call that says twice for whom or for what it is, before anything is asked (B8)', async () => {
    for (const name of ['redoubt-subject', 'redoubt-purpose']) {
      const sent = new Metadata()
      sent.set('authorization', `Bearer ${account.token}`)
      for (const value of ['patient-1', 'patient-2']) sent.add(name, value)
      const error = await new Promise<ServiceError | null>((resolve) => client.ModelInfer(typed(), sent, resolve))
      expect({ name, code: error?.code, details: error?.details }).toMatchObject({
        code: status.INVALID_ARGUMENT,
        details: expect.stringContaining(`\`${name}\` is sent twice`),
      })
    }
  })

  it('refuses a message that is none, one that is too large, and a method that there is not', async () => {
    const send = (path: string, body: Buffer): Promise<ServiceError | null> =>
      new Promise((resolve) => {
        const metadata = new Metadata()
        metadata.set('authorization', `Bearer ${account.token}`)
        ;(client as Client).makeUnaryRequest(
          path,
          (bytes: Buffer) => bytes,
          (bytes: Buffer) => bytes,
          body,
          metadata,
          (error) => resolve(error),
        )
      })
    const path = '/inference.GRPCInferenceService/ModelInfer'
    const malformed = await send(path, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff]))
    expect({ code: malformed?.code, details: malformed?.details }).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('ERR_INPUT_MALFORMED'),
    })
    expect((await send(path, Buffer.alloc(8 * 1024 * 1024 + 1)))?.code).toBe(status.RESOURCE_EXHAUSTED)
    expect((await send('/inference.GRPCInferenceService/RepositoryIndex', Buffer.alloc(0)))?.code).toBe(status.UNIMPLEMENTED)
  })

  it('reads no message before it knows who asks, and waits for none for ever (B8)', async () => {
    const open = (headers: object): Promise<{ readonly headers: IncomingHttpHeaders; readonly after: number }> => {
      const session = connectHttp2(`https://localhost:${house.server.grpcPort}`, { ca: house.ca })
      const started = performance.now()
      return new Promise((resolve, reject) => {
        // Announced and never sent.
        const stream = session.request(
          {
            ':method': 'POST',
            ':path': '/inference.GRPCInferenceService/ModelInfer',
            'content-type': 'application/grpc',
            te: 'trailers',
            ...headers,
          },
          { endStream: false },
        )
        const end = (received: IncomingHttpHeaders): void => {
          if (received['grpc-status'] === undefined) return
          resolve({ headers: received, after: performance.now() - started })
          session.destroy()
        }
        stream.on('response', end).on('trailers', end).on('error', reject).resume()
      })
    }
    const stranger = await open({})
    expect(stranger.headers).toMatchObject({ 'grpc-status': String(status.UNAUTHENTICATED), 'redoubt-code': 'ERR_TOKEN_MISSING' })
    const slow = await open({ authorization: `Bearer ${account.token}` })
    expect(slow.headers).toMatchObject({ 'grpc-status': String(status.DEADLINE_EXCEEDED), 'redoubt-code': 'ERR_INPUT_TIMEOUT' })
    expect(slow.after).toBeGreaterThan(BODY_TIMEOUT_MS - 100)
  })

  it('is held to policies and limits like every other surface (B1, C4)', async () => {
    const text = '@id("no-grpc") forbid (principal == ServiceAccount::"grpc", action == Action::"invoke", resource == Model::"credit");'
    const put = await house.call('PUT', '/api/v1/policies/no-grpc', { token: house.token, json: { text } })
    expect(put.status, put.text).toBe(200)
    for (const [method, request] of [
      ['ModelInfer', typed()],
      // What is wrong with it would tell what the model takes.
      ['ModelInfer', { model_name: 'credit', inputs: [] }],
      ['ModelMetadata', { name: 'credit' }],
    ] as const) {
      const answer = await call(method, request)
      expect({ code: answer.error?.code, table: header(answer, 'redoubt-code') }).toEqual({
        code: status.PERMISSION_DENIED,
        table: 'ERR_POLICY_DENIED',
      })
    }
    await house.call('DELETE', '/api/v1/policies/no-grpc', { token: house.token })
    const limit =
      '@id("few") @limit("requests 1/1h") permit (principal == ServiceAccount::"grpc", action == Action::"invoke", resource == Model::"credit");'
    expect((await house.call('PUT', '/api/v1/policies/few', { token: house.token, json: { text: limit } })).status).toBe(200)
    const answers = [await call('ModelInfer', typed()), await call('ModelInfer', typed())]
    expect(answers.at(-1)?.error?.code).toBe(status.RESOURCE_EXHAUSTED)
    expect(header(answers.at(-1)!, 'redoubt-code')).toBe('ERR_LIMIT_REQUESTS')
    await house.call('DELETE', '/api/v1/policies/few', { token: house.token })
  })

  it('keeps to a deadline', async () => {
    expect((await call('ModelInfer', typed(), undefined, 0)).error?.code).toBe(status.DEADLINE_EXCEEDED)
  })

  it('takes TLS 1.3 only, with the certificate of the server (A2)', async () => {
    const handshake = (options: object): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect(
          { host: 'localhost', port: house.server.grpcPort ?? 0, ca: house.ca, servername: 'localhost', ALPNProtocols: ['h2'], ...options },
          () => {
            resolve(`${socket.getProtocol()} ${socket.alpnProtocol}`)
            socket.destroy()
          },
        )
        socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'failed'))
      })
    expect(await handshake({})).toBe('TLSv1.3 h2')
    expect(await handshake({ maxVersion: 'TLSv1.2' })).toMatch(/ERR_SSL|ECONNRESET/)
  })

  it('stops serving a token that was revoked (B8)', async () => {
    const other = await house.account('grpc-revoked')
    const metadata = { authorization: `Bearer ${other.token}` }
    expect((await call('ModelInfer', typed(), metadata)).error).toBeNull()
    await other.revoke()
    expect((await call('ModelInfer', typed(), metadata)).error?.code).toBe(status.UNAUTHENTICATED)
  })
})
