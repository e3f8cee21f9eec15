/** Who is asking, and what it costs: warm and cold authentication, bound tokens, tokens issued. */
import { spawn } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type AuditSink, systemClock } from '../src/foundation/core/index.ts'
import { openDatabase } from '../src/foundation/storage/index.ts'
import { silentLogger } from '../src/foundation/telemetry/index.ts'
import { fakeKeys, MemorySealer, goodClaims, signCompact } from '../src/trust/identity/identity.fixtures.ts'
import type { PrivateJwk } from '#trust/client'
import { type Identity, openIdentity } from '../src/trust/identity/identity.ts'
import type { Credentials } from '../src/trust/identity/services/credentials.ts'
import { thumbprintOf } from '#trust/client'
import { makeProof } from '../src/trust/identity/services/services.fixtures.ts'
import { verifyAccessToken } from '../src/trust/identity/verify-access-token.ts'
import { askedHandshake } from './asked-handshake.ts'
import type { Benchmark, Row } from './row.ts'

const WARM_CALLS = 200_000
const COLD_CALLS = 5_000
const TOKENS = 3_000
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

/** Tokens bound to keys that the server never saw, each with its proof. */
function coldBound(header: object, issuerKey: KeyObject, identity: Identity): Credentials[] {
  const path = '/v2/models/credit/infer'
  let nonce = ''
  const make = (): Credentials => {
    const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const token = signCompact(header, { ...goodClaims('bench', Date.now()), cnf: { jkt: thumbprintOf(key) } }, issuerKey)
    const proof = makeProof(key, { method: 'POST', url: identity.issuer + path, token, now: Date.now() }, { claims: { nonce } })
    const setHeader = (_name: string, value: string): void => void (nonce = value)
    const possession = { method: 'POST', proof, proofCount: 1, certificate: () => null, setHeader }
    return { authorization: `DPoP ${token}`, authorizationCount: 1, url: path, possession }
  }
  // Refused, with the nonce that the others need.
  identity.authenticate(make())
  return Array.from({ length: COLD_CALLS }, make)
}

/** @returns what one token costs: CPU of this process, in µs, and time, in ms. */
async function issueTokens(port: number, key: PrivateJwk): Promise<{ readonly serverMicros: number; readonly millis: number }> {
  const script = fileURLToPath(new URL('./token-client.child.ts', import.meta.url))
  const client = spawn(process.execPath, [script, String(port), 'bench', JSON.stringify(key), String(TOKENS), String(IN_FLIGHT)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const answers = createInterface(client.stdout)[Symbol.asyncIterator]()
  const round = async (): Promise<number> => {
    client.stdin.write('.')
    const { value, done } = await answers.next()
    if (done === true) throw new Error('the client ended')
    return Number(value)
  }
  try {
    // Compilers count calls: the first round warms up.
    await round()
    const before = process.cpuUsage()
    const took = await round()
    const { user, system } = process.cpuUsage(before)
    return { serverMicros: (user + system) / TOKENS, millis: took / TOKENS }
  } finally {
    client.stdin.end()
    client.kill()
  }
}

async function run(): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-bench-identity-'))
  const database = openDatabase(join(folder, 'identity.db'))
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
    config: { tokenRequestsPerMinute: 10_000_000 },
  })
  try {
    const { privateKeyJwk } = await identity.serviceAccounts.create(
      { name: 'bench', roles: ['application'], purpose: 'bench', legalBasis: 'contract' },
      { type: 'User', id: 'bench' },
    )
    if (privateKeyJwk === null) throw new Error('no key')
    // A thousand tokens in the cache, used in turn: the working set of a busy gateway rather than one hot string.
    const header = { alg: 'EdDSA', typ: 'at+jwt', kid: thumbprintOf(privateKey) }
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

    const bound = coldBound(header, privateKey, identity)
    const coldest = time(bound.length, (i) => {
      const answer = identity.authenticate(bound[i]!)
      if ('code' in answer) throw new Error(answer.code)
    })
    const tokenIssue = await issueTokens(port, privateKeyJwk)
    return [
      { what: 'authenticate, warm, p50', value: percentile(warm, 0.5), unit: 'µs', target: 2, comparator: '<=' },
      { what: 'authenticate, warm, p99', value: percentile(warm, 0.99), unit: 'µs', target: 15, comparator: '<=' },
      { what: 'verify a token never seen (EdDSA), p50', value: percentile(verified, 0.5), unit: 'µs', target: 500, comparator: '<=' },
      { what: 'refuse a malformed token, p50', value: percentile(floods, 0.5), unit: 'µs', target: null, comparator: '<=' },
      {
        what: 'request with a bound token, key and proof never seen (RFC 9449), p50',
        value: percentile(coldest, 0.5),
        unit: 'µs',
        target: null,
        comparator: '<=',
      },
      {
        what: 'request with a bound token, key and proof never seen (RFC 9449), p99',
        value: percentile(coldest, 0.99),
        unit: 'µs',
        target: 500,
        comparator: '<=',
        note: 'two signature checks (EdDSA, ES256), a public key read, ath, htu, nonce, replay',
      },
      {
        what: 'tokens issued a second and core, server alone',
        value: 1e6 / tokenIssue.serverMicros,
        unit: '1/s',
        target: 2_500,
        comparator: '>=',
        note: 'from the CPU time of the server’s process; each assertion durable (fsync) before its token',
      },
      {
        what: 'tokens issued a second, client in another process',
        value: 1000 / tokenIssue.millis,
        unit: '1/s',
        target: null,
        comparator: '>=',
        note: `${IN_FLIGHT} in flight`,
      },
      {
        what: 'CPU of a TLS handshake when a certificate is asked for and none comes',
        value: await askedHandshake(),
        unit: 'ratio',
        target: 1.05,
        comparator: '<=',
        note: 'against one where none is asked for, alternating, both ends, median',
      },
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
