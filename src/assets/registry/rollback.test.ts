import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ask, memoryRegistry, PERSON } from '../../../test/fixtures/memory-registry.ts'
import { mlp } from '../../../test/fixtures/onnx-models.ts'
import type { Registry, StagedModel } from './index.ts'

let world: Awaited<ReturnType<typeof memoryRegistry>>
let registry: Registry
beforeEach(async () => {
  world = await memoryRegistry()
  registry = world.registry
  for (const seed of [1, 2, 3, 4]) await registry.register(ask(mlp(seed)))
})
afterEach(() => world.close())

const deploy = async (...versions: number[]): Promise<void> => {
  for (const version of versions) await registry.deploy('adult', version, PERSON)
}
const back = (version: number) => registry.rollback('adult', version, PERSON)
const REFUSED = { code: 'ERR_MODEL_ROLLBACK' }
const served = () => world.reopen().deployed('adult')?.version

describe('going back (B2, C11)', () => {
  it('leads to what served before, on record and for good', async () => {
    await deploy(1, 2)
    expect(registry.rollbackTarget('adult')?.version).toBe(1)
    const done = await registry.rollback('adult', 1, PERSON, { requestId: 'req_7' })
    expect(done).toMatchObject({ version: 1, kind: 'rollback', environment: 'production', withdrawn: false })
    expect(world.audit.of('model.rollback')).toMatchObject([
      { action: 'rollback', actor: PERSON, requestId: 'req_7', details: { version: 1, from: 2, deployment: done.id } },
    ])
    expect(world.audit.of('model.deploy')).toHaveLength(2)
    expect(served()).toBe(1)
    expect(
      world
        .reopen()
        .deploymentHistory('adult')
        .map(({ version, kind }) => `${kind} ${version}`),
    ).toEqual(['deploy 1', 'deploy 2', 'rollback 1'])
  })

  it('goes further back each time, never forward', async () => {
    await deploy(1, 2, 4)
    await back(registry.rollbackTarget('adult')!.version)
    expect(registry.rollbackTarget('adult')?.version).toBe(1)
    await expect(back(4)).rejects.toMatchObject(REFUSED)
    await expect(back(2)).rejects.toMatchObject(REFUSED)
    await back(1)
    expect(registry.rollbackTarget('adult')).toBeNull()
  })

  it('is refused to a version that never served here, is newer, or is not there', async () => {
    await expect(back(1)).rejects.toMatchObject(REFUSED)
    await deploy(1, 3)
    await expect(back(2)).rejects.toMatchObject(REFUSED)
    await expect(back(3)).rejects.toMatchObject(REFUSED)
    await expect(back(4)).rejects.toMatchObject(REFUSED)
    await expect(back(9)).rejects.toMatchObject({ code: 'ERR_MODEL_UNKNOWN' })
    // A deployment that failed was never in service.
    world.audit.failing = (type) => type === 'model.deploy'
    await expect(deploy(2)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    world.audit.failing = () => false
    await expect(back(2)).rejects.toMatchObject(REFUSED)
    expect(served()).toBe(3)
  })

  it('is refused to a version that a quarantine took out, also when the quarantine has ended', async () => {
    await deploy(1, 2, 3)
    await registry.quarantine('adult', 2, PERSON, 'poisoned rows')
    await expect(back(2)).rejects.toMatchObject({ code: 'ERR_MODEL_QUARANTINED' })
    expect(registry.rollbackTarget('adult')?.version).toBe(1)
    await registry.release('adult', 2, PERSON, 'looked at')
    await expect(back(2)).rejects.toMatchObject(REFUSED)
    expect(world.reopen().rollbackTarget('adult')?.version).toBe(1)
    // Deployed anew, with all that a deployment asks for, it counts again.
    await deploy(2, 3)
    await back(2)
    expect(served()).toBe(2)
  })

  it('is possible from a version that is quarantined: that is what it is for', async () => {
    await deploy(1, 2)
    await registry.quarantine('adult', 2, PERSON, 'answers nonsense')
    await back(registry.rollbackTarget('adult')!.version)
    expect(served()).toBe(1)
  })

  it('is refused in production to what served in development alone', async () => {
    await deploy(1, 2)
    world.database.raw.exec("UPDATE model_deployments SET environment = 'development' WHERE version = 1")
    await expect(back(1)).rejects.toMatchObject(REFUSED)
    // Nor is a deployment of which it is not known where the house ran.
    world.database.raw.exec("UPDATE model_deployments SET environment = ''")
    await expect(back(1)).rejects.toMatchObject(REFUSED)
    expect(registry.rollbackTarget('adult')).toBeNull()
  })

  it('verifies over the very bytes again, and changes nothing when they are others', async () => {
    await deploy(1, 2)
    const { object_path: path } = world.database.raw.prepare('SELECT object_path FROM model_versions WHERE version = 1').get() as {
      object_path: string
    }
    const file = world.objects.open(path)
    const byte = new Uint8Array(1)
    file?.readAt(byte, 40)
    file?.writeAt(Uint8Array.of((byte[0] ?? 0) ^ 1), 40)
    await expect(back(1)).rejects.toMatchObject({ code: 'ERR_MODEL_SIGNATURE' })
    expect([served(), world.audit.of('model.rollback')]).toEqual([2, []])
  })

  it('does not overtake a quarantine, and does not serve what is not on record (E3)', async () => {
    await deploy(1, 2)
    const told: string[] = []
    const staged: StagedModel = { commit: () => void told.push('committed'), discard: () => void told.push('discarded') }
    const late = async (): Promise<StagedModel> => {
      await registry.quarantine('adult', 1, PERSON, 'poisoned rows')
      return staged
    }
    await expect(registry.rollback('adult', 1, PERSON, { stage: late })).rejects.toMatchObject({ code: 'ERR_MODEL_QUARANTINED' })
    await registry.release('adult', 1, PERSON, 'looked at')
    await deploy(1, 2)
    world.audit.failing = (type) => type === 'model.rollback'
    await expect(registry.rollback('adult', 1, PERSON, { stage: async () => staged })).rejects.toMatchObject({
      code: 'ERR_AUDIT_UNAVAILABLE',
    })
    expect([served(), ...told]).toEqual([2, 'discarded', 'discarded'])
  })

  it('leads, whatever happened, to an older version whose deployment stands (B2)', async () => {
    const act = fc.record({ what: fc.constantFrom('deploy', 'back', 'quarantine', 'release'), version: fc.integer({ min: 1, max: 4 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
        world.database.raw.exec('DELETE FROM model_deployments; UPDATE model_versions SET quarantined = 0')
        registry = world.reopen()
        const standing = new Set<number>()
        const quarantined = new Set<number>()
        let now = 0
        for (const { what, version } of acts) {
          if (what === 'deploy') {
            if (quarantined.has(version)) continue
            await deploy(version)
            standing.add(version)
            now = version
          } else if (what === 'quarantine') {
            await registry.quarantine('adult', version, PERSON, 'r')
            quarantined.add(version)
            standing.delete(version)
          } else if (what === 'release') {
            await registry.release('adult', version, PERSON, 'r')
            quarantined.delete(version)
          } else {
            const done = await back(version).then(
              () => true,
              () => false,
            )
            expect(done).toBe(standing.has(version) && version < now)
            if (done) now = version
          }
          const target = registry.rollbackTarget('adult')?.version
          if (target !== undefined) expect([standing.has(target), target < now]).toEqual([true, true])
          else expect([...standing].filter((each) => each < now)).toEqual([])
        }
      }),
      { numRuns: 15 },
    )
  }, 30_000)
})
