/** Why a model decided as it did, against the whole server: the decision that was made, later, and a row now (D2). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runProgram } from '#interfaces/commands'
import { createProgram } from '../../src/composition/program.ts'
import { type Answer, type House, type HouseAccount, openHouse, starterRow } from './house.fixture.ts'

let house: House
let scorer: HouseAccount
let officer: HouseAccount
let scientist: HouseAccount
let auditor: HouseAccount
beforeAll(async () => {
  house = await openHouse()
  scorer = await house.account('clerk', 'business-user')
  officer = await house.account('officer', 'privacy-officer', 'subject-access')
  scientist = await house.account('scientist', 'data-scientist')
  auditor = await house.account('auditor', 'auditor')
}, 120_000)
afterAll(() => house.close())

const infer = (body: object) => house.call('POST', '/v2/models/credit/infer', { token: scorer.token, json: body })
const about = (subject: string, change = {}) => ({ parameters: { subject }, ...starterRow(change) })
const look = (by: HouseAccount, requestId: unknown, query = ''): Promise<Answer> =>
  house.call('GET', `/api/v1/audit/explanations/${String(requestId)}${query}`, { token: by.token })
const explain = (by: HouseAccount, row: object, model = 'credit') =>
  house.call('POST', `/api/v1/models/${model}/explain`, { token: by.token, json: { row } })
const ROW = { age: 41, income: 38_000, amount: 9_500, duration_months: 36, employment: 'permanent', purpose: 'car', late_payments: 1 }
const adds = ({ contributions, score, baselineScore }: Answer['json']): void => {
  const sum = (contributions as { contribution: number }[]).reduce((total, each) => total + each.contribution, 0)
  expect(Math.abs(sum - (score - baselineScore))).toBeLessThan(1e-3)
}

describe('the explanation of a decision that was made (D2)', () => {
  it('is of the row and the version that decided, adds up to the score, and is what was answered', async () => {
    const answered = await infer(about('ada', { age: 23, late_payments: 4, income: null }))
    const probability = answered.json.outputs.find(({ name }: { name: string }) => name === 'probability').data[0] as number
    const { status, json } = await look(officer, answered.headers['x-request-id'])
    expect([status, json.model, json.version, json.reproduced, json.method]).toEqual([200, 'credit', 1, true, 'shapley'])
    expect(Math.abs(json.probability - probability)).toBeLessThan(1e-5)
    expect(1 / (1 + Math.exp(-json.score))).toBeCloseTo(probability, 5)
    adds(json)
    expect(json.completenessError).toBeLessThan(1e-4)
    const given = Object.fromEntries(json.contributions.map((each: { feature: string; value: unknown }) => [each.feature, each.value]))
    expect(given).toEqual({ ...ROW, age: 23, late_payments: 4, income: null })
    // Another version serves by then: the one that decided is explained.
    for (const path of ['/models/credit/train', '/models/credit/deploy'])
      await house.call('POST', `/api/v1${path}`, {
        token: house.token,
        json: path.endsWith('train') ? { dataset: 'credit', algorithm: 'logistic' } : {},
      })
    expect((await look(officer, answered.headers['x-request-id'])).json).toMatchObject({ version: 1, reproduced: true })
    expect((await house.call('POST', '/api/v1/models/credit/rollback', { token: house.token, json: {} })).status).toBe(200)
  })

  it('records who looked at whom, before it is answered', async () => {
    const answered = await infer(about('bela'))
    const seen = await look(officer, answered.headers['x-request-id'])
    const [entry] = await house.entries({ type: 'inference.explanation', limit: '1' })
    expect(entry?.event).toMatchObject({
      actor: { id: 'officer' },
      action: 'explain',
      resource: { type: 'Model', id: 'credit' },
      requestId: seen.headers['x-request-id'],
      details: { of: answered.headers['x-request-id'], subjects: [seen.json.subject] },
    })
    const found = await house.entries({ subject: 'bela', type: 'inference.explanation' })
    expect(found.map(({ index }) => index)).toEqual([entry?.index])
    expect(JSON.stringify(entry)).not.toMatch(/bela|38000|permanent/)
  })

  it('is for whoever made the call, and for those who may explain and read the record', async () => {
    const { headers } = await infer(about('cara'))
    const id = headers['x-request-id']
    expect((await look(scorer, id)).status).toBe(200)
    // May explain, did not make the call and reads no record; may read the record and explains nothing.
    for (const other of [scientist, auditor, await house.account('other-clerk', 'business-user')])
      expect((await look(other, id)).json.code).toBe('ERR_POLICY_DENIED')
    expect((await house.entries({ subject: 'cara', type: 'inference.explanation' })).length).toBe(1)
  })

  it('is told of a version that is quarantined since, and of one that was removed that it was', async () => {
    const token = house.token
    const post = (path: string, json: object) => house.call('POST', `/api/v1/models/${path}`, { token, json })
    await post('doubtful/train', { dataset: 'credit', algorithm: 'logistic' })
    expect((await post('doubtful/deploy', {})).status).toBe(200)
    const ask = () => house.call('POST', '/v2/models/doubtful/infer', { token: scorer.token, json: about('gina') })
    const id = (await ask()).headers['x-request-id']
    expect((await look(officer, id)).json).toMatchObject({ reproduced: true, quarantined: false })
    const { digest } = (await look(officer, id)).json
    const guard = await house.account('guard', 'security-officer')
    const path = '/api/v1/models/doubtful/quarantine'
    expect((await house.call('POST', path, { token: guard.token, json: { reason: 'poisoned rows' } })).status).toBe(200)
    const { status, json } = await look(officer, id)
    expect([status, json.version, json.reproduced, json.quarantined]).toEqual([200, 1, true, true])
    adds(json)
    // Nothing new is asked of it.
    expect((await ask()).status).not.toBe(200)
    expect((await explain(scientist, ROW, 'doubtful')).json.code).toBe('ERR_POLICY_DENIED')
    expect((await post('doubtful/deploy', {})).status).not.toBe(200)

    expect((await house.call('DELETE', '/api/v1/models/doubtful', { token })).status).toBe(200)
    for (const by of [officer, scorer]) {
      const gone = await look(by, id)
      expect([gone.status, gone.json.code]).toEqual([422, 'ERR_EXPLANATION'])
      expect(gone.json.detail).toContain(`\`doubtful\` version 1, digest ${digest}`)
    }
    expect((await look(scientist, id)).json.code).toBe('ERR_POLICY_DENIED')
    // Another under the same name and number did not decide.
    await post('doubtful/train', { dataset: 'credit', algorithm: 'mlp' })
    expect((await look(officer, id)).json.detail).toContain('was removed')
  })

  it('ends with the key of the person, and says so', async () => {
    const { headers } = await infer(about('dora'))
    const id = headers['x-request-id']
    expect((await look(officer, id)).status).toBe(200)
    const destroyed = await house.call('POST', '/api/v1/subjects/destroy-key', { token: officer.token, json: { subject: 'dora' } })
    expect(destroyed.json.destroyed).toBe(true)
    const gone = await look(officer, id)
    expect([gone.status, gone.json.code]).toEqual([410, 'ERR_KEYS_DESTROYED'])
    expect(gone.text).not.toContain('permanent')
    const [entry] = await house.entries({ type: 'inference.explanation', limit: '1' })
    expect(entry?.event).toMatchObject({ outcome: 'failed', code: 'ERR_KEYS_DESTROYED' })
  })

  it('is not there for a call without a person, a row that was not sent, or an id of nothing', async () => {
    const nobody = await infer(starterRow())
    expect((await look(scorer, nobody.headers['x-request-id'])).json.code).toBe('ERR_EXPLANATION')
    const { headers } = await infer(about('emil'))
    expect((await look(officer, headers['x-request-id'], '?row=2')).json.code).toBe('ERR_EXPLANATION')
    expect((await look(officer, 'req_none')).status).toBe(404)
    expect((await look(officer, 'a.b')).status).toBe(400)
  })
})

describe('the explanation of a row (D2)', () => {
  it('is exact for a sum, which a logistic regression is', async () => {
    await house.call('POST', '/api/v1/models/straight/train', { token: house.token, json: { dataset: 'credit', algorithm: 'logistic' } })
    const { status, json } = await explain(scientist, ROW, 'straight')
    expect([status, json.method, json.orders]).toEqual([200, 'additive', null])
    adds(json)
    // One column at a time: what a column contributes does not depend on the others, as it does in a network.
    const shareOf = (answer: Answer['json'], feature: string): number =>
      answer.contributions.find((each: { feature: string }) => each.feature === feature).contribution
    const other = (await explain(scientist, { ...ROW, income: 12_000, employment: null, late_payments: 5 }, 'straight')).json
    expect(shareOf(other, 'age')).toBeCloseTo(shareOf(json, 'age'), 4)
    expect(shareOf(other, 'late_payments')).not.toBeCloseTo(shareOf(json, 'late_payments'), 2)
    const typical = Object.fromEntries(
      json.contributions.map((each: { feature: string; baseline: unknown }) => [each.feature, each.baseline]),
    )
    const none = (await explain(scientist, typical, 'straight')).json
    expect([none.score, ...none.contributions.map((each: { contribution: number }) => each.contribution)]).toEqual([
      none.baselineScore,
      ...Array.from({ length: 7 }, () => 0),
    ])
  })

  it('asks `explain` of the model, for a purpose that it has', async () => {
    const elsewhere = await house.account('elsewhere', 'data-scientist', 'marketing')
    expect((await explain(elsewhere, ROW)).json.code).toBe('ERR_POLICY_PURPOSE')
    expect((await explain(auditor, ROW)).json.code).toBe('ERR_POLICY_DENIED')
    const { headers } = await explain(scientist, ROW)
    const asked = await house.entries({ requestId: headers['x-request-id'] as string, type: 'control.admission' })
    expect(asked.map(({ event }) => event)).toMatchObject([
      { action: 'invoke', resource: { type: 'Model', id: 'credit' } },
      { action: 'explain', resource: { type: 'Model', id: 'credit' } },
    ])
  })

  it('B1: asks `invoke` too, since it tells the score, and is on record by a digest and without a person', async () => {
    // May have decisions explained, but not ask the model.
    expect((await explain(officer, ROW)).status).toBe(403)
    const digests: unknown[] = []
    for (const row of [ROW, ROW, { ...ROW, age: 42 }]) {
      const { headers } = await explain(scientist, row)
      const [entry] = await house.entries({ requestId: headers['x-request-id'] as string, type: 'inference.explanation' })
      expect(entry?.event).toMatchObject({ actor: { id: 'scientist' }, outcome: 'success', details: { version: 1, columns: 7 } })
      expect(JSON.stringify(entry)).not.toMatch(/38000|permanent|subjects/)
      digests.push((entry!.event['details'] as { inputDigest: unknown }).inputDigest)
    }
    expect(digests[0]).toMatch(/^[0-9a-f]{64}$/)
    expect(digests.map((digest) => digests.indexOf(digest))).toEqual([0, 0, 2])
  })

  it('takes what an inference of one row takes, out of the same windows, and is refused beyond (C4)', async () => {
    const text =
      '@id("few-rows") @limit("rows 3/1h") permit (principal == ServiceAccount::"limited", action == Action::"invoke", resource == Model::"credit");'
    expect((await house.call('PUT', '/api/v1/policies/few-rows', { token: house.token, json: { text } })).status).toBe(200)
    const limited = await house.account('limited', 'business-user')
    const ask = () => house.call('POST', '/v2/models/credit/infer', { token: limited.token, json: starterRow() })
    expect((await ask()).status).toBe(200)
    // A row that is none of the model's costs nothing.
    expect((await explain(limited, {})).status).toBe(400)
    const first = await explain(limited, ROW)
    expect([first.status, first.headers['x-ratelimit-remaining-rows']]).toEqual([200, '1'])
    expect((await explain(limited, ROW)).status).toBe(200)
    const beyond = await explain(limited, ROW)
    expect([beyond.status, beyond.json.code, beyond.json.score]).toEqual([429, 'ERR_LIMIT_ROWS', undefined])
    expect(Number(beyond.headers['retry-after'])).toBeGreaterThan(0)
    expect((await ask()).status).toBe(429)
    const [refusal] = await house.entries({ requestId: beyond.headers['x-request-id'] as string, type: 'control.refusal' })
    expect(refusal?.event).toMatchObject({ action: 'explain', code: 'ERR_LIMIT_ROWS', outcome: 'refused' })
    // Others have windows of their own; and what was decided and paid for is explained.
    expect((await explain(scientist, ROW)).status).toBe(200)
    expect((await house.call('DELETE', '/api/v1/policies/few-rows', { token: house.token })).status).toBe(200)
  })

  it('is limited by what the permit to explain says where nothing lets the caller invoke (C4)', async () => {
    const text =
      '@id("few-explanations") @limit("requests 1/1h") permit (principal in Role::"ml-engineer", action == Action::"explain", resource);'
    expect((await house.call('PUT', '/api/v1/policies/few-explanations', { token: house.token, json: { text } })).status).toBe(200)
    const engineer = await house.account('engineer', 'ml-engineer')
    expect((await explain(engineer, ROW)).status).toBe(200)
    expect((await explain(engineer, ROW)).json.code).toBe('ERR_LIMIT_REQUESTS')
    expect((await house.call('DELETE', '/api/v1/policies/few-explanations', { token: house.token })).status).toBe(200)
  })

  it('refuses a row that is not one of the model', async () => {
    const { age: _age, ...short } = ROW
    for (const row of [short, { ...ROW, more: 1 }, { ...ROW, age: 'old' }, { ...ROW, employment: 3 }, { ...ROW, age: 1.5 }, {}])
      expect((await explain(scientist, row)).json.code, JSON.stringify(row)).toBe('ERR_INPUT_INVALID')
    const wide = Object.fromEntries(Array.from({ length: 2_001 }, (_, i) => [`c${i}`, 1]))
    expect((await explain(scientist, wide)).json.code).toBe('ERR_INPUT_INVALID')
    expect((await explain(scientist, ROW, 'absent')).json.code).toBe('ERR_MODEL_UNKNOWN')
  })

  it('is told by commands in words and as JSON', async () => {
    const { headers } = await infer(about('fred'))
    for (const words of [
      ['explain', String(headers['x-request-id'])],
      ['model', 'explain', 'credit', '--row', JSON.stringify(ROW)],
    ]) {
      let out = ''
      process.env['REDOUBT_TOKEN'] = house.token
      const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (out += text) }
      const argv = ['node', 'redoubt', ...words, '--data-dir', house.dataDir, '--secrets-dir', house.secretsDir]
      expect(await runProgram(createProgram(['redoubt']), argv, terminal), out).toBe(0)
      delete process.env['REDOUBT_TOKEN']
      expect(out).toMatch(/late_payments +1 +\d+ +[+−]\d/)
      expect(out).toContain('exact Shapley values')
      expect(out.includes('this is what was answered')).toBe(words[0] === 'explain')
    }
  })
})
