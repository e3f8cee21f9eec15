import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AuditEvent, RedoubtError } from '#foundation/core'
import { type Database, manifestDigest, openDatabase } from '#foundation/storage'
import { builtIn, openPipelines, type PipelineDefinition, type Pipelines } from './index.ts'
import { checkedDefinition, definitionSchema, parseManifest, writeManifest } from './pipeline-version.ts'

const ADA = { type: 'User', id: 'ada' }
const DEFINITION: PipelineDefinition = { dataset: 'credit', model: 'scores', algorithm: 'mlp', parameters: {}, leaveOut: [], seed: 1 }

let database: Database
let events: AuditEvent[]
let failing: ((event: AuditEvent) => boolean) | null
let now: number
let pipelines: Pipelines
const open = (): Pipelines =>
  openPipelines({
    database,
    audit: {
      async record(event) {
        if (failing?.(event)) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
        events.push(event)
        return { index: events.length - 1, leafHash: '' }
      },
    },
    clock: { now: () => now, monotonic: () => now },
  })
beforeEach(() => {
  database = openDatabase(':memory:')
  events = []
  failing = null
  now = 1_000
  pipelines = open()
})
afterEach(() => database.close())

const save = (change: Partial<PipelineDefinition> = {}, replaces: string | null = null, name = 'nightly') =>
  pipelines.save({ name, definition: { ...DEFINITION, ...change }, replaces, by: ADA, requestId: 'req_1' })
const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: RedoubtError) => error.code,
  )
const sql = (text: string): void => database.raw.exec(text)

