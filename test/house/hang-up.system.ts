/** A server of its own process that is told by `kill -HUP` to read its recognisers again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Client, findPlace } from '#interfaces/commands'
import { type PrivateJwk, requestToken } from '#trust/client'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Until the server has said what is waited for. */
const PATIENCE_MS = 40_000

const recogniser = (pattern: string): string =>
  `recognisers:\n  - id: staff\n    entity: STAFF_ID\n    pattern: '${pattern}'\n    score: 1\n`

let folder: string
let server: ChildProcess
let client: Client
let token: string
let output = ''

async function said(what: RegExp, from = 0): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !what.test(output.slice(from)); await new Promise((resolve) => setTimeout(resolve, 20))) {
    if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}: ${output}`)
    if (Date.now() > end) throw new Error(`the server did not say ${what}: ${output}`)
  }
}

async function hangUp(text: string, answer: RegExp): Promise<void> {
  writeFileSync(join(folder, 'own.yaml'), text)
  const from = output.length
  server.kill('SIGHUP')
  await said(answer, from)
  // The policies follow, and with them all is done.
  await said(/the policies are as they were/, from)
}

/** What a client of the sandbox gets to see of what it said itself. */
async function echoed(words: string): Promise<string> {
  const { status, body } = await client.raw('/v1/chat/completions', {
    method: 'POST',
    json: { model: 'assistant', messages: [{ role: 'user', content: `repeat: ${words}` }] },
    headers: { authorization: `Bearer ${token}` },
  })
  expect(status, body.toString()).toBe(200)
  return (JSON.parse(body.toString()) as { choices: [{ message: { content: string } }] }).choices[0].message.content
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-hang-up-'))
  const dataDir = join(folder, 'data')
  const config = join(folder, 'redoubt.yaml')
  writeFileSync(join(folder, 'own.yaml'), recogniser(String.raw`S-\d{6}`))
  writeFileSync(config, `filters:\n  recognisers: ['${join(folder, 'own.yaml')}']\n`)
  server = spawn(process.execPath, ['src/cli.ts', 'up', '--port', '0', '--data-dir', dataDir, '--config', config], {
    cwd: root,
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [server.stdout, server.stderr]) stream!.on('data', (part: Buffer) => (output += part.toString()))
  await said(/Ask the starter model/)
  client = new Client(findPlace({ dataDir }, {}))
  const { privateKeyJwk } = await client.call<{ privateKeyJwk: PrivateJwk }>('/service-accounts', {
    method: 'POST',
    json: { name: 'hang-up', roles: ['application'], purpose: 'credit-scoring', legalBasis: 'contract' },
  })
  const ca = client.ca()
  ;({ accessToken: token } = await requestToken({
    baseUrl: client.place.url,
    accountId: 'hang-up',
    privateKeyJwk,
    ...(ca === undefined ? {} : { ca }),
  }))
}, 60_000)

afterAll(() => {
  if (server.exitCode === null) server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

it('a hang-up signal puts recognisers in force in a running server, or nothing, and either is on record (C6)', async () => {
  expect(await echoed('S-123456 and EMP-1234')).toContain('[STAFF_ID] and EMP-1234')

  await hangUp(recogniser(String.raw`EMP-\d{4}`), /the filters \S+ are in force \(1 recognisers, 0 exempt values\)/)
  expect(await echoed('S-123456 and EMP-1234')).toContain('S-123456 and [STAFF_ID]')

  await hangUp(recogniser('a+'), /own\.yaml[\s\S]*the policies are as they were/)
  expect(await echoed('S-123456 and EMP-1234')).toContain('S-123456 and [STAFF_ID]')

  const { entries } = await client.call<{ entries: readonly { readonly event: Readonly<Record<string, unknown>> }[] }>(
    '/audit/entries?type=filters.reload',
  )
  expect(entries.map(({ event }) => [event['outcome'], event['code']])).toEqual([
    // Refused for what is in it, so policies that are read behind it change nothing: it is tried once.
    ['failed', 'ERR_FILTER_RECOGNISER'],
    ['success', undefined],
  ])

  server.kill('SIGTERM')
  expect(await new Promise((resolve) => server.once('exit', resolve))).toBe(0)
}, 60_000)
