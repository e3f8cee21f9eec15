import { type ChildProcess, spawn } from 'node:child_process'
import { createPrivateKey, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Client, findPlace } from '#interfaces/commands'
import { BOOTSTRAP_KEY_FILE, type PrivateJwk, readAccountFile, requestToken } from '#trust/client'
import { encodeModel, mlpGraph } from '../fixtures/onnx-models.ts'
import { type Canary, ENCODINGS, filesBelow, searchFiles } from './search-canaries.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Printed when a search fails, so that the same values can be looked for by hand. */
const seed = randomBytes(6).toString('hex')
/** Unlike anything that a server writes by itself, and no value that a recogniser masks. */
const word = (what: string): string => `Canary${what}${seed.replace(/\d/g, (digit) => 'ghijklmnop'[Number(digit)]!)}`

const text = {
  category: word('Category'),
  rowSubject: word('RowSubject'),
  oipCategory: word('OipCategory'),
  oipSubject: word('OipSubject'),
  prompt: word('Prompt'),
  system: word('System'),
  chatSubject: word('ChatSubject'),
  answer: word('Answer'),
  headerSubject: word('HeaderSubject'),
  passphrase: word('Passphrase'),
  modelDescription: word('ModelDoc'),
  weightName: word('WeightName'),
  mistyped: word('Mistyped'),
} as const
const canaries: Canary[] = Object.entries(text).map(([name, value]) => ({ name, value: Buffer.from(value) }))

let folder: string
let dataDir: string
let server: ChildProcess
let client: Client
let log: string