describe('a training pipeline (B2)', () => {
  it('has immutable versions that name their author and are committed to by a digest', async () => {
    const first = await save()
    now = 2_000
    const second = await save({ leaveOut: ['sex', 'age'], parameters: { learningRate: 0.01 } }, first.digest)
    expect(first).toMatchObject({ name: 'nightly', version: 1, author: ADA, createdAt: 1_000, builtIn: false, seed: 1 })
    expect(second).toMatchObject({ version: 2, leaveOut: ['age', 'sex'], parameters: { learningRate: 0.01 }, createdAt: 2_000 })
    expect(first.digest).toMatch(/^[0-9a-f]{64}$/)
    expect(second.digest).not.toBe(first.digest)
    expect(pipelines.get('nightly')).toEqual(second)
    expect(pipelines.get('nightly', 1)).toEqual(first)
    expect([pipelines.get('nightly', 3), pipelines.get('weekly')]).toEqual([null, null])
    expect(pipelines.versions('nightly')).toEqual([second, first])
    expect(pipelines.list().map(({ name, version }) => `${name} ${version}`)).toEqual(['redoubt/logistic 1', 'redoubt/mlp 1', 'nightly 2'])
    // After a restart too.
    expect(open().get('nightly')).toEqual(second)
  })

  it('has another digest for whatever is said otherwise, its author and its name among that', () => {
    const base = { ...DEFINITION, name: 'nightly', version: 1, author: ADA, createdAt: 1 }
    const others = [
      { name: 'weekly' },
      { version: 2 },
      { dataset: 'other' },
      { model: 'other' },
      { algorithm: 'logistic' as const },
      { parameters: { patience: 2 } },
      { leaveOut: ['a'] },
      { seed: 2 },
      { author: { type: 'ServiceAccount', id: 'ada' } },
      { createdAt: 2 },
    ].map((change) => manifestDigest(writeManifest({ ...base, ...change })))
    expect(new Set([manifestDigest(writeManifest(base)), ...others]).size).toBe(others.length + 1)
  })

  it('is on record before it counts, and is not there when it cannot be recorded (E3)', async () => {
    const first = await save()
    expect(events).toEqual([
      {
        type: 'pipeline.edit',
        actor: ADA,
        action: 'editPipeline',
        resource: { type: 'Pipeline', id: 'nightly' },
        outcome: 'success',
        requestId: 'req_1',
        details: {
          version: 1,
          digest: first.digest,
          dataset: 'credit',
          model: 'scores',
          algorithm: 'mlp',
          parameters: {},
          leftOut: 0,
          seed: 1,
          replaces: null,
        },
      },
    ])
    failing = () => true
    expect(await codeOf(save({ seed: 2 }, first.digest))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(pipelines.get('nightly')).toEqual(first)
    failing = null
    expect((await save({ seed: 2 }, first.digest)).version).toBe(2)
  })

  it('is not there after a crash before its record', async () => {
    failing = () => {
      // The power goes while the record is written: the row is pending.
      expect(database.raw.prepare('SELECT pending FROM pipeline_versions').all()).toEqual([{ pending: 1 }])
      expect([pipelines.get('nightly'), open().get('nightly')]).toEqual([null, null])
      expect(database.raw.prepare('SELECT pending FROM pipeline_versions').all()).toEqual([])
      return true
    }
    expect(await codeOf(save())).toBe('ERR_AUDIT_UNAVAILABLE')
  })

  it('is not saved over another version than the one that was looked at (B8)', async () => {
    const first = await save()
    expect(await codeOf(save({ seed: 2 }))).toBe('ERR_CONFLICT')
    const both = await Promise.all([codeOf(save({ seed: 2 }, first.digest)), codeOf(save({ seed: 3 }, first.digest))])
    expect(both).toEqual(['done', 'ERR_CONFLICT'])
    expect(await codeOf(save({ seed: 4 }, first.digest))).toBe('ERR_CONFLICT')
    expect(pipelines.get('nightly')).toMatchObject({ version: 2, seed: 2 })
    // Nor as what it is already.
    expect(await codeOf(save({ seed: 2 }, pipelines.get('nightly')!.digest))).toBe('ERR_CONFLICT')
  })

  it('that is not what was saved is not given out, wherever it was changed', async () => {
    const first = await save()
    await save({ seed: 2 }, first.digest)
    const tamper = [
      `UPDATE pipeline_versions SET manifest = replace(manifest, '"ada"', '"eve"')`,
      `UPDATE pipeline_versions SET manifest = replace(manifest, 'credit', 'wages')`,
      `UPDATE pipeline_versions SET digest = '${'0'.repeat(64)}'`,
      'UPDATE pipeline_versions SET version = version + 5',
      `UPDATE pipeline_versions SET name = 'weekly'`,
      `UPDATE pipeline_versions SET manifest = '{'`,
    ]
    for (const change of tamper) {
      sql('SAVEPOINT before')
      sql(change)
      for (const look of [() => pipelines.list(), () => pipelines.get(change.includes('weekly') ? 'weekly' : 'nightly')])
        expect(look, change).toThrow(expect.objectContaining({ code: 'ERR_STORAGE_CORRUPT' }))
      sql('ROLLBACK TO before; RELEASE before')
    }
    expect(pipelines.get('nightly')).toMatchObject({ version: 2 })
  })

  it('has a name that is safe in a path, and not one that is built in', async () => {
    for (const name of [
      '',
      '..',
      '.',
      '../x',
      'a/b',
      'redoubt/mlp',
      'redoubt',
      'Ünion',
      'A',
      'a b',
      '-a',
      'a\u0000',
      `a${'b'.repeat(63)}`,
      '__proto__',
    ])
      expect(await codeOf(save({}, null, name)), name).toBe('ERR_INPUT_INVALID')
    expect(pipelines.list()).toHaveLength(2)
    expect(events).toEqual([])
  })

  it('chooses hyper-parameters within the bounds of the trainer alone, and names no more than is known', () => {
    const bad: readonly object[] = [
      { parameters: { learningRate: 0 } },
      { parameters: { learningRate: Infinity } },
      { parameters: { maxEpochs: 201 } },
      { parameters: { maxEpochs: 1.5 } },
      { parameters: { hidden: [257] } },
      { parameters: { hidden: [] } },
      { parameters: { hidden: [1, 1, 1, 1, 1] } },
      { parameters: { heldOutShare: 0 } },
      { parameters: { encoding: { maxFeatures: 1e9 } } },
      { parameters: { minSteps: 1e9 } },
      { algorithm: 'forest' },
      { algorithm: 'logistic', parameters: { hidden: [8] } },
      { seed: -1 },
      { seed: 2 ** 32 },
      { dataset: '../credit' },
      { dataset: undefined },
      { model: 'a/b' },
      { leaveOut: ['a'.repeat(201)] },
      { leaveOut: Array.from({ length: 257 }, (_, n) => `c${n}`) },
      { leaveOut: 'sex' },
      { author: { type: 'User', id: 'eve' } },
      { command: 'rm' },
    ]
    for (const change of bad)
      expect(() => checkedDefinition({ ...DEFINITION, ...change }), JSON.stringify(change)).toThrow(
        expect.objectContaining({ code: 'ERR_INPUT_INVALID' }),
      )
  })

  it('comes out as it went in, whatever fits, and nothing else is taken (seeded)', () => {
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/)
    const definition = fc.record({
      dataset: name,
      model: name,
      algorithm: fc.constant('mlp' as const),
      parameters: fc.record(
        {
          hidden: fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 1, maxLength: 4 }),
          learningRate: fc.double({ min: 1e-6, max: 1, noNaN: true }),
          weightDecay: fc.double({ min: 0, max: 10, noNaN: true }),
          maxEpochs: fc.integer({ min: 1, max: 200 }),
        },
        { requiredKeys: [] },
      ),
      leaveOut: fc.array(fc.string({ minLength: 1, maxLength: 20 })),
      seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    })
    fc.assert(
      fc.property(definition, fc.json(), (good, text) => {
        const checked = checkedDefinition(good)
        const manifest = writeManifest({ ...checked, name: 'nightly', version: 1, author: ADA, createdAt: 1 })
        const row = { name: 'nightly', version: 1, digest: manifestDigest(manifest) }
        expect(parseManifest(manifest, row)).toEqual({ ...checked, ...row, author: ADA, createdAt: 1, builtIn: false })
        expect(checkedDefinition(checked)).toEqual(checked)
        // Any other JSON that bears its own digest.
        expect(() => parseManifest(text, { ...row, digest: manifestDigest(text) })).toThrow(
          expect.objectContaining({ code: 'ERR_STORAGE_CORRUPT' }),
        )
        expect(definitionSchema.safeParse(JSON.parse(text)).success).toBe(false)
      }),
      { numRuns: 300 },
    )
  })
})

