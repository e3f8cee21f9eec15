import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openChromium, type TestChromium, type Visit } from '../../src/trust/identity/chromium.fixtures.ts'
import { heading, OwnMachine, withKey } from './own-machine.fixture.ts'

/** Production from an empty data directory: nobody acts but people with keys, from the first minute on. */
const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const START_LIMIT_MS = 60_000

let folder: string
let server: ChildProcess
let printed = ''
let chromium: TestChromium
let ada: Visit
let machine: OwnMachine

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-production-'))
  mkdirSync(join(folder, 'outside'))
  writeFileSync(join(folder, 'passphrase'), 'a passphrase that lies elsewhere', { mode: 0o600 })
  const port = await freePort()
  writeFileSync(
    join(folder, 'redoubt.yaml'),
    `profile: production
organisation: { name: Example Hospital, timeZone: Europe/Berlin }
server: { port: ${port} }
dataDir: ${join(folder, 'data')}
secretsDir: ${join(folder, 'secrets')}
passphrase: file:${join(folder, 'passphrase')}
audit: { outsideFolder: ${join(folder, 'outside')} }
`,
  )
  server = spawn(process.execPath, [cli, 'up', '--config', join(folder, 'redoubt.yaml')], { env: { PATH: process.env['PATH'] } })
  server.stdout?.on('data', (part: Buffer) => (printed += part.toString()))
  server.stderr?.on('data', (part: Buffer) => (printed += part.toString()))
  const until = Date.now() + START_LIMIT_MS
  while (!/\/enrol\//.test(printed) && Date.now() < until && server.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 100))
  if (!/\/enrol\//.test(printed)) throw new Error(`the server did not start: ${printed}`)
  const caPath = join(folder, 'data/ca.pem')
  machine = new OwnMachine(`https://localhost:${port}`, caPath)
  chromium = await openChromium(readFileSync(caPath, 'utf8'))
  ada = await chromium.visit({ width: 1200 })
})
afterAll(async () => {
  await chromium?.close()
  server?.kill('SIGTERM')
  if (server?.exitCode === null) await once(server, 'exit')
  machine?.remove()
  rmSync(folder, { recursive: true, force: true })
})

describe('the first day in production (B1, B3, B4)', () => {
  it('has no bootstrap account', () => {
    expect(existsSync(join(folder, 'secrets/cli-key.json'))).toBe(false)
  })

  it('the first administrator enrols by the printed link, signs in, and makes accounts for programs and people', async () => {
    const { page } = ada
    await page.goto(/https:\/\/\S+\/enrol\/[A-Za-z0-9_-]+/.exec(printed)?.[0] ?? '')
    await page.getByLabel('Your login name').fill('ada@example.org')
    await page.getByRole('button', { name: 'Register a key' }).click()
    await heading(page, 'You are the administrator')
    expect((await machine.login(ada, withKey)).status).toBe(0)

    const purpose = ['--purpose', 'credit-scoring', '--legal-basis', 'contract', '--json'] as const
    const scoring = await machine.run('access', 'service-accounts', 'create', 'scoring', '--role', 'application', ...purpose)
    expect([scoring.status, scoring.err]).toEqual([0, ''])
    const token = await machine.run('token', '--as', 'scoring')
    expect(token.out.trim().split('.')).toHaveLength(3)
    const bob = await machine.run('access', 'users', 'create', 'bob@example.org', '--role', 'deployer', ...purpose)
    expect(bob).toMatchObject({ status: 0, err: '', out: expect.stringContaining('enrol') })
  })
})
