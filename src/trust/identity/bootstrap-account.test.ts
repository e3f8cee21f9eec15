import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BOOTSTRAP_KEY_FILE, readAccountFile } from '#trust/client'
import { BOOTSTRAP_ACCOUNT, ensureBootstrapAccount } from './bootstrap-account.ts'
import { type Fixture, openFixture } from './identity.fixtures.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await openFixture()
})
afterEach(() => fixture.close())

describe('the bootstrap account of the CLI', () => {
  it('is made once, with its key in a file that only its owner can read, and gets tokens', async () => {
    const { path } = await ensureBootstrapAccount(fixture.identity, fixture.secretsDir)
    expect(path).toBe(join(fixture.secretsDir, BOOTSTRAP_KEY_FILE))
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const before = readFileSync(path, 'utf8')
    await ensureBootstrapAccount(fixture.identity, fixture.secretsDir)
    await ensureBootstrapAccount(await fixture.reopen(), fixture.secretsDir)
    expect(readFileSync(path, 'utf8')).toBe(before)
    const file = readAccountFile(path)
    if (file === null) throw new Error('no file')
    const token = await fixture.token(file.accountId, file.privateKeyJwk)
    const principal = fixture.identity.authenticate({ authorization: `Bearer ${token}`, authorizationCount: 1, url: '/' })
    expect(principal).toMatchObject({ name: BOOTSTRAP_ACCOUNT, roles: ['bootstrap'] })
    expect(readdirSync(fixture.secretsDir)).toEqual([BOOTSTRAP_KEY_FILE])
  })

  it('gets a new key when the file is lost, and the file a new issuer when that changes', async () => {
    const { path } = await ensureBootstrapAccount(fixture.identity, fixture.secretsDir)
    const lost = readAccountFile(path)
    rmSync(path)
    await ensureBootstrapAccount(fixture.identity, fixture.secretsDir)
    const found = readAccountFile(path)
    expect(found?.privateKeyJwk.x).not.toBe(lost?.privateKeyJwk.x)
    expect(fixture.audit.of('access.account.replaceKey')).toHaveLength(1)
    const moved = await fixture.reopen({ issuer: 'https://localhost:9443' })
    await ensureBootstrapAccount(moved, fixture.secretsDir)
    expect(readAccountFile(path)).toEqual({ ...found, issuer: 'https://localhost:9443' })
  })

  it('is refused in production: to exist as a file, to be made, and to be used', async () => {
    const { path } = await ensureBootstrapAccount(fixture.identity, fixture.secretsDir)
    const file = readAccountFile(path)
    if (file === null) throw new Error('no file')
    const token = await fixture.token(file.accountId, file.privateKeyJwk)
    await expect(fixture.reopen({ profile: 'production' })).rejects.toMatchObject({ code: 'ERR_CONFIG_INSECURE' })
    rmSync(path)
    const production = await fixture.reopen({ profile: 'production' })
    await expect(ensureBootstrapAccount(production, fixture.secretsDir)).rejects.toMatchObject({ code: 'ERR_CONFIG_INSECURE' })
    await expect(
      production.createBootstrapAccount(
        { name: 'x', roles: ['bootstrap'], purpose: 'p', legalBasis: 'contract' },
        { type: 'User', id: 'a' },
      ),
    ).rejects.toMatchObject({ code: 'ERR_CONFIG_INSECURE' })
    expect(existsSync(path)).toBe(false)
    expect(production.authenticate({ authorization: `Bearer ${token}`, authorizationCount: 1, url: '/' })).toEqual({
      code: 'ERR_ACCOUNT_DISABLED',
    })
  })
})
