import { MemoryFolder, openDatabase } from '#foundation/storage'
import { silentLogger } from '#foundation/telemetry'
import { openAuditLog } from '#trust/audit'
import { openKeyring } from '#trust/keys'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '#foundation/core'
import { expect, it } from 'vitest'
import { ADMIN, assertion, grantForm, ISSUER } from './identity.fixtures.ts'
import { openIdentity } from './identity.ts'
import { makeCredential } from './software-authenticator.fixtures.ts'

it('works on the real keyring and the real log: the token key is released and recorded, a name is sealed and can be erased (A7, E3)', async () => {
  const clock = systemClock
  const folder = new MemoryFolder()
  const keysDatabase = openDatabase(':memory:')
  const database = openDatabase(':memory:')
  const keyring = await openKeyring({
    folder,
    database: keysDatabase,
    passphrase: Buffer.from('correct horse battery staple'),
    clock,
    kdf: { memoryKiB: 19_456, passes: 2, parallelism: 1 },
  })
  const audit = await openAuditLog({
    folder: new MemoryFolder(),
    signer: keyring.checkpointSigner,
    sealer: keyring.sealer,
    searchKey: keyring.searchKey,
    indexPath: ':memory:',
    origin: 'redoubt/test',
    clock,
    instance: 'test',
  })
  const keys = keyring.keys(audit)
  const open = (): ReturnType<typeof openIdentity> =>
    openIdentity({
      database,
      keys,
      audit,
      clock,
      sealer: keyring.sealer,
      issuer: ISSUER,
      secretsDir: '/nonexistent',
      profile: 'production',
      logger: silentLogger,
    })
  const identity = await open()
  const server = createServer((req, res) => identity.handler(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const post = async (path: string, body: string, type: string): Promise<Record<string, unknown>> => {
    const response = await fetch(url + path, { method: 'POST', body, headers: { 'content-type': type } })
    return (await response.json()) as Record<string, unknown>
  }
  try {
    const { privateKeyJwk } = await identity.serviceAccounts.create(
      { name: 'scorer', roles: ['application'], purpose: 'credit-scoring', legalBasis: 'contract' },
      ADMIN,
    )
    if (privateKeyJwk === null) throw new Error('no key')
    const form = grantForm('scorer', assertion('scorer', privateKeyJwk, clock.now()))
    const { access_token: token } = await post('/oauth/token', form, 'application/x-www-form-urlencoded')
    const ask = { authorization: `Bearer ${String(token)}`, authorizationCount: 1, url: '/' }
    expect(identity.authenticate(ask)).toMatchObject({ name: 'scorer' })
    // The same key after a restart: tokens live on.
    const again = await open()
    expect(again.authenticate(ask)).toMatchObject({ name: 'scorer' })
    await again.close()

    const link = new URL((await identity.createEnrolmentLink(ADMIN)).url).pathname
    const { challenge } = await post(`${link}/begin`, JSON.stringify({ displayName: 'Ada Lovelace' }), 'application/json')
    const credential = makeCredential({ challenge: String(challenge), origin: ISSUER })
    const body = JSON.stringify({ displayName: 'Ada Lovelace', credential })
    expect(await post(`${link}/complete`, body, 'application/json')).toEqual({ enrolled: true, recoveryCodes: [] })

    expect(audit.search({ type: 'key.release' }).entries).toHaveLength(2)
    expect(audit.search({ type: 'token.issue', actor: { type: 'ServiceAccount', id: 'scorer' } }).entries).toHaveLength(1)
    const [enrolled] = audit.search({ type: 'access.enrolment.complete' }).entries
    if (enrolled === undefined) throw new Error('not recorded')
    expect(JSON.stringify(enrolled.event)).not.toContain('Ada')
    expect(await audit.openPersonal(enrolled.index)).toMatchObject([{ fields: { displayName: 'Ada Lovelace' } }])
    const { id } = database.raw.prepare('SELECT id FROM identity_users').get() as { id: string }
    await keys.destroySubject(id, { principal: ADMIN, purpose: 'erasure', resource: { type: 'User', id } })
    expect(await audit.openPersonal(enrolled.index)).toMatchObject([{ fields: null }])
  } finally {
    server.closeAllConnections()
    server.close()
    await identity.close()
    await audit.close()
    keyring.close()
    await keysDatabase.close()
    await database.close()
  }
})
