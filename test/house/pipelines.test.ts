/** Training pipelines against the whole server: who edits and runs them, what of them a model names, and who agrees to what. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { runProgram } from '#interfaces/commands'
import { createProgram } from '../../src/composition/program.ts'
import { type Answer, type House, type HouseAccount, openHouse } from './house.fixture.ts'

/** What production asks for, and more: a run and its data wait for approvals too where the pipeline is called `watched`. */
const FOUR_EYES = `@id("test-edit") forbid (principal, action == Action::"editPipeline", resource == Pipeline::"agreed") when { context.approvals < 1 };
@id("test-run") forbid (principal, action == Action::"runPipeline", resource == Pipeline::"watched") when { context.approvals < 1 };
@id("test-train") forbid (principal, action == Action::"trainOn", resource == Dataset::"watched") when { context.approvals < 1 };
@id("test-deploy") forbid (principal, action == Action::"deploy", resource is Model) when { context.approvals < 1 };
@id("test-restricted") forbid (principal, action == Action::"editPipeline", resource) when { resource is Pipeline && resource.sensitivity >= 3 };
@id("test-own") forbid (principal, action == Action::"runPipeline", resource == Pipeline::"not-by-its-author")
when { resource.author == "ServiceAccount::engineer" };
@id("test-approve") permit (principal in Role::"ml-engineer", action == Action::"approve", resource) when { resource is Model || resource is Pipeline };
@id("test-view") forbid (principal == ServiceAccount::"viewer", action == Action::"view", resource)
when { resource is Pipeline && resource.sensitivity >= 3 };
`
const ROWS = 60
/** For a busy machine. */
const PATIENT = { timeout: 30_000 }
const folder = mkdtempSync(join(tmpdir(), 'redoubt-pipelines-'))

let house: House
let engineer: HouseAccount
let scientist: HouseAccount
let deployer: HouseAccount
let officer: HouseAccount

const call = (by: HouseAccount, method: string, path: string, json?: object): Promise<Answer> =>
  house.call(method, `/api/v1${path}`, { token: by.token, ...(json === undefined ? {} : { json }) })
async function importRows(name: string, header: string, sensitivity = 'internal'): Promise<void> {
  const rows = Array.from({ length: ROWS }, (_, n) => `p-${n},${20 + n},${n % 7},${n % 3 === 0 ? 1 : 0}`)
  const path = `/api/v1/datasets/${name}/versions?sensitivity=${sensitivity}&purpose=credit-scoring&legalBasis=contract&subject=who&label=good`
  const body = `${header}\n${rows.join('\n')}\n`
  const { text } = await house.call('POST', path, { token: house.token, headers: { 'content-type': 'text/csv' }, body })
  if (!text.includes('"type":"result"')) throw new Error(text)
}
const HEADER = 'who,age,late,good'
const definition = (change: object = {}) => ({
  dataset: 'loans',
  model: 'loans',
  algorithm: 'logistic',
  parameters: { maxEpochs: 2 },
  ...change,
})
const save = (name: string, change: object = {}, by = engineer) => call(by, 'PUT', `/pipelines/${name}`, definition(change))
/** The last line of what a run answers. */
const last = ({ text }: Answer): any => JSON.parse(text.trim().split('\n').at(-1) ?? '')
const run = async (name: string, body: object = {}, by = engineer): Promise<any> => {
  const answer = await call(by, 'POST', `/pipelines/${name}/run`, body)
  return answer.status === 200 ? last(answer) : answer.json
}
async function askedFor(by: HouseAccount, refused: any): Promise<{ id: string; digest: string }> {
  expect(refused).toMatchObject({ code: 'ERR_APPROVAL_REQUIRED' })
  return (await call(by, 'POST', '/approvals', { offer: refused.approval, reason: 'as agreed' })).json
}
const approve = (by: HouseAccount, { id, digest }: { id: string; digest: string }) =>
  call(by, 'POST', `/approvals/${id}/approve`, { digest })

