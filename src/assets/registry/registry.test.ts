import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { adultLike, encodeModel, mlp, mlpGraph, sklearnClassifier } from '../../../test/fixtures/onnx-models.ts'
import { ask, memoryRegistry, PERSON, USE } from '../../../test/fixtures/memory-registry.ts'
import { isVerifiedModel, type Registry, type StagedModel, type VerifiedModel, verifyModel } from './index.ts'

let world: Awaited<ReturnType<typeof memoryRegistry>>
let registry: Registry
beforeEach(async () => {
  world = await memoryRegistry()
  registry = world.registry
})
afterEach(() => world.close())

const sha256 = (content: Uint8Array | string): string => createHash('sha256').update(content).digest('hex')
const row = (name = 'adult', version = 1) =>
  world.database.raw.prepare('SELECT * FROM model_versions WHERE name = ? AND version = ?').get(name, version) as {
    object_path: string
    source_path: string | null
    manifest: string
    bundle: string
  }
const update = (column: string, value: string, version = 1): void =>
  void world.database.raw.prepare(`UPDATE model_versions SET ${column} = ? WHERE version = ?`).run(value, version)

describe('a model whose data are under a legal hold (A1)', () => {
  it('is not removed while a hold is on what it learned from, or on what that came of', async () => {
    const holdOn = (held: string): void => {
      world.held.demandNone = ({ madeOf = [] }) => {
        if (madeOf.includes(held)) throw new RedoubtError('ERR_LEGAL_HOLD')
      }
    }
    await registry.register(ask(mlp(1)))
    await registry.register(ask(mlp(2)))
    const outcome = (): Promise<string> =>
      registry.remove('adult', PERSON).then(
        () => 'removed',
        (error: RedoubtError) => error.code,
      )
    world.ancestors.set('adult/1', ['census'])
    for (const held of ['adult', 'census']) {
      holdOn(held)
      expect([held, await outcome(), registry.list().length]).toEqual([held, 'ERR_LEGAL_HOLD', 2])
    }
    expect(world.audit.of('model.remove')).toEqual([])
    // One that is set while the removal is put on record.
    world.held.demandNone = () => undefined
    world.audit.failing = (type) => {
      if (type === 'model.remove') holdOn('census')
      return false
    }
    expect([await outcome(), registry.list().length]).toEqual(['ERR_LEGAL_HOLD', 2])
    expect(world.audit.of('model.remove').map(({ outcome: ended, code }) => [ended, code])).toEqual([
      ['success', undefined],
      ['failed', 'ERR_LEGAL_HOLD'],
    ])
    world.audit.failing = () => false
    holdOn('another')
    expect([await outcome(), registry.list().length]).toEqual(['removed', 0])
  })
})

