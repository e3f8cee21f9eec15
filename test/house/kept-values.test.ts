/** Actions of filters, through the whole server: tokens, a site's own recognisers, and cards that stay out of the log. */
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type House, openHouse } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'
import { filesBelow, searchFiles } from './search-canaries.ts'

const CARD = '4929718264930170'
const TOKEN = /\[\[EMAIL_ADDRESS_[a-t]{24}\]\]/
const POLICY = `@id("tokens")
@filter_input("EMAIL_ADDRESS=tokenise, preset:own=mask, CREDIT_CARD=log")
permit (principal in Role::"application", action == Action::"invoke", resource == Endpoint::"assistant");
`
const OWN = `recognisers:
  - id: acme
    entity: ACME_ID
    pattern: 'AC-\\d{6}'
    score: 0.9
`

let house: House
let folder: string
let token: string

const redoubt = (...args: string[]) => runRedoubt(house, args)

const chat = (content: string, user?: string) =>
  house.call('POST', '/v1/chat/completions', {
    token,
    json: { model: 'assistant', messages: [{ role: 'user', content }], ...(user === undefined ? {} : { user }) },
  })

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-kept-'))
  const own = join(folder, 'own.yaml')
  writeFileSync(own, OWN)
  house = await openHouse((configuration) => ({
    ...configuration,
    filters: { ...configuration.filters, recognisers: [own], exempt: ['AC-000000'], keepOutOfLog: ['pci'] },
  }))
  ;({ token } = await house.account('kept'))
  const policy = join(folder, 'tokens.cedar')
  writeFileSync(policy, POLICY)
  const put = await redoubt('policy', 'put', policy)
  expect(`${put.code} ${put.err}`).toBe('0 ')
}, 120_000)

afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('actions of filters in the whole house (C6)', () => {
  it('the model gets tokens, which the command turns back until the key of the person is destroyed', async () => {
    const answer = await chat('write to jane@example.com about AC-123456 and AC-000000', 'customer-7')
    expect(answer.status).toBe(200)
    const asked = house.upstream.bodies.at(-1) ?? ''
    expect(asked).toMatch(TOKEN)
    expect(asked).not.toContain('jane@')
    expect(asked).toContain('about [ACME_ID] and AC-000000')
    const letter = join(folder, 'letter.txt')
    writeFileSync(letter, `Dear ${TOKEN.exec(asked)![0]},`)
    expect(await redoubt('filter', 'restore', letter)).toMatchObject({ code: 0, out: 'Dear jane@example.com,' })
    expect((await house.entries({ type: 'vault.restore' }))[0]?.event).toMatchObject({ details: { restored: { EMAIL_ADDRESS: 1 } } })
    const officer = await house.account('privacy', 'privacy-officer')
    const destroyed = await house.call('POST', '/api/v1/subjects/destroy-key', { token: officer.token, json: { subject: 'customer-7' } })
    expect(destroyed.json).toMatchObject({ destroyed: true })
    const after = await redoubt('filter', 'restore', letter)
    expect(after.out).toMatch(TOKEN)
    expect(after.err).toContain('1 tokens stay')
  }, 60_000)

  it('the report says by the record what was done', async () => {
    const { code, out } = await redoubt('filter', 'report', '--since', '1h', '--json')
    expect(code).toBe(0)
    const { counts } = JSON.parse(out) as { counts: readonly { entity: string; action: string; direction: string }[] }
    expect(counts.map(({ direction, entity, action }) => `${direction} ${entity} ${action}`)).toEqual(
      expect.arrayContaining(['input ACME_ID mask', 'input EMAIL_ADDRESS tokenise']),
    )
  }, 60_000)

  it('a planted card number is in no byte of the log, its bodies or its index, whatever it came in as', async () => {
    await chat(`pay with ${CARD}`, CARD)
    const tool = {
      type: 'function',
      function: { name: `f${CARD}`, parameters: { type: 'object', properties: { [CARD]: { type: 'string' } } } },
    }
    for (const json of [
      { model: CARD, messages: [{ role: 'user', content: 'x' }] },
      { model: 'assistant', messages: [{ role: 'user', content: CARD }], [CARD]: 1 },
      { model: 'assistant', messages: [{ role: CARD, content: 'x' }] },
      { model: 'assistant', messages: [{ role: 'user', content: 'x' }], tools: [tool] },
    ])
      await house.call('POST', '/v1/chat/completions', { token, json })
    await house.call('POST', `/v2/models/${CARD}/infer`, { token, json: { inputs: [] } })
    await house.call('POST', '/v1/chat/completions', { token, headers: { 'x-purpose': CARD, 'user-agent': CARD }, json: {} })
    await house.call('GET', `/api/v1/datasets/${CARD}`, { token: house.token })
    // A record of whoever acts on something of that name is the worst case: what is asked for is in clear in it.
    await house.call('POST', `/api/v1/service-accounts/${CARD}/disable`, { token: house.token })
    const canary = { name: 'card', value: Buffer.from(CARD) }
    const files = filesBelow(house.dataDir).filter((path) => /\/log\/|audit-index/.test(path))
    expect(files.length).toBeGreaterThan(2)
    expect(searchFiles(files, [canary])).toEqual([])
    // The search does find what is there.
    const present = { name: 'present', value: Buffer.from('inference.admission') }
    expect(searchFiles(files, [present]).length).toBeGreaterThan(0)
    expect(files.some((path) => readFileSync(path).includes('[CREDIT_CARD]'))).toBe(true)
  }, 60_000)
})