beforeAll(async () => {
  writeFileSync(join(folder, 'four-eyes.cedar'), FOUR_EYES)
  house = await openHouse((configuration) => ({ ...configuration, policies: folder }))
  engineer = await house.account('engineer', 'ml-engineer')
  scientist = await house.account('scientist', 'data-scientist')
  deployer = await house.account('deployer', 'deployer')
  officer = await house.account('officer', 'security-officer')
  for (const name of ['loans', 'watched']) await importRows(name, HEADER)
}, 60_000)
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('training pipelines (B2)', () => {
  it('are edited and run by those who make models; a deployer deploys what came of it and touches no pipeline', async () => {
    expect((await save('nightly', {}, deployer)).status).toBe(403)
    expect((await save('nightly', {}, scientist)).status).toBe(403)
    const saved = await save('nightly')
    expect([saved.status, saved.json.pipeline.version]).toEqual([200, 1])
    expect((await run('nightly', {}, deployer)).code).toBe('ERR_POLICY_DENIED')
    const { result } = await run('nightly', {}, scientist)
    const { digest } = saved.json.pipeline
    expect(result.model.lineage).toMatchObject({
      pipeline: 'nightly',
      pipelineVersion: { version: 1, digest, author: { type: 'ServiceAccount', id: 'engineer' } },
      person: { type: 'ServiceAccount', id: 'scientist' },
      dataset: { name: 'loans', version: 1 },
      parameters: { maxEpochs: 2, algorithm: 'logistic', seed: 1 },
    })
    // The deployer sees the pipeline that made it.
    expect((await call(deployer, 'GET', '/pipelines/nightly')).json.versions).toEqual([saved.json.pipeline])
    for (const maker of [engineer, scientist])
      expect((await call(maker, 'POST', '/models/loans/deploy')).json.code).toBe('ERR_POLICY_DENIED')
    const asked = await askedFor(deployer, (await call(deployer, 'POST', '/models/loans/deploy')).json)
    expect((await approve(officer, asked)).status).toBe(200)
    expect((await call(deployer, 'POST', '/models/loans/deploy')).status).toBe(200)
    expect((await save('nightly', { seed: 2 }, deployer)).json.code).toBe('ERR_POLICY_DENIED')
  })

  it('put who wrote the pipeline, and who ran it, among those who do not agree to the deployment of what it made', async () => {
    await save('reviewed', { model: 'reviewed' })
    await run('reviewed', {}, scientist)
    const asked = await askedFor(deployer, (await call(deployer, 'POST', '/models/reviewed/deploy')).json)
    // A policy of this house lets engineers agree to deployments.
    expect((await approve(engineer, asked)).json.code).toBe('ERR_APPROVAL_SELF')
    expect((await approve(await house.account('colleague', 'ml-engineer'), asked)).status).toBe(200)
    expect((await call(deployer, 'GET', `/approvals/${asked.id}`)).json).toMatchObject({
      author: { id: 'scientist' },
      contributors: [{ id: 'engineer' }],
      counting: 1,
    })
  })

  it('put whoever wrote any version up to the one that was run among them, in the signed lineage too', async () => {
    const coauthor = await house.account('coauthor', 'ml-engineer')
    await save('shared-work', { model: 'shared-work' })
    await save('shared-work', { model: 'shared-work', seed: 2 }, coauthor)
    const { result } = await run('shared-work', {}, scientist)
    expect(result.model.lineage.pipelineVersion).toMatchObject({
      version: 2,
      author: { id: 'coauthor' },
      earlierAuthors: [{ type: 'ServiceAccount', id: 'engineer' }],
    })
    const asked = await askedFor(deployer, (await call(deployer, 'POST', '/models/shared-work/deploy')).json)
    for (const by of [coauthor, engineer]) expect((await approve(by, asked)).json.code).toBe('ERR_APPROVAL_SELF')
    // Of the first version alone only its author is.
    const first = await run('shared-work', { version: 1 }, scientist)
    expect(first.result.model.lineage.pipelineVersion).not.toHaveProperty('earlierAuthors')
  })

  it('are on record with their digest: each change, each run, what came of it (E3)', async () => {
    const { pipeline } = (await save('recorded', { model: 'recorded' })).json
    const { result } = await run('recorded')
    const events = await house.entries({ resource: 'Pipeline::recorded' })
    const found = events.map(({ event }) => event as any).filter(({ type }) => type.startsWith('pipeline.'))
    expect(found.toReversed()).toMatchObject([
      { type: 'pipeline.edit', action: 'editPipeline', details: { digest: pipeline.digest, replaces: null } },
      { type: 'pipeline.run', action: 'runPipeline', details: { digest: pipeline.digest, dataset: { name: 'loans', version: 1 } } },
      { type: 'pipeline.end', details: { digest: pipeline.digest, registered: { digest: result.model.digest } } },
    ])
  })

  it('that are built in are looked at and run, by `train`, and edited by nobody', async () => {
    const own = (await call(deployer, 'GET', '/pipelines/redoubt/mlp')).json.versions[0]
    expect(own).toMatchObject({ name: 'redoubt/mlp', builtIn: true })
    expect((await call(engineer, 'PUT', '/pipelines/redoubt/mlp', definition())).json.code).toBe('ERR_POLICY_DENIED')
    expect((await save('redoubt')).json.code).toBe('ERR_INPUT_INVALID')
    // An encoded slash is no way round.
    expect((await save('redoubt%2Fmlp')).json.code).toBe('ERR_HOST_INVALID')
    const train = { dataset: 'loans', algorithm: 'logistic', seed: 5 }
    expect((await call(deployer, 'POST', '/models/trained/train', train)).json.code).toBe('ERR_POLICY_DENIED')
    const trained = last(await call(scientist, 'POST', '/models/trained/train', train)).result.model.lineage
    expect(trained).toMatchObject({ pipeline: 'redoubt/logistic', pipelineVersion: { version: 1, author: { type: 'System' } } })
  })

  it('are no way round the policies about data: who may not learn from them runs nothing that does', async () => {
    const denied = `@id("no-loans") forbid (principal == ServiceAccount::"stranger", action == Action::"trainOn", resource == Dataset::"loans");`
    expect((await save('open', { model: 'open' })).status).toBe(200)
    const stranger = await house.account('stranger', 'data-scientist')
    expect((await call({ ...engineer, token: house.token }, 'PUT', '/policies/no-loans', { text: denied })).status).toBe(200)
    expect((await run('open', {}, stranger)).code).toBe('ERR_POLICY_DENIED')
    const other = await house.account('other-purpose', 'data-scientist', 'marketing')
    expect((await run('open', {}, other)).code).toBe('ERR_POLICY_PURPOSE')
    expect((await call({ ...engineer, token: house.token }, 'DELETE', '/policies/no-loans')).status).toBe(200)
  })
})