describe('registering a model', () => {
  it('makes an immutable version whose name is the digest of its file, with lineage (C10)', async () => {
    const file = adultLike()
    const version = await registry.register(ask(file))
    expect(version).toMatchObject({
      name: 'adult',
      version: 1,
      digest: sha256(file),
      bytes: file.byteLength,
      foreign: false,
      signed: true,
      quarantined: false,
      purposes: ['credit-scoring'],
      lineage: { dataset: { name: 'adult', version: 1 }, person: PERSON, parameters: { seed: 1 }, metrics: { accuracy: 0.85 } },
    })
    expect(registry.get('adult')).toBe(version)
    expect(registry.get('adult', 1)).toBe(version)
    expect(registry.get('adult', 2)).toBeNull()
    expect(registry.lineage('adult')).toEqual(version.lineage)
    expect(registry.list()).toEqual([version])
    expect(version.inputs).toHaveLength(14)
    expect(version.outputs.map(({ name }) => name)).toEqual(['label', 'probability'])
  })

  it('numbers versions and refuses the file that is the latest already', async () => {
    await registry.register(ask(mlp(1)))
    await expect(registry.register(ask(mlp(1)))).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    const [second, third] = await Promise.all([registry.register(ask(mlp(2))), registry.register(ask(mlp(3)))])
    expect([second.version, third.version]).toEqual([2, 3])
    expect((await registry.register(ask(mlp(1)))).version).toBe(4)
    expect(registry.get('adult')?.version).toBe(4)
    expect((await registry.register(ask(mlp(1), { name: 'other' }))).version).toBe(1)
  })

  it('records who registered what, made of what (A7, E3)', async () => {
    const version = await registry.register(ask(mlp(), { requestId: 'req_1' }))
    expect(world.audit.of('model.register')).toEqual([
      expect.objectContaining({
        actor: PERSON,
        resource: { type: 'Model', id: 'adult' },
        outcome: 'success',
        requestId: 'req_1',
        details: expect.objectContaining({
          version: 1,
          digest: version.digest,
          dataset: version.lineage.dataset,
          codeDigest: 'cd'.repeat(32),
        }) as unknown,
      }),
    ])
    expect(world.audit.events.map(({ type }) => type)).toEqual(expect.arrayContaining(['key.generate', 'key.sign']))
  })

  it('leaves nothing when the record cannot be written (E3)', async () => {
    world.audit.failing = (type) => type === 'model.register'
    await expect(registry.register(ask(mlp()))).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(registry.list()).toEqual([])
    expect(world.objects.list('models')).toEqual([])
    world.audit.failing = () => false
    expect((await registry.register(ask(mlp()))).version).toBe(1)
  })

  it('drops at the next start what a crash left before its record', async () => {
    await registry.register(ask(mlp()))
    world.database.raw.exec('UPDATE model_versions SET pending = 1')
    expect(world.reopen().list()).toEqual([])
    expect(world.objects.list('models')).toEqual([])
  })

  it('keeps its own copy of the file, whatever the caller does with his', async () => {
    const file = mlp().slice()
    const digest = sha256(file)
    const registering = registry.register(ask(file))
    file.fill(0)
    const version = await registering
    expect(version.digest).toBe(digest)
    expect(sha256((await registry.openVerified(version, USE)).bytes)).toBe(digest)
  })

  it.each([
    ['a name with a slash', { name: 'a/b' }, 'ERR_INPUT_INVALID'],
    ['a name that climbs', { name: '..' }, 'ERR_INPUT_INVALID'],
    ['a long name', { name: 'a'.repeat(65) }, 'ERR_INPUT_INVALID'],
    ['no purpose', { purposes: [] }, 'ERR_INPUT_INVALID'],
    ['an unknown sensitivity', { sensitivity: 'secret' as never }, 'ERR_INPUT_INVALID'],
    ['a lineage without code digest', { lineage: { ...ask(mlp()).lineage, codeDigest: '' } }, 'ERR_INPUT_INVALID'],
    ['a file that is no model', { file: Buffer.from('no model') }, 'ERR_MODEL_FORMAT'],
  ] as const)('refuses %s', async (_, change, code) => {
    await expect(registry.register(ask(mlp(), change))).rejects.toMatchObject({ code })
    expect(world.objects.list('models')).toEqual([])
  })

  it('stores the file sealed under a data key of its own (A1)', async () => {
    const canary = 'canary-weights-canary'
    const version = await registry.register(ask(encodeModel(mlpGraph(), { docString: canary })))
    const stored = Buffer.from(world.objects.read(row().object_path) ?? [])
    expect(stored.byteLength).toBeGreaterThan(version.bytes)
    expect(stored.includes(canary)).toBe(false)
    expect(Buffer.from((await registry.openVerified(version, USE)).bytes).includes(canary)).toBe(true)
    expect(JSON.stringify(row()).includes(canary)).toBe(false)
  })
})

