/** The rooms that answer "who, may they, how much", opened as the server opens them, on a folder of their own. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuditSink, systemClock } from '#foundation/core'
import { nodeFolder, openDatabase } from '#foundation/storage'
import { silentLogger } from '#foundation/telemetry'
import { type Limits, openLimits } from '#gateway/limits'
import { type AuditLog, openAuditLog, parallelWriter } from '#trust/audit'
import { type Conditions, conditionsConfig, localTime, openConditions, openCountries } from '#trust/conditions'
import { type Identity, openIdentity } from '#trust/identity'
import { openKeyring } from '#trust/keys'
import { assertion, fakeKeys, grantForm } from '../src/trust/identity/identity.fixtures.ts'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

export const BENCH_PURPOSE = 'credit-scoring'

export interface RealRooms {
  readonly identity: Identity
  readonly limits: Limits
  readonly conditions: Conditions
  readonly audit: AuditLog
  /** An access token of a new account with this role, issued over the token endpoint. */
  token(name: string, role: 'application' | 'deployer'): Promise<string>
  close(): Promise<void>
}

export async function openRealRooms(): Promise<RealRooms> {
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-bench-rooms-'))
  const at = (name: string): string => join(folder, name)
  const keysDatabase = openDatabase(at('keys.db'))
  const keyring = await openKeyring({
    folder: nodeFolder(at('keys')),
    database: keysDatabase,
    passphrase: Buffer.from('a passphrase of the benchmark'),
    clock: systemClock,
  })
  const audit = await openAuditLog({
    folder: nodeFolder(at('log')),
    parallelWriter: parallelWriter(at('log')),
    signer: keyring.checkpointSigner,
    sealer: keyring.sealer,
    searchKey: keyring.searchKey,
    indexPath: at('audit-index.db'),
    origin: 'bench.test/log',
    clock: systemClock,
    instance: 'bench',
  })
  const database = openDatabase(at('redoubt.db'))
  const identity = await openIdentity({
    database,
    keys: fakeKeys(generateKeyPairSync('ed25519').privateKey),
    audit: audit satisfies AuditSink,
    clock: systemClock,
    issuer: 'https://gateway.example:8443',
    secretsDir: folder,
    sealer: keyring.sealer,
    profile: 'production',
    logger: silentLogger,
  })
  const limitsDatabase = openDatabase(at('limits.db'))
  const limits = openLimits({ database: limitsDatabase, clock: systemClock })
  const conditionsDatabase = openDatabase(at('conditions.db'))
  const conditions = openConditions({
    database: conditionsDatabase,
    audit,
    alerts: { raise: () => undefined },
    clock: systemClock,
    logger: silentLogger,
    config: conditionsConfig.parse({ networks: { inside: ['10.0.0.0/8', 'fd00::/8'] } }),
    localTime: localTime('Europe/Berlin'),
    countries: await openCountries(undefined),
    hashKey: Buffer.alloc(32, 3),
  })
  const server = createServer((asked, answer) => identity.handler(asked, answer))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    identity,
    limits,
    conditions,
    audit,
    async token(name, role) {
      const account = { name, roles: [role], purpose: BENCH_PURPOSE, legalBasis: 'contract' } as const
      const { privateKeyJwk } = await identity.serviceAccounts.create(account, { type: 'User', id: 'bench' })
      if (privateKeyJwk === null) throw new Error('the account has no key')
      return askToken(port, grantForm(name, assertion(name, privateKeyJwk, Date.now())))
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await identity.close()
      await limits.close()
      await conditions.close()
      await audit.close()
      keyring.close()
      await Promise.all([database.close(), limitsDatabase.close(), conditionsDatabase.close(), keysDatabase.close()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function askToken(port: number, form: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': form.length }
    const asked = request({ port, path: '/oauth/token', method: 'POST', headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => {
        const { access_token: token } = JSON.parse(text) as { access_token?: string }
        if (token === undefined) reject(new Error(text))
        else resolve(token)
      })
    })
    asked.on('error', reject).end(form)
  })
}
