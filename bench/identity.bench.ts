/** Who is asking, and what it costs: warm and cold authentication, tokens issued. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest, Agent } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuditSink, systemClock } from '../src/foundation/core/index.ts'
import { openDatabase } from '../src/foundation/storage/index.ts'
import { silentLogger } from '../src/foundation/telemetry/index.ts'
import { assertion, fakeKeys, MemorySealer, goodClaims, grantForm, signCompact } from '../src/trust/identity/identity.fixtures.ts'
import { openIdentity } from '../src/trust/identity/identity.ts'
import { verifyAccessToken } from '../src/trust/identity/verify-access-token.ts'
import type { Benchmark, Row } from './row.ts'

const WARM_CALLS = 200_000
const COLD_CALLS = 5_000
const TOKENS = 2_000
const IN_FLIGHT = 32

const percentile = (sorted: Float64Array, p: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? 0

/** @returns microseconds of each call, sorted. */
function time(calls: number, call: (i: number) => void): Float64Array {
  const took = new Float64Array(calls)
  for (let i = 0; i < calls; i++) {
    const start = process.hrtime.bigint()
    call(i)
    took[i] = Number(process.hrtime.bigint() - start) / 1000
  }
  return took.sort()
}

async function run(): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-bench-identity-'))
  const database = openDatabase<unknown>(join(folder, 'identity.db'))
  const { privateKey } = generateKeyPairSync('ed25519')
  let index = 0
  const audit: AuditSink = { record: async () => ({ index: index++, leafHash: '' }) }
  const server = createServer((req, res) => identity.handler(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const issuer = `https://gateway.example:8443`
  const identity = await openIdentity({
    database,
    keys: fakeKeys(privateKey),
    audit,
    clock: systemClock,
    issuer,
    secretsDir: folder,
    sealer: new MemorySealer(),
    profile: 'production',
    logger: silentLogger,
  })
  try {
    const { privateKeyJwk } = await identity.serviceAccounts.create(
      { name: 'bench', roles: ['application'], purpose: 'bench', legalBasis: 'contract' },
      { type: 'User', id: 'bench' },
    )
    if (privateKeyJwk === null) throw new Error('no key')
    const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT })
    const ask = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const form = grantForm('bench', assertion('bench', privateKeyJwk, Date.now()))
        const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': form.length }
        const call = httpRequest({ port, path: '/oauth/token', method: 'POST', agent, headers }, (answer) => {
          let text = ''
          answer.setEncoding('utf8').on('data', (part: string) => (text += part))
          answer.on('end', () => {
            const { access_token: token } = JSON.parse(text) as { access_token?: string }
            if (token === undefined) reject(new Error(text))
            else resolve(token)
          })
        })
        call.on('error', reject).end(form)
      })

    // A thousand tokens in the cache, used in turn: the working set of a busy gateway rather than one hot string.
    const first = await ask()
    const header = JSON.parse(Buffer.from(first.split('.')[0] ?? '', 'base64url').toString('utf8')) as object
    const tokens = Array.from({ length: 1_000 }, () => signCompact(header, goodClaims('bench', Date.now()), privateKey))
    const credentials = tokens.map((token) => ({ authorization: `Bearer ${token}`, authorizationCount: 1, url: '/v2/models/credit/infer' }))
    const authenticate = (i: number): void => {
      const answer = identity.authenticate(credentials[i % credentials.length]!)
      if ('code' in answer) throw new Error(answer.code)
    }
    time(20_000, authenticate)
    const warm = time(WARM_CALLS, authenticate)

    const rules = { issuer, audience: issuer, keys: new Map([['bench', { algorithm: 'EdDSA', publicKey: createPublicKey(privateKey) }]]) }
    const cold = signCompact({ alg: 'EdDSA', typ: 'at+jwt', kid: 'bench' }, goodClaims('bench', Date.now()), privateKey)
    const verified = time(COLD_CALLS, () => {
      if (typeof verifyAccessToken(cold, rules, Date.now()) === 'string') throw new Error('refused')
    })

    const floods = time(WARM_CALLS, () => identity.authenticate({ authorization: 'Bearer x.y.z', authorizationCount: 1, url: '/' }))

    await Promise.all(Array.from({ length: IN_FLIGHT }, ask))
    const started = performance.now()
    const cpu = process.cpuUsage()
    let left = TOKENS
    await Promise.all(
      Array.from({ length: IN_FLIGHT }, async () => {
        while (left-- > 0) await ask()
      }),
    )
    const seconds = (performance.now() - started) / 1000
    const { user, system } = process.cpuUsage(cpu)
    agent.destroy()
    return [
      { what: 'authenticate, warm, p50', value: percentile(warm, 0.5), unit: 'µs', target: 2, comparator: '<=' },
      { what: 'authenticate, warm, p99', value: percentile(warm, 0.99), unit: 'µs', target: 15, comparator: '<=' },
      { what: 'verify a token never seen (EdDSA), p50', value: percentile(verified, 0.5), unit: 'µs', target: 500, comparator: '<=' },
      { what: 'refuse a malformed token, p50', value: percentile(floods, 0.5), unit: 'µs', target: null, comparator: '<=' },
      {
        what: 'tokens issued a second',
        value: TOKENS / seconds,
        unit: '1/s',
        target: null,
        comparator: '>=',
        note: `client and server in one process, ${IN_FLIGHT} in flight, each assertion durable (fsync) before its token`,
      },
      { what: 'CPU a token issued, client included', value: (user + system) / TOKENS, unit: 'µs', target: null, comparator: '<=' },
    ]
  } finally {
    server.closeAllConnections()
    server.close()
    await identity.close()
    await database.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

export const benchmark: Benchmark = { name: 'identity', run }
