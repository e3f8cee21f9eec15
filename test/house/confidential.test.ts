import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { madeDocument, madeExamples } from '../fixtures/confidential-examples.ts'
import { seededRandom } from '../../src/gateway/filters/text/random.ts'
import { type House, type HouseAccount, openHouse } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'
import { filesBelow, searchFiles } from './search-canaries.ts'

const MEMO =
  'The supervisory board approved the acquisition of Halvorsen Marine on the condition that the purchase price stays below four hundred ' +
  'million kroner. Due diligence found two undisclosed leases in Bergen. The seller expects an answer before the end of the second quarter.'
const POLICY = `
@id("confidential-here")
@filter_output("CONFIDENTIAL_DOCUMENT=mask, CONFIDENTIAL_TERM=block, CONFIDENTIAL_MARKING=mask, TRAINING_DATA=block, CONFIDENTIAL_TEXT=mask")
@filter_input("CONFIDENTIAL_TERM=block")
permit (principal in Role::"application", action == Action::"invoke", resource is Endpoint);
`
const folder = mkdtempSync(join(tmpdir(), 'redoubt-house-confidential-'))
let house: House
let application: HouseAccount
beforeAll(async () => {
  writeFileSync(join(folder, 'confidential.cedar'), POLICY)
  house = await openHouse((configuration) => ({ ...configuration, policies: folder }))
  application = await house.account('assistant-app', 'application', 'support')
})
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const put = (path: string, body?: string | Uint8Array) =>
  house.call('POST', `/api/v1/confidential/${path}`, {
    token: house.token,
    ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/octet-stream' } }),
  })