const files = (): readonly string[] => [...filesBelow(dataDir), ...filesBelow(join(folder, 'tmp')), log]

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-canaries-'))
  dataDir = join(folder, 'data')
  log = join(folder, 'server.log')
  mkdirSync(join(folder, 'tmp'))
  writeFileSync(log, '')
  writeFileSync(join(folder, 'redoubt.yaml'), 'passphrase: env:CANARY_PASSPHRASE\nlog:\n  level: debug\n')
  server = spawn(process.execPath, ['src/cli.ts', 'up', '--port', '0', '--data-dir', dataDir, '--config', join(folder, 'redoubt.yaml')], {
    cwd: root,
    env: { PATH: process.env['PATH'], TMPDIR: join(folder, 'tmp'), CANARY_PASSPHRASE: text.passphrase },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (part: Buffer): void => {
    output += part.toString('utf8')
    // The greeting shows the enrolment link to who started the server; it is no log.
    writeFileSync(log, output.replace(/\/enrol\/[\w-]+/g, '/enrol/…'))
  }
  server.stdout?.on('data', keep)
  server.stderr?.on('data', keep)
  await new Promise<void>((resolve, reject) => {
    server.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${output}`)))
    server.stdout?.on('data', () => {
      if (output.includes('Ask the starter model')) resolve()
    })
  })
  const link = /\/enrol\/([\w-]{40,})/.exec(output)?.[1] ?? ''
  canaries.push({ name: 'enrolment link', value: Buffer.from(link) })
  client = new Client(findPlace({ dataDir }, {}))
  await plant()
})

afterAll(async () => {
  if (server.exitCode === null) server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** Passes every canary through the server, in the ways that its users have. */
async function plant(): Promise<void> {
  const query = 'label=label&subject=person&sensitivity=restricted&purpose=credit-scoring&legalBasis=contract'
  const rows = Array.from(
    { length: 300 },
    (_, i) => `${i % 3 === 0 ? text.rowSubject : `person-${i}`},${i % 2 === 0 ? text.category : 'plain'},${i},${i % 2}\n`,
  )
  await client.long('/datasets/planted/versions?' + query, {
    method: 'POST',
    stream: Readable.from(['person,kind,amount,label\n', ...rows]),
    contentType: 'text/csv',
  })
  // Rows that are refused must not stay behind either.
  const ragged = client.long('/datasets/ragged/versions?' + query, {
    method: 'POST',
    stream: Readable.from(['person,kind,amount,label\n', ...rows, `${text.mistyped}\n`]),
    contentType: 'text/csv',
  })
  await expect(ragged).rejects.toMatchObject({ code: 'ERR_DATA_RAGGED' })
  await client.long('/models/planted/train', { method: 'POST', json: { dataset: 'planted', algorithm: 'mlp', seed: 1 } })
  await client.call('/models/planted/deploy', { method: 'POST', json: {} })

  const graph = mlpGraph(7)
  const [first] = graph.initializer ?? []
  const weights = Buffer.from(Float32Array.from(first?.floatData ?? []).buffer)
  canaries.push({ name: 'model weights', value: weights.subarray(0, 32) })
  const names = new Map([['w1', text.weightName]])
  const renamed = {
    ...graph,
    initializer: (graph.initializer ?? []).map((tensor) => ({ ...tensor, name: names.get(tensor.name ?? '') ?? tensor.name ?? '' })),
    node: (graph.node ?? []).map((node) => ({ ...node, input: (node.input ?? []).map((input) => names.get(input) ?? input) })),
  }
  await client.call('/models/foreign/versions?sensitivity=restricted&purpose=credit-scoring', {
    method: 'POST',
    bytes: encodeModel(renamed, { docString: text.modelDescription }),
    contentType: 'application/octet-stream',
  })
  await client.call('/models/foreign/deploy', { method: 'POST', json: {} })

  const { privateKeyJwk } = await client.call<{ privateKeyJwk: PrivateJwk }>('/service-accounts', {
    method: 'POST',
    json: { name: 'canary-app', roles: ['application'], purpose: 'credit-scoring', legalBasis: 'contract' },
  })
  const bootstrap = readAccountFile(join(client.place.secretsDir, BOOTSTRAP_KEY_FILE))!
  for (const [name, jwk] of [
    ['account key', privateKeyJwk],
    ['bootstrap key', bootstrap.privateKeyJwk],
  ] as const) {
    const pkcs8 = createPrivateKey({ key: { ...jwk }, format: 'jwk' }).export({ type: 'pkcs8', format: 'der' })
    canaries.push({ name: `${name} (PKCS8)`, value: pkcs8 }, { name: `${name} (JWK d)`, value: Buffer.from(jwk.d) })
    canaries.push({ name: `${name} (bytes)`, value: Buffer.from(jwk.d, 'base64url') })
  }
  const ca = readFileSync(client.place.caPath, 'utf8')
  const { accessToken } = await requestToken({ baseUrl: client.place.url, accountId: 'canary-app', privateKeyJwk, ca })
  canaries.push({ name: 'access token', value: Buffer.from(accessToken) })
  canaries.push({ name: 'signature of the access token', value: Buffer.from(accessToken.split('.')[2] ?? '', 'base64url') })
  canaries.push({ name: 'bootstrap token', value: Buffer.from(await client.tokenFor(join(client.place.secretsDir, BOOTSTRAP_KEY_FILE))) })

  const headers = { authorization: `Bearer ${accessToken}` }
  const tensor = (name: string, datatype: string, value: unknown) => ({ name, shape: [1, 1], datatype, data: [value] })
  const row = { inputs: [tensor('kind', 'BYTES', text.oipCategory), tensor('amount', 'INT64', 7)] }
  const scored = await client.raw('/v2/models/planted/infer', {
    method: 'POST',
    json: { ...row, parameters: { subject: text.oipSubject } },
    headers,
  })
  expect(scored.status, scored.body.toString()).toBe(200)
  const named = await client.raw('/v2/models/planted/infer', {
    method: 'POST',
    json: row,
    headers: { ...headers, 'redoubt-subject': text.headerSubject },
  })
  expect(named.status).toBe(200)
  const bad = await client.raw('/v2/models/planted/infer', { method: 'POST', json: { ...row, [text.mistyped]: text.mistyped }, headers })
  expect(bad.status).toBe(400)
  for (const stream of [false, true]) {
    const chat = await client.raw('/v1/chat/completions', {
      method: 'POST',
      json: {
        model: 'assistant',
        stream,
        messages: [
          { role: 'system', content: text.system },
          { role: 'user', content: `repeat: ${text.answer} and ${text.prompt}` },
        ],
        safety_identifier: text.chatSubject,
      },
      headers,
    })
    expect(chat.status).toBe(200)
    expect(chat.body.toString().length).toBeGreaterThan(100)
    if (!stream) expect(chat.body.toString()).toContain(text.answer)
  }
  await client.raw('/v1/chat/completions', { method: 'POST', json: { model: text.mistyped, messages: [] }, headers })
  await client.call(`/audit/entries?subject=${text.oipSubject}`)
  const officer = await client.call<{ privateKeyJwk: PrivateJwk }>('/service-accounts', {
    method: 'POST',
    json: { name: 'key-officer', roles: ['privacy-officer'], purpose: 'credit-scoring', legalBasis: 'contract' },
  })
  const held = {
    baseUrl: client.place.url,
    accountId: 'key-officer',
    privateKeyJwk: officer.privateKeyJwk,
    ...(ca === undefined ? {} : { ca }),
  }
  const { accessToken: officerToken } = await requestToken(held)
  await client.call('/subjects/destroy-key', {
    method: 'POST',
    json: { subject: text.headerSubject },
    headers: { authorization: `Bearer ${officerToken}` },
  })
}

function expectNothing(): void {
  const found = searchFiles(files(), canaries)
  expect(found, `planted with ${seed}`).toEqual([])
}

/** What every private key looks like in a file, whoever's it is. */
const KEY_SHAPES: readonly Canary[] = [
  { name: 'PEM of a private key', value: Buffer.from('PRIVATE KEY-----') },
  { name: 'PKCS8 of Ed25519', value: Buffer.from('302e020100300506032b657004220420', 'hex') },
  { name: 'PKCS8 of P-256', value: Buffer.from('308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420', 'hex') },
  { name: 'private JWK', value: Buffer.from('"kty":"OKP","d":"') },
]

describe('nothing in clear at rest (A1, A2, A7)', () => {
  it('is found while the server runs, in its data directory, write-ahead logs, temporary files and own log', () => {
    expect(filesBelow(dataDir).some((path) => path.endsWith('-wal'))).toBe(true)
    expect(canaries.length).toBeGreaterThan(20)
    expectNothing()
  })

  it('is no private key of any kind, while the server runs', () => {
    expect(searchFiles(filesBelow(dataDir), KEY_SHAPES)).toEqual([])
  })

  it('is found after the server was killed, when write-ahead logs and temporary files stay as they are', async () => {
    server.removeAllListeners('exit')
    const ended = new Promise((resolve) => server.once('exit', resolve))
    server.kill('SIGKILL')
    await ended
    expectNothing()
    expect(searchFiles(filesBelow(dataDir), KEY_SHAPES)).toEqual([])
  })

  it('is left behind as a core dump', () => {
    for (const place of [folder, dataDir, root]) expect(existsSync(join(place, 'core'))).toBe(false)
  })
})

describe('the search itself', () => {
  it('finds a planted value in every encoding, at every alignment, in the same files (positive control)', () => {
    const control: Canary = { name: 'control', value: Buffer.from(word('Control')) }
    const planted = join(dataDir, 'objects', 'control')
    for (const encoding of ENCODINGS) {
      for (const lead of ['', 'x', 'xy', 'xyz']) {
        writeFileSync(planted, Buffer.concat([Buffer.from(lead), encoding.encode(control.value), Buffer.from('tail')]))
        expect(searchFiles(files(), [control]).map(({ encoding: name }) => name)).toContain(encoding.name)
      }
    }
    for (const lead of [0, 1, 2]) {
      writeFileSync(planted, Buffer.concat([Buffer.alloc(lead, 0x78), control.value, Buffer.from('tail')]).toString('base64'))
      expect(searchFiles(files(), [control]).length).toBeGreaterThan(0)
      writeFileSync(planted, Buffer.concat([Buffer.alloc(lead, 0xfb), control.value, Buffer.from('tail')]).toString('base64url'))
      expect(searchFiles(files(), [control]).length).toBeGreaterThan(0)
    }
    rmSync(planted)
    expect(searchFiles(files(), [control])).toEqual([])
  })

  it('finds what the server does keep in clear: names of data sets, models and accounts (positive control)', () => {
    const names = [{ name: 'account', value: Buffer.from('canary-app') }]
    const places = searchFiles(files(), names).map(({ file }) => file)
    expect(places.some((path) => path.includes('redoubt.db'))).toBe(true)
    expect(places.some((path) => path.includes(`${join(dataDir, 'log')}/`))).toBe(true)
  })
})
