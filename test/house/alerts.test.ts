import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority, issueServerCertificate } from '#foundation/crypto'
import { alertsConfig } from '#governance/alerts'
import { type House, type HouseAccount, openHouse, starterRow } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'

const SECRET = Buffer.from('0123456789abcdef0123456789abcdef')
const folder = mkdtempSync(join(tmpdir(), 'redoubt-house-alerts-'))

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}
const received: Received[] = []
/** What the receiver answers. */
let status = 503
const receiver = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    if (status < 300) received.push({ headers: request.headers, body: Buffer.concat(parts).toString('utf8') })
    response.writeHead(status).end()
  })
})

let house: House
let application: HouseAccount
let officer: HouseAccount
beforeAll(async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const authorityPem = await createCertificateAuthority({
    privateKey,
    publicKey: createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
    commonName: 'Receiver CA',
    now: Date.now(),
  })
  const { privateKeyPem, certificatePem } = await issueServerCertificate({
    authorityPem,
    authorityKey: privateKey,
    dnsNames: ['localhost'],
    ipAddresses: [],
    spiffeId: 'spiffe://redoubt/receiver',
    now: Date.now(),
  })
  receiver.setSecureContext({ key: privateKeyPem, cert: certificatePem, minVersion: 'TLSv1.3' })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  writeFileSync(join(folder, 'ca.pem'), authorityPem)
  writeFileSync(join(folder, 'secret'), `whsec_${SECRET.toString('base64')}\n`, { mode: 0o600 })
  const url = `https://localhost:${(receiver.address() as AddressInfo).port}/redoubt`
  const alerts = alertsConfig.parse({
    authenticationRefusals: 8,
    policyRefusals: 3,
    webhooks: [{ name: 'operations', url, secret: `file:${join(folder, 'secret')}`, ca: join(folder, 'ca.pem') }],
  })
  house = await openHouse((configuration) => ({ ...configuration, alerts }))
  application = await house.account('probing-app')
  officer = await house.account('officer', 'security-officer', 'security')
})
afterAll(async () => {
  await house.close()
  await new Promise((resolve) => receiver.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

const list = async (query = '', token = house.token) => (await house.call('GET', `/api/v1/alerts${query}`, { token })).json
/** Asks until it is so; the room works every quarter of a second. */
async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < 400; i++) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('it did not happen')
}
const alertOf = (kind: string): Promise<any> => until(async () => (await list(`?kind=${kind}&state=all`)).alerts[0])

const redoubt = (...args: readonly string[]) => runRedoubt(house, args)

describe('alerts of the whole server (E6)', () => {
  it('rise from a flood of refused authentications', async () => {
    for (let i = 0; i < 10; i++) await house.call('GET', '/api/v1/keys', { token: 'garbage' })
    expect(await alertOf('authentication.flood')).toMatchObject({ severity: 'warning', subject: { type: 'System', id: 'identity' } })
  })

  it('rise from an account that policy refuses again and again, and name the entry of the log', async () => {
    const wrong = await house.account('wrong-purpose', 'application', 'marketing')
    for (let i = 0; i < 3; i++)
      expect((await house.call('POST', '/v2/models/credit/infer', { token: wrong.token, json: starterRow() })).status).toBe(403)
    const alert = await alertOf('policy.refusals')
    expect(alert).toMatchObject({ key: 'ServiceAccount::wrong-purpose', details: { code: 'ERR_POLICY_PURPOSE' } })
    const entries = await house.entries({ actor: 'ServiceAccount::wrong-purpose', type: 'inference.refusal', limit: '1' })
    expect(alert.logIndex).toBe(entries[0]?.index)
  })

  it('are in the log, and wait for a receiver that is down', async () => {
    const { id } = await alertOf('policy.refusals')
    const entry = await until(async () =>
      (await house.entries({ type: 'alert.raise' })).find(({ event }) => (event['details'] as { alert: string }).alert === id),
    )
    const recorded = await until(async () => (await alertOf('policy.refusals')).recordedIndex ?? undefined)
    expect(recorded).toBe(entry.index)
    const { alerts } = (await house.call('GET', '/api/v1/status', { token: house.token })).json
    expect(alerts.places).toMatchObject([{ name: 'operations', problem: 'status 503', waiting: 2 }])
    const doctor = await redoubt('doctor', '--json', '--secrets-dir', house.secretsDir)
    expect(doctor.code).toBe(1)
    expect(JSON.parse(doctor.out).findings).toContainEqual(
      expect.objectContaining({
        check: 'alert place',
        state: 'problem',
        detail: expect.stringContaining('operations does not take alerts (status 503)'),
      }),
    )
  })

  it('arrive at a signed webhook when the receiver is back, and the log says so', async () => {
    status = 204
    await until(async () => (received.length >= 2 ? true : undefined))
    for (const { headers, body } of received) {
      const signed = createHmac('sha256', SECRET).update(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`)
      expect(headers['webhook-signature']).toBe(`v1,${signed.digest('base64')}`)
    }
    expect(received.map(({ body }) => String(JSON.parse(body).data.kind)).toSorted()).toEqual(['authentication.flood', 'policy.refusals'])
    const delivery = await until(async () => (await house.entries({ type: 'alert.delivery', outcome: 'success' }))[0])
    expect(delivery.event).toMatchObject({ resource: { type: 'System', id: 'alert-place:operations' } })
    expect((await house.call('GET', '/metrics')).text).toMatch(/redoubt_alerts_open\{severity="warning"\} 2/)
  }, 30_000)

  it('are shown to those who watch the house alone, and answered by fewer (B2)', async () => {
    expect((await house.call('GET', '/api/v1/alerts', { token: application.token })).json.code).toBe('ERR_POLICY_DENIED')
    const auditor = await house.account('auditor', 'auditor', 'audit')
    const [alert] = (await list('', auditor.token)).alerts
    const path = `/api/v1/alerts/${alert.id}/acknowledge`
    for (const { token } of [application, auditor]) expect((await house.call('POST', path, { token })).json.code).toBe('ERR_POLICY_DENIED')
    expect((await list('?severity=critical', officer.token)).alerts).toEqual([])
  })

  it('are acknowledged once, on record with who did', async () => {
    const { id } = await alertOf('authentication.flood')
    const answer = await house.call('POST', `/api/v1/alerts/${id}/acknowledge`, { token: officer.token })
    expect(answer.json).toMatchObject({ id, acknowledgedBy: { type: 'ServiceAccount', id: 'officer' } })
    expect((await list()).alerts.map((alert: { id: string }) => alert.id)).not.toContain(id)
    expect((await list('?state=acknowledged')).alerts).toMatchObject([{ id }])
    const entries = await house.entries({ type: 'alert.acknowledge' })
    expect(entries.map(({ event }) => event['actor'])).toEqual([{ type: 'ServiceAccount', id: 'officer' }])
  })

  it('refuse bad input precisely', async () => {
    const code = async (method: string, path: string): Promise<string> => {
      const answer = await house.call(method, `/api/v1/alerts${path}`, { token: house.token })
      return `${answer.status} ${String(answer.json.code)}`
    }
    for (const query of ['?state=none', '?severity=fatal', '?limit=0', '?limit=1001', '?before=-1', '?other=1', '?kind='])
      expect(`${query} ${await code('GET', query)}`).toBe(`${query} 400 ERR_INPUT_INVALID`)
    expect(await code('POST', '/1/acknowledge')).toBe('400 ERR_INPUT_INVALID')
    expect(await code('POST', `/alr_${'A'.repeat(22)}/acknowledge`)).toBe('404 ERR_NOT_FOUND')
  })

  it('rise from a model that is quarantined, and are listed and acknowledged on the command line', async () => {
    const answer = await house.call('POST', '/api/v1/models/credit/quarantine', { token: officer.token, json: { reason: 'a drill' } })
    expect(answer.status).toBe(200)
    const { id } = await alertOf('model.quarantined')
    const shown = await redoubt('alerts', 'list')
    expect(shown).toMatchObject({ code: 0, err: '' })
    expect(shown.out).toMatch(/^info {5}model\.quarantined\n {9}Model::credit was quarantined\n.*log entry \d+; alr_/m)
    expect(shown.out.split('\n').every((line) => line.length <= 120)).toBe(true)
    const json = JSON.parse((await redoubt('alerts', 'list', '--json', '--kind', 'model.quarantined')).out)
    expect(json).toMatchObject([{ id, severity: 'info', count: 1 }])
    const acknowledged = await redoubt('alerts', 'ack', id, '--json')
    expect(JSON.parse(acknowledged.out)).toMatchObject([{ id, acknowledgedBy: { type: 'ServiceAccount', id: 'cli' } }])
    expect(await redoubt('alerts', 'ack', `alr_${'A'.repeat(22)}`)).toMatchObject({
      code: 1,
      err: expect.stringContaining('ERR_NOT_FOUND'),
    })
    expect(await redoubt('alerts', 'list', '--severity', 'fatal')).toMatchObject({ code: 2 })
  }, 60_000)
})
