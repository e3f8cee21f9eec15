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

  it('a training pipeline is changed when another person has agreed to that very change, not a program (B1, B2)', async () => {
    const done = async (...words: string[]): Promise<any> => {
      const { status, out, err } = await machine.run(...words, '--json')
      expect([words.join(' '), status, err]).toEqual([words.join(' '), 0, ''])
      return JSON.parse(out)
    }
    const account = ['--purpose', 'credit-scoring', '--legal-basis', 'contract']
    const tokens: Record<string, string> = {}
    for (const [name, role] of [
      ['engineer', 'ml-engineer'],
      ['program', 'security-officer'],
    ] as const) {
      await done('access', 'service-accounts', 'create', name, '--role', role, ...account)
      tokens[name] = (await machine.run('token', '--as', name)).out.trim()
    }
    const { link } = await done('access', 'users', 'create', 'carol@example.org', '--role', 'security-officer', ...account)
    const carol = await chromium.visit({ width: 1200 })
    await carol.page.goto(link.url)
    await carol.page.getByRole('button', { name: 'Register a key' }).click()
    await heading(carol.page, 'You can sign in now')

    const table = join(folder, 'loans.csv')
    writeFileSync(table, `who,age,good\n${Array.from({ length: 60 }, (_, n) => `p-${n},${20 + n},${n % 2}`).join('\n')}\n`)
    const definition = join(folder, 'nightly.json')
    const write = (seed: number): void =>
      writeFileSync(definition, JSON.stringify({ dataset: 'loans', model: 'loans', algorithm: 'logistic', parameters: {}, seed }))
    write(1)
    machine.token = tokens['engineer']!
    await done('data', 'import', table, '--name', 'loans', '--label', 'good', '--subject', 'who', '--sensitivity', 'internal', ...account)
    const save = async (): Promise<any> => {
      const said = JSON.parse((await machine.run('pipeline', 'save', 'nightly', definition, '--json')).out)
      return said.error ?? said
    }
    const refused = await save()
    expect(refused).toMatchObject({ code: 'ERR_APPROVAL_REQUIRED', needed: 1 })
    const asked = await done('approvals', 'request', refused.approval, '--reason', 'the new data')
    machine.token = tokens['program']!
    expect((await machine.run('approvals', 'approve', asked.id)).status).not.toBe(0)
    machine.token = tokens['engineer']!
    expect((await machine.run('approvals', 'approve', asked.id)).status).not.toBe(0)
    expect((await save()).code).toBe('ERR_APPROVAL_REQUIRED')

    machine.token = null
    expect((await machine.login(carol, withKey)).status).toBe(0)
    expect(await done('approvals', 'approve', asked.id)).toMatchObject({ id: asked.id, counting: 1 })
    machine.token = tokens['engineer']!
    // Of what was looked at: another seed is another change.
    write(2)
    expect((await save()).code).toBe('ERR_APPROVAL_REQUIRED')
    write(1)
    expect(await save()).toMatchObject({ name: 'nightly', version: 1 })
    expect((await save()).code).toBe('ERR_APPROVAL_REQUIRED')
    machine.token = null
  })
})
