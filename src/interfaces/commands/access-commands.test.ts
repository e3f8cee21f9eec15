import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { accessCommands } from './access-commands.ts'
import { Client } from './client.ts'
import { withGlobalOptions } from './program.ts'

const folder = mkdtempSync(join(tmpdir(), 'redoubt-access-'))
afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = 0
  rmSync(folder, { recursive: true, force: true })
})

it('writes a private key where the name typed here says, whatever the server answers', async () => {
  const secretsDir = join(folder, 'secrets')
  vi.spyOn(Client.prototype, 'call').mockResolvedValue({
    account: { name: '../../../escaped', roles: [], purpose: '', legalBasis: 'contract', disabled: false },
    privateKeyJwk: { kty: 'OKP', crv: 'Ed25519', x: 'x', d: 'd' },
  })
  vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const access = withGlobalOptions(accessCommands()[0]!)
  const create = async (name: string): Promise<void> => {
    const options = ['--role', 'application', '--purpose', 'p', '--legal-basis', 'contract', '--secrets-dir', secretsDir]
    const [accounts] = access.commands
    for (const command of accounts!.commands) withGlobalOptions(command)
    await access.parseAsync(['service-accounts', 'create', name, ...options], { from: 'user' })
  }
  await create('scorer')
  expect(readdirSync(join(secretsDir, 'accounts'))).toEqual(['scorer.json'])
  expect(existsSync(join(folder, '..', 'escaped.json'))).toBe(false)
})