describe('the built-in pipelines (B2)', () => {
  it('are there always, the same ones, by nobody of this house', () => {
    for (const algorithm of ['logistic', 'mlp'] as const) {
      const own = builtIn(algorithm)
      expect(pipelines.get(`redoubt/${algorithm}`)).toBe(own)
      expect(pipelines.versions(own.name)).toEqual([own])
      expect([pipelines.get(own.name, 1), pipelines.get(own.name, 2)]).toEqual([own, null])
      expect(own).toMatchObject({ builtIn: true, dataset: null, model: null, author: { type: 'System', id: 'redoubt' } })
      expect(checkedDefinition({ ...DEFINITION, algorithm, parameters: own.parameters }).parameters).toEqual(own.parameters)
    }
    expect(builtIn('mlp').digest).not.toBe(builtIn('logistic').digest)
  })

  it('are not overlaid by a row of their name', () => {
    sql(`INSERT INTO pipeline_versions VALUES ('redoubt/mlp', 2, '${'0'.repeat(64)}', '{}', 0)`)
    expect(pipelines.get('redoubt/mlp')).toBe(builtIn('mlp'))
  })
})

describe('a run (E3)', () => {
  const RUN = { dataset: { name: 'credit', version: 3, digest: 'a'.repeat(64) }, model: 'scores', seed: 9 }

  it('is on record with the version and the data before it begins, and with what came of it', async () => {
    const version = await save()
    events.length = 0
    const ended = await pipelines.recordRun(version, RUN, { by: ADA, requestId: 'req_2' })
    const pipeline = { version: 1, digest: version.digest }
    const event = { actor: ADA, action: 'runPipeline', resource: { type: 'Pipeline', id: 'nightly' }, requestId: 'req_2' }
    expect(events).toEqual([{ ...event, type: 'pipeline.run', outcome: 'success', details: { ...pipeline, author: ADA, ...RUN } }])
    await ended({ model: { version: 1, digest: 'b'.repeat(64) }, code: null })
    await ended({ model: null, code: 'ERR_TRAINING_FAILED' })
    expect(events.slice(1)).toMatchObject([
      { type: 'pipeline.end', outcome: 'success', details: { ...pipeline, registered: { version: 1 } } },
      { type: 'pipeline.end', outcome: 'failed', code: 'ERR_TRAINING_FAILED', details: { registered: null } },
    ])
  })

  it('that cannot be recorded does not begin', async () => {
    const version = await save()
    failing = () => true
    expect(await codeOf(pipelines.recordRun(version, RUN, { by: ADA }))).toBe('ERR_AUDIT_UNAVAILABLE')
  })
})
