import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SecureContextOptions } from 'node:tls'
import { systemClock } from '#foundation/core'
import { createCertificateAuthority, issueServerCertificate, TLS_OPTIONS } from '#foundation/crypto'

/** What a fake can be told to do with its next request in place of answering it. */
export type FakeFault = 'throttled' | 'broken' | 'cut' | 'oversized' | 'silent' | 'garbage'

export interface FakeAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
}

export interface FakeRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** The wire under the fakes of key services: a real TLS server on a free port, with an authority of its own in a file. Fakes, not the services. */
export class FakeServer {
  /** Taken one a request, the first first. */
  readonly faults: FakeFault[] = []
  requests = 0
  readonly #server: Server
  readonly #folder: string

  private constructor(server: Server, folder: string) {
    this.#server = server
    this.#folder = folder
  }

  static async start(
    answer: (request: FakeRequest) => FakeAnswer,
    throttled: FakeAnswer,
    tls: SecureContextOptions = TLS_OPTIONS,
  ): Promise<FakeServer> {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const now = systemClock.now()
    const authorityPem = await createCertificateAuthority({ privateKey, publicKey, commonName: 'fake key service', now })
    const names = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'], spiffeId: 'spiffe://redoubt/fake-key-service' }
    const issued = await issueServerCertificate({ authorityPem, authorityKey: privateKey, ...names, now })
    const folder = mkdtempSync(join(tmpdir(), 'redoubt-fake-'))
    writeFileSync(join(folder, 'ca.pem'), authorityPem)
    const server = createServer({ ...tls, cert: issued.certificatePem, key: issued.privateKeyPem })
    const fake = new FakeServer(server, folder)
    server.on('request', (request, response) => void fake.#serve(request, response, answer, throttled))
    server.on('tlsClientError', () => undefined)
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    return fake
  }

  get caFile(): string {
    return join(this.#folder, 'ca.pem')
  }

  get origin(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => void this.#server.close(resolve))
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    answer: (request: FakeRequest) => FakeAnswer,
    throttled: FakeAnswer,
  ): Promise<void> {
    this.requests++
    const parts: Buffer[] = []
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
    const send = ({ status, headers = {}, body }: FakeAnswer): void => void response.writeHead(status, headers).end(body)
    const { method = '', url = '', headers } = request
    const asked = { method, path: url, headers, body: Buffer.concat(parts).toString() }
    switch (this.faults.shift()) {
      case undefined:
        return send(answer(asked))
      case 'throttled':
        return send(throttled)
      case 'broken':
        return send({ status: 503, body: '<html>bad gateway</html>' })
      case 'garbage':
        return send({ status: 200, body: '{"Plaintext": [' })
      case 'oversized': {
        // The right answer, in too many bytes: who did not count them would take it.
        const right = answer(asked)
        return send({ ...right, body: `${right.body}${' '.repeat(1_048_576)}` })
      }
      case 'cut':
        response.writeHead(200, { 'content-length': '1000' })
        response.write('{"KeyId":')
        return void setImmediate(() => response.destroy())
      case 'silent':
        return
    }
  }
}