describe('a foreign model that ends in a ZipMap', () => {
  it('is served as a recorded derivation, both files kept, the derived one signed (C10)', async () => {
    const original = sklearnClassifier()
    const version = await registry.register(ask(original, { foreign: true }))
    expect(version.digest).not.toBe(sha256(original))
    expect(version.lineage).toMatchObject({ parent: sha256(original), derivation: 'zipmap-bypass' })
    expect(version.outputs.map(({ name }) => name)).toEqual(['label', 'probabilities'])
    expect(row().source_path).toContain(sha256(original))
    expect(world.objects.list('models')).toHaveLength(2)
    expect(sha256((await registry.openVerified(version, USE)).bytes)).toBe(version.digest)
    await expect(registry.register(ask(original, { foreign: true }))).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
  })

  it('need not name the code that made it, and is recorded under the name of who registered it, without his other facts', async () => {
    const person = { ...PERSON, attributes: { purpose: 'credit-scoring' }, parents: [] }
    const version = await registry.register(
      ask(mlp(), { foreign: true, by: person, lineage: { ...ask(mlp()).lineage, codeDigest: '', dataset: null } }),
    )
    expect(version.lineage.codeDigest).toBe('')
    expect((await registry.deploy('adult', null, person)).by).toEqual(PERSON)
    for (const type of ['model.register', 'model.deploy']) expect(world.audit.of(type)[0]?.actor).toEqual(PERSON)
  })

  it('keeps what the original itself derives from', async () => {
    const parent = 'ef'.repeat(32)
    const version = await registry.register(ask(sklearnClassifier(), { foreign: true, lineage: { ...ask(mlp()).lineage, parent } }))
    expect(version.lineage.parameters['parentOfOriginal']).toBe(parent)
  })
})