const remove = (path: string) => house.call('DELETE', `/api/v1/confidential/${path}`, { token: house.token })
async function said(text: string, stream: boolean): Promise<{ status: number; content: string; code: string | null; raw: string }> {
  const json = { model: 'assistant', stream, messages: [{ role: 'user', content: `say64 ${Buffer.from(text).toString('base64')}` }] }
  const answer = await house.call('POST', '/v1/chat/completions', { token: application.token, json })
  if (!stream || answer.status !== 200) {
    const body = answer.json
    return { status: answer.status, content: body.choices?.[0]?.message?.content ?? '', code: body.error?.code ?? null, raw: answer.text }
  }
  const events = answer.text
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice('data: '.length)))
  return {
    status: answer.status,
    content: events.map((event) => event.choices?.[0]?.delta?.content ?? '').join(''),
    code: events.map((event) => event.choices?.[0]?.finish_reason).findLast((reason) => reason) ?? null,
    raw: answer.text,
  }
}
const alertsOf = async (kind: string): Promise<readonly { severity: string; summary: string }[]> => {
  for (let i = 0; i < 200; i++) {
    const { alerts } = (await house.call('GET', `/api/v1/alerts?kind=${kind}&state=all`, { token: house.token })).json
    if (alerts.length > 0) return alerts
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return []
}

describe('confidential data in the whole server', () => {
  it('is registered by command, and masked in the next answer and stream without a restart (C7)', async () => {
    expect(await said(MEMO, false)).toMatchObject({ content: MEMO })
    const added = await runRedoubt(house, ['confidential', 'add', file('Board memo.txt', MEMO)])
    expect(added).toMatchObject({ code: 0, out: expect.stringContaining('registered `board-memo` (document)') })
    const asked = `Certainly, this is the passage that you were asking about, in full: ${MEMO.slice(0, 200)}`
    for (const stream of [false, true]) {
      const { content, raw } = await said(asked, stream)
      expect(content).toMatch(/^Certainly, this is the passage .*\[CONFIDENTIAL_DOCUMENT\]/u)
      expect(raw).not.toMatch(/Halvorsen|purchase price/u)
    }
    const [entry] = await house.entries({ type: 'inference.completion', limit: '1' })
    expect(entry!.event['details']).toMatchObject({ outputFindings: { CONFIDENTIAL_DOCUMENT: 1 } })
  })

  it('blocks terms, in answers, streams and what is sent (C7)', async () => {
    expect((await put('terms/projects', 'Blue Heron\n')).text).toContain('"kind":"terms"')
    const json = { model: 'assistant', messages: [{ role: 'user', content: 'What is blue-heron?' }] }
    const sent = await house.call('POST', '/v1/chat/completions', { token: application.token, json })
    expect([sent.status, sent.headers['redoubt-code'] ?? sent.json.error.code]).toEqual([400, 'ERR_FILTER_BLOCKED_INPUT'])
    expect(house.upstream.bodies.some((body) => body.includes('What is'))).toBe(false)
  })

  it('finds rows of a protected data set (C8)', async () => {
    const rows = ['id,name,city,plan', ...Array.from({ length: 20 }, (_, i) => `C-${4_000 + i},Person${i},Town${i},gold`)].join('\n')
    const imported = await house.call(
      'POST',
      '/api/v1/datasets/clients/versions?sensitivity=restricted&purpose=support&legalBasis=contract',
      {
        token: house.token,
        headers: { 'content-type': 'text/csv' },
        body: `${rows}\n`,
      },
    )
    expect(imported.text).toContain('"type":"result"')
    expect(await said('{"id":"C-4003","name":"Person3","city":"Town3","plan":"gold"}', false)).toMatchObject({ status: 200 })
    expect((await put('data/clients')).text).toContain('"amount":20')
    expect(await said('{"id":"C-4003","name":"Person3","city":"Town3","plan":"gold"}', false)).toMatchObject({
      code: 'content_filter',
    })
    const streamed = await said('Here: C-4003, Person3, Town3, gold', true)
    expect([streamed.content, streamed.code]).toEqual(['Here: ', 'content_filter'])
    expect(await said('Person3 is in Town7.', false)).toMatchObject({ content: 'Person3 is in Town7.' })
  })

  it('blocks canaries whatever the policy says, and raises a critical alert at once (C8, E6)', async () => {
    const make = () => house.call('POST', '/api/v1/confidential/canaries/planted', { token: house.token, json: { count: 2 } })
    const [canary] = (await make()).json.canaries
    expect(canary).toMatch(/^[a-z2-9]{20}$/u)
    const streamed = await said(`My code is ${canary}.`, true)
    expect([streamed.content, streamed.code]).toEqual(['My code is ', 'content_filter'])
    expect(await alertsOf('canary.seen')).toMatchObject([{ severity: 'critical', subject: { type: 'Endpoint', id: 'assistant' } }])
    // Others in their place would let these pass.
    expect((await make()).status).toBe(409)
  })

  it('C7: a classifier is trained by command from examples, masks what reads like them, and is removed', { timeout: 90_000 }, async () => {
    const examples = madeExamples(40, 7)
    const lines = (label: 0 | 1): string =>
      examples.flatMap((example) => (example.label === label ? [JSON.stringify(example)] : [])).join('\n')
    const [secret, open] = [madeDocument(1, seededRandom(3)), madeDocument(0, seededRandom(3))]
    expect(await said(secret, false)).toMatchObject({ content: secret })
    const few = await runRedoubt(house, ['confidential', 'train', '--confidential', file('few.txt', secret)])
    expect([few.code, few.err]).toEqual([1, expect.stringContaining('ERR_TRAINING_EXAMPLES')])
    const [confidential, known] = [file('board.jsonl', lines(1)), file('news.jsonl', lines(0))]
    const trained = await runRedoubt(house, [
      'confidential',
      'train',
      '--confidential',
      confidential,
      '--public',
      known,
      '--false-alarms',
      '0.02',
    ])
    expect(trained).toMatchObject({ code: 0, out: expect.stringContaining('learned from 40 confidential and 40 public documents') })
    for (const stream of [false, true]) {
      const { content } = await said(`${secret}\n\n${open}`, stream)
      expect(content).toMatch(/^\[CONFIDENTIAL_TEXT\]/u)
      expect(content).not.toMatch(/nobody outside|million/u)
      expect(content.length).toBeGreaterThan(open.length / 2)
    }
    const [entry] = await house.entries({ type: 'inference.completion', limit: '1' })
    expect(entry!.event['details']).toMatchObject({ outputFindings: { CONFIDENTIAL_TEXT: expect.any(Number) } })
    expect((await runRedoubt(house, ['confidential', 'list'])).out).toMatch(/classifier: learned from .* precision/su)
    const asked = { token: application.token, headers: { 'content-type': 'application/octet-stream' }, body: lines(1) }
    expect((await house.call('POST', '/api/v1/confidential/classifier', asked)).status).toBe(403)
    expect((await house.call('DELETE', '/api/v1/confidential/classifier', { token: application.token })).status).toBe(403)
    for (const body of ['{"text":1}\n', 'PK\u0000', '{"text":"a","label":3}'])
      expect((await put('classifier', body)).text).toContain('ERR_INPUT_INVALID')
    expect((await runRedoubt(house, ['confidential', 'remove', 'terms'])).code).toBe(2)
    expect(await runRedoubt(house, ['confidential', 'remove', 'classifier'])).toMatchObject({ code: 0 })
    expect(await said(secret, true)).toMatchObject({ content: secret })
    expect(await alertsOf('confidential.removed')).toMatchObject([{ severity: 'warning' }])
    expect((await remove('classifier')).json.code).toBe('ERR_NOT_FOUND')
  })

  it('is listed to those who watch, by label and count; changed by those who run the house alone (B1)', async () => {
    const listed = await runRedoubt(house, ['confidential', 'list'])
    for (const label of ['board-memo', 'projects', 'clients', 'planted']) expect(listed.out).toContain(label)
    expect(listed.out).not.toMatch(/Heron|Halvorsen/u)
    const asked = { token: application.token, headers: { 'content-type': 'application/octet-stream' }, body: MEMO }
    for (const [method, path] of [
      ['GET', '/confidential'],
      ['POST', '/confidential/documents/x'],
      ['DELETE', '/confidential/documents/board-memo'],
    ] as const)
      expect((await house.call(method, `/api/v1${path}`, method === 'POST' ? asked : { token: application.token })).status, path).toBe(403)
  })

  it('refuses what is no plain text, and says so of what is not registered', async () => {
    for (const bytes of [Buffer.from([0x50, 0x4b, 3, 4, 0, 0, 0xff, 0xfe]), Buffer.from(`a\0${MEMO}`), Buffer.from('short')]) {
      const { text } = await put('documents/office', bytes)
      expect(text).toContain('ERR_INPUT_INVALID')
    }
    expect((await remove('documents/absent')).json.code).toBe('ERR_NOT_FOUND')
  })

  it('leaves nothing of the texts in the data directory (A1)', () => {
    const canaries = ['Halvorsen', 'earn-out clause', 'Blue Heron', 'purchase price stays'].map((text) => ({
      name: text,
      value: Buffer.from(text),
    }))
    expect(searchFiles(filesBelow(house.dataDir), canaries)).toEqual([])
    const control = file('control', MEMO)
    expect(searchFiles([control], canaries).length).toBeGreaterThan(0)
  })

  it('is removed with an alert, and no longer looked for (E6)', async () => {
    expect((await remove('documents/board-memo')).json).toMatchObject({ label: 'board-memo' })
    expect(await said(MEMO, false)).toMatchObject({ content: MEMO })
    expect(await alertsOf('confidential.removed')).toMatchObject([{ severity: 'warning' }])
  })
})