describe('what is run (B2, B8)', () => {
  it('is what was approved: a pipeline that was edited meanwhile waits for an approval of its own', async () => {
    const first = (await save('watched', { model: 'watched' })).json.pipeline
    const asked = await askedFor(engineer, await run('watched'))
    expect((await call(officer, 'GET', `/approvals/${asked.id}`)).json.payload.meant.pipeline).toMatchObject({
      version: 1,
      digest: first.digest,
    })
    expect((await approve(officer, asked)).status).toBe(200)
    // Who wrote it agrees to no run of it.
    const others = await askedFor(scientist, await run('watched', {}, scientist))
    expect((await approve(engineer, others)).json.code).toBe('ERR_APPROVAL_SELF')
    expect((await save('watched', { model: 'watched', seed: 2 })).status).toBe(200)
    expect((await run('watched')).code).toBe('ERR_APPROVAL_REQUIRED')
    // The one that was looked at still may, by its number.
    const { result } = await run('watched', { version: 1 })
    // Not for `version: 1` in the body, which is another request than the one that was approved.
    expect(result).toBeUndefined()
    const again = await askedFor(engineer, await run('watched', { version: 1, digest: first.digest }))
    await approve(officer, again)
    const ran = await run('watched', { version: 1, digest: first.digest })
    expect(ran.result.model.lineage.pipelineVersion).toMatchObject({ version: 1, digest: first.digest })
  })

  it('waits for both approvals where both are asked for, and spends neither on a no', async () => {
    await importRows('watched', HEADER)
    await save('watched', { dataset: 'watched', model: 'both' })
    const pipeline = await askedFor(engineer, await run('watched'))
    await approve(officer, pipeline)
    const refused = await run('watched')
    expect(refused.code).toBe('ERR_APPROVAL_REQUIRED')
    const privacy = await house.account('privacy', 'privacy-officer')
    expect((await approve(privacy, await askedFor(engineer, refused))).status).toBe(200)
    expect((await run('watched')).result.model.lineage.pipeline).toBe('watched')
    // Both are spent.
    expect((await run('watched')).code).toBe('ERR_APPROVAL_REQUIRED')
  })

  it('is the version that the run began with, though the pipeline is changed while it waits for its turn', async () => {
    const heavy = { algorithm: 'mlp', parameters: { hidden: [256, 256, 256, 256], maxEpochs: 200, patience: 200 } }
    await save('heavy', { ...heavy, model: 'heavy' })
    const first = (await save('patient', { model: 'patient' })).json.pipeline
    const edges = await Promise.all(
      [1, 2].map((seed) => house.open('POST', '/api/v1/pipelines/heavy/run', { token: scientist.token, json: { seed } })),
    )
    const waiting = run('patient')
    await expect
      .poll(async () => (await house.entries({ resource: 'Pipeline::patient' })).map(({ event }) => event['action']), PATIENT)
      .toEqual(expect.arrayContaining(['runPipeline']))
    const second = (await save('patient', { model: 'patient', seed: 99 })).json.pipeline
    for (const edge of edges) edge.destroy()
    const { result } = await waiting
    expect(result.model.lineage).toMatchObject({ pipelineVersion: { version: 1, digest: first.digest }, parameters: { seed: 1 } })
    expect(second.version).toBe(2)
    const types = (await house.entries({ resource: 'Pipeline::patient' })).map(({ event }) => event['type'] as string)
    expect(types.toReversed().filter((type) => type.startsWith('pipeline.'))).toEqual([
      'pipeline.edit',
      'pipeline.edit',
      'pipeline.run',
      'pipeline.end',
    ])
    // What was broken off is on record too.
    const ends = () => house.entries({ resource: 'Pipeline::heavy', type: 'pipeline.end' })
    await expect.poll(async () => (await ends()).map(({ event }) => event['code']), PATIENT).toEqual(['ERR_CLIENT_GONE', 'ERR_CLIENT_GONE'])
  }, 60_000)

  it('is refused when the digest that is meant is another, or the version is not there', async () => {
    await save('pinned', { model: 'pinned' })
    expect((await run('pinned', { digest: 'a'.repeat(64) })).code).toBe('ERR_CONFLICT')
    expect((await run('pinned', { version: 2 })).code).toBe('ERR_NOT_FOUND')
    expect((await run('no-such')).code).toBe('ERR_NOT_FOUND')
  })

  it('learns from no column that was left out, and not at all when that column has another name now', async () => {
    await importRows('people', 'who,sex,late,good')
    await save('fair', { dataset: 'people', model: 'fair', leaveOut: ['sex'] })
    const { result } = await run('fair')
    expect(result.model.inputs.map(({ name }: { name: string }) => name)).toEqual(['late'])
    expect(result.model.lineage.parameters).toMatchObject({ leftOut: 1, columns: 1 })
    expect(JSON.stringify(result.model)).not.toContain('sex')
    await importRows('people', 'who,gender,late,good')
    expect((await run('fair')).problem).toMatchObject({ code: 'ERR_DATA_COLUMN', column: 'sex' })
    await save('no-label', { dataset: 'people', model: 'fair', leaveOut: ['good'] })
    expect((await run('no-label')).problem.code).toBe('ERR_DATA_COLUMN')
    const ends = await house.entries({ resource: 'Pipeline::fair', type: 'pipeline.end' })
    expect(ends.map(({ event }) => event['outcome'])).toEqual(['failed', 'success'])
  })

  it('learns from the data set of that name as the policies see it now, not as it was', async () => {
    await importRows('renamed', HEADER)
    await save('moved', { dataset: 'renamed', model: 'moved' })
    expect((await call({ ...engineer, token: house.token }, 'DELETE', '/datasets/renamed')).status).toBe(200)
    expect((await run('moved')).code).toBe('ERR_DATA_UNKNOWN')
    // A pipeline whose data set is not there is taken for the most sensitive.
    expect((await save('moved', { dataset: 'renamed', model: 'moved', seed: 3 })).json.code).toBe('ERR_POLICY_DENIED')
    await importRows('renamed', HEADER, 'restricted')
    const { result } = await run('moved')
    // Nor is it made harmless by those who may not touch it.
    expect((await save('moved', { dataset: 'loans', model: 'moved' })).json.code).toBe('ERR_POLICY_DENIED')
    expect(result.model).toMatchObject({ sensitivity: 'restricted', lineage: { dataset: { name: 'renamed', version: 2 } } })
  })
})