describe('opening a verified model', () => {
  const refused = async (step: string): Promise<void> => {
    await expect(registry.openVerified({ name: 'adult', version: 1 }, USE)).rejects.toMatchObject({
      code: 'ERR_MODEL_SIGNATURE',
      evidence: { step },
    })
    expect(registry.get('adult', 1)?.signed).toBe(false)
    expect(registry.facts({ name: 'adult', version: 1 }).attributes['signed']).toBe(false)
    expect(world.audit.of('model.refusal').at(-1)).toMatchObject({ outcome: 'refused', code: 'ERR_MODEL_SIGNATURE', details: { step } })
    await expect(registry.deploy('adult', 1, PERSON)).rejects.toMatchObject({ code: 'ERR_MODEL_SIGNATURE' })
    expect(registry.deployed('adult')).toBeNull()
  }

  it('gives the very bytes that were signed, as a type that nobody else can make (C11)', async () => {
    const file = mlp()
    const version = await registry.register(ask(file))
    const model = await registry.openVerified(version, USE)
    expect(model.version).toBe(version)
    expect(Buffer.compare(model.bytes, file)).toBe(0)
    expect(isVerifiedModel(model)).toBe(true)
    expect(isVerifiedModel({ version, bytes: file })).toBe(false)
    expect(isVerifiedModel(Object.create(model) as object)).toBe(false)
  })

  it('verifies with nothing but the public key, as any Open Model Signing tool can (C11, F8)', async () => {
    const file = mlp()
    await registry.register(ask(file))
    const { publicKey } = await world.keys.signer('model-signing', USE)
    const resources = [
      { name: 'model.onnx', digest: sha256(file) },
      { name: 'lineage.json', digest: sha256(registry.manifest('adult', 1)) },
    ]
    expect(verifyModel(await registry.signature('adult', 1), { method: 'key', publicKey }, resources)).toMatchObject({ verified: true })
  })

  it('refuses a stored file of which any byte was changed (C11)', async () => {
    await registry.register(ask(mlp()))
    const file = world.objects.open(row().object_path)
    const position = (file?.size() ?? 0) - 30
    const byte = new Uint8Array(1)
    file?.readAt(byte, position)
    file?.writeAt(Uint8Array.of((byte[0] ?? 0) ^ 1), position)
    await refused('file')
  })

  it('refuses a file that is gone', async () => {
    await registry.register(ask(mlp()))
    world.objects.remove(row().object_path)
    await refused('file')
  })

  it('refuses another whole and valid model in the place of this one (C11)', async () => {
    await registry.register(ask(mlp(1)))
    await registry.register(ask(mlp(2)))
    update('object_path', row('adult', 2).object_path)
    await refused('file')
  })

  it('refuses a version whose digest was changed together with its file (C11)', async () => {
    await registry.register(ask(mlp(1)))
    const second = await registry.register(ask(mlp(2)))
    update('object_path', row('adult', 2).object_path)
    update('digest', second.digest)
    await refused('manifest')
  })

  it('refuses an older signed version in the place of this one (C11)', async () => {
    await registry.register(ask(mlp(1)))
    const second = await registry.register(ask(mlp(2)))
    const other = row('adult', 2)
    update('object_path', other.object_path)
    update('digest', second.digest)
    update('manifest', other.manifest)
    update('bundle', other.bundle)
    await refused('lineage')
  })

  it.each([
    ['sensitivity', '"sensitivity":"restricted"', '"sensitivity":"public"'],
    ['purpose', 'credit-scoring', 'advertising'],
    ['data set', '"name":"adult","version":1}', '"name":"census","version":1}'],
    ['person', '"id":"ada"', '"id":"eve"'],
    ['place of running', '"foreign":false', '"foreign":true'],
  ])('refuses a lineage whose %s was changed in the database (C10)', async (_, from, to) => {
    await registry.register(ask(mlp()))
    expect(row().manifest).toContain(from)
    update('manifest', row().manifest.replace(from, to))
    await refused('manifest')
  })

  it('refuses a bundle that is gone, damaged or signed by another key (C11)', async () => {
    await registry.register(ask(mlp()))
    const other = await memoryRegistry()
    await other.registry.register(ask(mlp()))
    const forged = await other.registry.signature('adult', 1)
    await other.close()
    update('bundle', '')
    await refused('bundle')
    update('bundle', forged)
    await refused('method')
  })

  it('refuses for a key that cannot be had, without calling the model tampered with', async () => {
    const version = await registry.register(ask(mlp()))
    world.audit.failing = (type) => type.startsWith('key.')
    world.clock.advance(3_600_000)
    await expect(registry.openVerified(version, USE)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(registry.get('adult')?.signed).toBe(true)
  })

  it('of a name that is not there is refused', async () => {
    await expect(registry.openVerified({ name: 'adult', version: 1 }, USE)).rejects.toMatchObject({ code: 'ERR_MODEL_UNKNOWN' })
  })
})

describe('deploying', () => {
  /** A server that is told what to serve; `staging` is what goes on while it prepares. */
  function stage(staging: (model: VerifiedModel) => unknown = () => undefined) {
    const told: string[] = []
    const take = async (model: VerifiedModel): Promise<StagedModel> => {
      told.push(`staged ${sha256(model.bytes)}`)
      await staging(model)
      return { commit: () => void told.push('committed'), discard: () => void told.push('discarded') }
    }
    return { told, take }
  }

  it('verifies, hands the verified bytes to the loader, records, and lasts (C11, E3)', async () => {
    const version = await registry.register(ask(mlp()))
    const { told, take } = stage(() => expect(world.audit.of('model.deploy')).toEqual([]))
    const deployment = await registry.deploy('adult', null, PERSON, { requestId: 'req_9', stage: take })
    expect(told).toEqual([`staged ${version.digest}`, 'committed'])
    expect(deployment).toMatchObject({ name: 'adult', version: 1, digest: version.digest, by: PERSON, deployedAt: world.clock.now() })
    expect(world.audit.of('model.deploy')).toEqual([
      expect.objectContaining({
        actor: PERSON,
        requestId: 'req_9',
        details: expect.objectContaining({ version: 1, digest: version.digest }) as unknown,
      }),
    ])
    const again = world.reopen()
    expect(again.deployed('adult')).toEqual(version)
    expect(again.deployments()).toEqual([deployment])
  })

  it('goes forward and back, and keeps the history', async () => {
    await registry.register(ask(mlp(1)))
    await registry.register(ask(mlp(2)))
    await registry.deploy('adult', null, PERSON)
    await registry.deploy('adult', 1, PERSON)
    expect(registry.deployed('adult')?.version).toBe(1)
    expect(registry.deployments()).toHaveLength(1)
    expect(registry.deploymentHistory('adult').map(({ version }) => version)).toEqual([2, 1])
  })

  it('does not count when the loader or the record fails', async () => {
    await registry.register(ask(mlp()))
    await expect(registry.deploy('adult', null, PERSON, { stage: () => Promise.reject(new Error('no memory')) })).rejects.toThrow(
      'no memory',
    )
    world.audit.failing = (type) => type === 'model.deploy'
    const { told, take } = stage()
    await expect(registry.deploy('adult', null, PERSON, { stage: take })).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    // What is not on record does not serve: not even until the next start.
    expect(told.slice(1)).toEqual(['discarded'])
    expect(registry.deployed('adult')).toBeNull()
    expect(world.reopen().deployed('adult')).toBeNull()
  })

  it('does not overtake a quarantine that came while the model was staged (B8, C11)', async () => {
    await registry.register(ask(mlp()))
    const { told, take } = stage(() => registry.quarantine('adult', 1, PERSON, 'poisoned rows'))
    await expect(registry.deploy('adult', null, PERSON, { stage: take })).rejects.toMatchObject({ code: 'ERR_MODEL_QUARANTINED' })
    expect(told.slice(1)).toEqual(['discarded'])
    expect(world.audit.of('model.deploy')).toEqual([])
  })

  it('does not serve what was quarantined while the deployment was recorded (B8, C11)', async () => {
    await registry.register(ask(mlp()))
    const { told, take } = stage()
    world.audit.failing = (type) => {
      if (type === 'model.deploy') void registry.quarantine('adult', 1, PERSON, 'poisoned rows')
      return false
    }
    await expect(registry.deploy('adult', null, PERSON, { stage: take })).rejects.toMatchObject({ code: 'ERR_MODEL_QUARANTINED' })
    expect(told.slice(1)).toEqual(['discarded'])
  })

  it('of what is not there is refused', async () => {
    await expect(registry.deploy('adult', null, PERSON)).rejects.toMatchObject({ code: 'ERR_MODEL_UNKNOWN' })
  })
})

describe('quarantine', () => {
  it('stops deployment and opening at once, tells listeners, and lasts', async () => {
    const version = await registry.register(ask(mlp()))
    await registry.deploy('adult', null, PERSON)
    const told: boolean[] = []
    const stop = registry.onChange(({ quarantined }) => void told.push(quarantined))
    const before = registry.facts(version)
    expect(registry.facts(version)).toBe(before)
    const after = await registry.quarantine('adult', 1, PERSON, 'poisoned rows')
    expect(after.quarantined).toBe(true)
    expect(told).toEqual([true])
    expect(registry.facts(version)).not.toBe(before)
    expect(registry.facts(version).attributes).toMatchObject({
      quarantined: true,
      signed: true,
      foreign: false,
      sensitivity: 3,
      purposes: ['credit-scoring'],
    })
    await expect(registry.openVerified(version, USE)).rejects.toMatchObject({ code: 'ERR_MODEL_QUARANTINED' })
    await expect(registry.deploy('adult', null, PERSON)).rejects.toMatchObject({ code: 'ERR_MODEL_QUARANTINED' })
    expect(world.reopen().deployed('adult')).toMatchObject({ quarantined: true })
    expect(world.audit.of('model.quarantine')).toHaveLength(1)
    await registry.release('adult', 1, PERSON, 'false alarm')
    stop()
    expect((await registry.openVerified(version, USE)).version.quarantined).toBe(false)
  })

  it('takes a model out of service even when it cannot be stored (E8)', async () => {
    const version = await registry.register(ask(mlp()))
    const told: boolean[] = []
    registry.onChange(({ quarantined }) => void told.push(quarantined))
    world.database.raw.exec("CREATE TRIGGER full BEFORE UPDATE ON model_versions BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    await expect(registry.quarantine('adult', 1, PERSON, 'r')).rejects.toMatchObject({ code: 'ERR_STORAGE_IO' })
    expect(told).toEqual([true])
    expect(registry.facts(version).attributes['quarantined']).toBe(true)
    expect(world.audit.of('model.quarantine')).toHaveLength(1)
  })

  it('holds even when it cannot be recorded, and ends only when its end is recorded', async () => {
    const version = await registry.register(ask(mlp()))
    world.audit.failing = () => true
    await expect(registry.quarantine('adult', 1, PERSON, 'r')).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(registry.facts(version).attributes['quarantined']).toBe(true)
    await expect(registry.release('adult', 1, PERSON, 'r')).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(registry.facts(version).attributes['quarantined']).toBe(true)
  })
})
