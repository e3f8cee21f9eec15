/** When, from where and how unlike its habits a caller acts: at the whole server. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { conditionsConfig } from '#trust/conditions'
import { runProgram } from '#interfaces/commands'
import { configuration } from '../../src/composition/configuration.ts'
import { startServer } from '../../src/composition/compose.ts'
import { createProgram } from '../../src/composition/program.ts'
import { systemClock } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { type House, type HouseAccount, openHouse, QUICK_KDF } from './house.fixture.ts'

const BLOCKED = `
@id("not-from-there")
forbid (principal, action == Action::"invoke", resource) when { context.network == "blocked" };
`

let house: House
let account: HouseAccount
beforeAll(async () => {
  house = await openHouse((config) => ({
    ...config,
    server: { ...config.server, trustedProxies: ['127.0.0.1', '::1', '10.0.0.0/24'] },
    conditions: conditionsConfig.parse({ networks: { blocked: ['203.0.113.0/24'] } }),
  }))
  account = await house.account('scorer')
  const put = await house.call('PUT', '/api/v1/policies/place', { token: house.token, json: { text: BLOCKED, tests: null } })
  expect(put.status).toBe(200)
})
afterAll(() => house.close())

async function from(headers: Readonly<Record<string, string>>): Promise<string> {
  const answer = await house.call('POST', '/v1/chat/completions', {
    token: account.token,
    headers,
    json: { model: 'assistant', messages: [{ role: 'user', content: 'hello' }] },
  })
  return `${answer.status} ${String(answer.headers['redoubt-code'] ?? '')}`.trim()
}

describe('a caller behind a named proxy (B7)', () => {
  it('is judged by its own address, on every surface', async () => {
    expect(await from({ 'x-forwarded-for': '198.51.100.7' })).toBe('200')
    expect(await from({ 'x-forwarded-for': '203.0.113.9' })).toBe('403 ERR_POLICY_DENIED')
    expect(await from({ forwarded: 'for=203.0.113.9;proto=https' })).toBe('403 ERR_POLICY_DENIED')
  })

  it('does not get away with what it writes into the header itself', async () => {
    expect(await from({ 'x-forwarded-for': '198.51.100.7, 203.0.113.9' })).toBe('403 ERR_POLICY_DENIED')
    expect(await from({ 'x-forwarded-for': '198.51.100.7, 203.0.113.9, 10.0.0.7' })).toBe('403 ERR_POLICY_DENIED')
    expect(await from({ 'x-forwarded-for': '203.0.113.9', forwarded: 'for=198.51.100.7' })).toBe('400 ERR_FORWARDED_INVALID')
  })

  it('is refused when the proxy names nobody, by each surface in its own shape', async () => {
    const headers = { 'x-forwarded-for': 'nobody' }
    expect(await from(headers)).toBe('400 ERR_FORWARDED_INVALID')
    expect((await house.call('GET', '/v2/models/credit', { token: account.token, headers })).json).toMatchObject({
      error: expect.stringContaining('proxy'),
    })
    const problem = await house.call('GET', '/api/v1/whoami', { token: account.token, headers })
    expect([problem.status, problem.json.code]).toEqual([400, 'ERR_FORWARDED_INVALID'])
  })
})

describe('a caller that is no named proxy (B7)', () => {
  it('cannot choose its address: what it sends is ignored', async () => {
    const other = await openHouse((config) => ({
      ...config,
      conditions: conditionsConfig.parse({ networks: { blocked: ['127.0.0.0/8', '::1'], fine: ['198.51.100.0/24'] } }),
    }))
    try {
      const mine = await other.account('scorer')
      await other.call('PUT', '/api/v1/policies/place', { token: other.token, json: { text: BLOCKED, tests: null } })
      for (const headers of [{}, { 'x-forwarded-for': '198.51.100.7' }, { forwarded: 'for=198.51.100.7' }, { 'x-forwarded-for': '((' }]) {
        const answer = await other.call('POST', '/v1/chat/completions', {
          token: mine.token,
          headers,
          json: { model: 'assistant', messages: [{ role: 'user', content: 'hello' }] },
        })
        expect([answer.status, answer.headers['redoubt-code']]).toEqual([403, 'ERR_POLICY_DENIED'])
      }
    } finally {
      await other.close()
    }
  })
})

describe('the risk of a caller (B6)', () => {
  it('is explained to those who watch, and to nobody else', async () => {
    const answer = await house.call('GET', '/api/v1/access/risk/scorer', { token: house.token })
    expect(answer.status).toBe(200)
    expect(answer.json).toMatchObject({ principal: { type: 'ServiceAccount', id: 'scorer' }, learning: true, usual: { networks: 1 } })
    expect(answer.json.requests).toBeGreaterThan(3)
    expect((await house.call('GET', '/api/v1/access/risk/scorer', { token: account.token })).status).toBe(403)
    expect((await house.call('GET', '/api/v1/access/risk/nobody', { token: house.token })).json).toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('rises with refusals by policy, as the record tells of them, and the command says so', async () => {
    for (let n = 0; n < 22; n++) await from({ 'x-forwarded-for': '203.0.113.9' })
    await from({ 'x-forwarded-for': '198.51.100.7' })
    let out = ''
    const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (out += text) }
    const run = (...args: string[]): Promise<number> =>
      runProgram(
        createProgram(['redoubt']),
        ['node', 'redoubt', 'access', 'risk', 'scorer', ...args, '--data-dir', house.dataDir],
        terminal,
      )
    expect(await run('--json')).toBe(0)
    const explained = JSON.parse(out)
    expect(explained.risk).toBeGreaterThan(30)
    expect(explained.reasons[0]).toMatchObject({ reason: 'refusals', most: 40 })
    out = ''
    expect(await run()).toBe(0)
    expect(out).toContain('refusals: refusals by policy')
  })

  it('is known again after a restart of the room: the habits are in a database of their own', async () => {
    const status = await house.call('GET', '/api/v1/status', { token: house.token })
    expect(status.json.conditions).toMatchObject({ countryFile: null, problem: null })
    expect(existsSync(join(house.dataDir, 'conditions.db'))).toBe(true)
  })
})

describe('a file of countries that cannot be read', () => {
  it('keeps the server from starting, before anything is made', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'redoubt-countries-'))
    try {
      writeFileSync(join(folder, 'broken.mmdb'), 'not a database')
      const base = configuration({ port: 0, dataDir: join(folder, 'data') }, {})
      for (const countryFile of [join(folder, 'absent.mmdb'), join(folder, 'broken.mmdb')]) {
        const started = startServer({ ...base, conditions: conditionsConfig.parse({ countryFile }) }, () => undefined, {
          clock: systemClock,
          logger: silentLogger,
          kdf: QUICK_KDF,
          environment: {},
          starterRows: 300,
        })
        await expect(started).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID', message: expect.stringContaining(countryFile) })
      }
      expect(existsSync(base.dataDir)).toBe(false)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