describe('what policies know of a pipeline (B2)', () => {
  it('is how sensitive its data set is: one is not edited into, or out of, what its editor may not', async () => {
    await importRows('secret', HEADER, 'restricted')
    await save('plain', { model: 'plain' })
    const before = (await call(engineer, 'GET', '/pipelines/plain')).json.versions
    expect((await save('plain', { model: 'plain', dataset: 'secret' })).json.code).toBe('ERR_POLICY_DENIED')
    expect((await save('plain', { model: 'plain', dataset: 'not-there' })).json.code).toBe('ERR_POLICY_DENIED')
    expect((await call(engineer, 'GET', '/pipelines/plain')).json.versions).toEqual(before)
  })

  it('is asked of each version that is shown', async () => {
    const viewer = await house.account('viewer', 'data-scientist')
    await importRows('later', HEADER)
    await save('layers', { dataset: 'later', model: 'layers' })
    await save('layers', { model: 'layers' })
    const versions = async () =>
      (await call(viewer, 'GET', '/pipelines/layers')).json.versions.map((one: { version: number }) => one.version)
    const listed = async () => (await call(viewer, 'GET', '/pipelines')).json.pipelines.map(({ name }: { name: string }) => name)
    expect([await versions(), (await listed()).includes('layers')]).toEqual([[2, 1], true])
    await importRows('later', HEADER, 'restricted')
    expect([await versions(), (await listed()).includes('layers')]).toEqual([[2], true])
    expect((await call(viewer, 'GET', '/pipelines/layers?version=1')).status).toBe(403)
    await importRows('loans-too', HEADER)
    await save('hidden', { dataset: 'loans-too', model: 'hidden' })
    await importRows('loans-too', HEADER, 'restricted')
    expect((await listed()).includes('hidden')).toBe(false)
    expect((await call(viewer, 'GET', '/pipelines/hidden')).status).toBe(403)
  })

  it('is who wrote it', async () => {
    await save('not-by-its-author', { model: 'by-another' })
    expect((await run('not-by-its-author')).code).toBe('ERR_POLICY_DENIED')
    const ask = { account: 'scientist', action: 'runPipeline', resource: { type: 'Pipeline', id: 'not-by-its-author' } }
    const why = await call({ ...engineer, token: house.token }, 'POST', '/policies/why', ask)
    expect([why.status, why.text.includes('test-own')]).toEqual([200, true])
    // A change that would make a pipeline is explained too.
    const made = { account: 'deployer', action: 'editPipeline', resource: { type: 'Pipeline', id: 'none' } }
    const whyNot = await call({ ...engineer, token: house.token }, 'POST', '/policies/why', made)
    expect([whyNot.status, whyNot.text.includes('deployers-change-no-pipeline')]).toEqual([200, true])
  })

  it('is bound into the approval of a change: what was agreed to is saved, over the version that was looked at', async () => {
    const changed = { model: 'agreed', seed: 7 }
    const asked = await askedFor(engineer, (await save('agreed', changed)).json)
    expect((await approve(officer, asked)).status).toBe(200)
    // Other words than those that were agreed to.
    expect((await save('agreed', { ...changed, leaveOut: ['age'] })).json.code).toBe('ERR_APPROVAL_REQUIRED')
    expect((await save('agreed', changed)).json.pipeline).toMatchObject({ version: 1, seed: 7 })
    // Spent, and another was agreed to over the pipeline as it was: not over what it is when two were agreed to.
    const [one, two] = [
      { ...changed, seed: 8 },
      { ...changed, seed: 9 },
    ]
    for (const change of [one, two]) await approve(officer, await askedFor(engineer, (await save('agreed', change)).json))
    expect((await save('agreed', one)).json.pipeline).toMatchObject({ version: 2, seed: 8 })
    expect((await save('agreed', two)).json.code).toBe('ERR_APPROVAL_REQUIRED')
  })
})

describe('a definition (B2)', () => {
  it.each([
    ['unknown members', { command: 'rm -rf /' }],
    ['an author of its own choice', { author: { type: 'User', id: 'eve' } }],
    ['hyper-parameters out of bounds', { parameters: { maxEpochs: 100_000 } }],
    ['hyper-parameters that are not to be chosen', { parameters: { encoding: { maxFeatures: 1_000_000 } } }],
    ['hidden layers in a logistic regression', { parameters: { hidden: [8] } }],
    ['a data set outside its folder', { dataset: '../../etc/passwd' }],
    ['a model outside its folder', { model: 'a/b' }],
    ['too many columns', { leaveOut: Array.from({ length: 257 }, (_, n) => `c${n}`) }],
  ])('with %s is refused', async (_what, change) => {
    const answer = await save('bad', change)
    expect([answer.status, answer.json.code]).toEqual([400, 'ERR_INPUT_INVALID'])
    expect((await call(engineer, 'GET', '/pipelines/bad')).status).toBe(404)
  })

  it('that is too large, and a name that leads elsewhere, are refused', async () => {
    expect((await save('bad', { leaveOut: ['x'.repeat(600_000)] })).status).toBe(413)
    for (const name of ['..', '%2e%2e', '..%2fmodels', 'UP', 'a%00']) expect((await save(name)).status, name).toBeGreaterThanOrEqual(400)
  })
})

describe('the commands for pipelines (B2)', () => {
  afterEach(() => vi.unstubAllEnvs())
  async function redoubt(...args: string[]) {
    let out = ''
    let err = ''
    const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (err += text) }
    const code = await runProgram(createProgram(['redoubt']), ['node', 'redoubt', ...args, '--data-dir', house.dataDir], terminal)
    return { code, out, err }
  }
  const json = async (...args: string[]): Promise<any> => {
    const { code, out, err } = await redoubt('pipeline', ...args, '--json')
    expect(`${args.join(' ')}: ${code} ${err}`).toBe(`${args.join(' ')}: 0 `)
    return JSON.parse(out)
  }

  it('save, show, list and run', async () => {
    vi.stubEnv('REDOUBT_TOKEN', engineer.token)
    const file = join(folder, 'weekly.json')
    writeFileSync(file, JSON.stringify(definition({ model: 'weekly', leaveOut: ['age'] })))
    const saved = await json('save', 'weekly', file)
    expect(saved).toMatchObject({ name: 'weekly', version: 1, leaveOut: ['age'], author: { id: 'engineer' } })
    expect((await json('show', 'weekly')).versions).toEqual([saved])
    expect((await json('show', 'redoubt/mlp')).versions).toMatchObject([{ builtIn: true }])
    expect((await json('list')).map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['redoubt/logistic', 'redoubt/mlp', 'weekly']),
    )
    const ran = await json('run', 'weekly', '--digest', saved.digest, '--seed', '4')
    expect(ran).toMatchObject({
      name: 'weekly',
      version: 1,
      lineage: { pipelineVersion: { digest: saved.digest }, parameters: { seed: 4 } },
    })
    const words = (await redoubt('pipeline', 'show', 'weekly', '--version', '1')).out
    for (const word of ['weekly version 1', saved.digest, 'ServiceAccount::engineer', 'left out  age']) expect(words).toContain(word)
    expect((await redoubt('pipeline', 'list')).out).toContain('weekly')
  })

  it('say what to do next where they do nothing', async () => {
    vi.stubEnv('REDOUBT_TOKEN', deployer.token)
    const file = join(folder, 'weekly.json')
    const refused = await redoubt('pipeline', 'save', 'weekly', file)
    expect([refused.code, refused.err.includes('ERR_POLICY_DENIED')]).toEqual([1, true])
    writeFileSync(file, '{"dataset": "loans", "dataset": "watched"}')
    expect((await redoubt('pipeline', 'save', 'weekly', file)).err).toContain('ERR_INPUT')
    for (const args of [
      ['save', 'weekly', join(folder, 'not-there.json')],
      ['save', '../policies/x', file],
      ['show', '../models/loans'],
      ['run', 'redoubt/mlp'],
      ['run', 'weekly', '--version', 'x'],
    ])
      expect((await redoubt('pipeline', ...args)).code, args.join(' ')).toBe(2)
  })
})
