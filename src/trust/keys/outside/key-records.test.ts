import { describe, expect, it } from 'vitest'
import { ManualClock } from '#foundation/core'
import { type Fault, MemoryFolder } from '#foundation/storage'
import { KEY_LIMITS } from '../key-limits.ts'
import { codeOf, failure, NOW, seeded } from '../keys.fixtures.ts'
import { KEY_CLASSES } from '../keys.ts'
import { KEY_RECORDS_PATH, KeyRecords, type KeyRecordsOptions } from './key-records.ts'
import { encodeKeyRecords, parseKeyRecords } from './key-records-file.ts'

const limits = { ...KEY_LIMITS, block: 4, rotateAt: 10, refuseAt: 12 }
const made = async ({ keyClass, version }: { keyClass: string; version: number }): Promise<string> => `slot/${keyClass}/${version}`

function options(folder: MemoryFolder): KeyRecordsOptions {
  return { folder, clock: new ManualClock(NOW), provider: 'test-hsm', limits }
}

async function created(folder = new MemoryFolder()): Promise<{ folder: MemoryFolder; records: KeyRecords }> {
  const records = await KeyRecords.create(options(folder), made)
  records.save()
  return { folder, records }
}

const thrown = (call: () => unknown): string => {
  try {
    call()
    return 'done'
  } catch (error) {
    return codeOf(error)
  }
}

describe('records of key versions outside', () => {
  it('are there only once they were saved, with a primary version of each class', async () => {
    const folder = new MemoryFolder()
    const records = await KeyRecords.create(options(folder), made)
    records.use('configuration')
    expect(KeyRecords.open(options(folder))).toBeNull()
    records.save()
    const opened = KeyRecords.open(options(folder))!
    for (const keyClass of KEY_CLASSES)
      expect(opened.primary(keyClass)).toMatchObject({ version: 1, state: 'primary', createdAt: NOW, reference: `slot/${keyClass}/1` })
    expect(opened.primary('configuration').uses).toBeGreaterThanOrEqual(1)
  })

  it('keep every version through rotations, one after the other (A1)', async () => {
    const { folder, records } = await created()
    const rotations = await Promise.all([1, 2, 3].map(() => records.rotate('dataset', made)))
    expect(rotations.map(({ version }) => version)).toEqual([2, 3, 4])
    const opened = KeyRecords.open(options(folder))!
    const versions = opened.all().filter(({ keyClass }) => keyClass === 'dataset')
    expect(versions.map(({ version, state, reference }) => [version, state, reference])).toEqual([
      [1, 'retired', 'slot/dataset/1'],
      [2, 'retired', 'slot/dataset/2'],
      [3, 'retired', 'slot/dataset/3'],
      [4, 'primary', 'slot/dataset/4'],
    ])
    expect(opened.find(versions[0]!)).toMatchObject({ reference: 'slot/dataset/1' })
    expect(thrown(() => opened.find({ keyId: 'kek_unknown', version: 1 }))).toBe('ERR_KEYS_UNKNOWN')
  })

  it('stay as they are when the material of a new version could not be made, and rotate afterwards', async () => {
    const { records } = await created()
    await expect(records.rotate('model', () => Promise.reject(new TypeError('token removed')))).rejects.toThrow('token removed')
    expect(records.primary('model').version).toBe(1)
    expect((await records.rotate('model', made)).version).toBe(2)
  })

  it('keep the keys that sign outside, and those of another provider are refused', async () => {
    const { folder, records } = await created()
    const key = { name: 'checkpoint', keyId: 'key_1', version: 1, createdAt: NOW, reference: 'slot/checkpoint' } as const
    records.addSigning(key)
    records.save()
    const opened = KeyRecords.open(options(folder))!
    expect([opened.signing('checkpoint'), opened.signing('model-signing')]).toEqual([key, null])
    expect(thrown(() => KeyRecords.open({ ...options(folder), provider: 'other' }))).toBe('ERR_KEYS_KEYRING_CORRUPT')
  })

  it('give nothing once closed', async () => {
    const { records } = await created()
    records.close()
    records.close()
    for (const call of [() => records.use('dataset'), () => records.primary('dataset'), () => records.all(), () => records.save()])
      expect(thrown(call)).toBe('ERR_KEYS_UNKNOWN')
  })
})

describe('counting the uses of a key version outside (NIST SP 800-38D §8.3)', () => {
  it('never counts too few after a crash, and is exact after an orderly close', async () => {
    for (const uses of [0, 1, 4, 5, 8, 9]) {
      const { folder, records } = await created()
      for (let i = 0; i < uses; i++) records.use('dataset')
      const survivor = folder.powerCut(seeded(uses))
      const crashed = KeyRecords.open(options(survivor))!.primary('dataset').uses
      expect([uses, crashed >= uses && crashed <= uses + limits.block]).toEqual([uses, true])
      const orderly = await created()
      for (let i = 0; i < uses; i++) orderly.records.use('dataset')
      orderly.records.close()
      expect(KeyRecords.open(options(orderly.folder))!.primary('dataset').uses).toBe(uses)
    }
  })

  it('does not give a key when the count cannot be written ahead', async () => {
    let full = false
    const { records } = await created(new MemoryFolder({ fault: () => (full ? 'disk-full' : 'none') }))
    for (let i = 0; i < limits.block; i++) records.use('dataset')
    full = true
    expect(thrown(() => records.use('dataset'))).toBe('ERR_STORAGE_FULL')
    full = false
    expect(thrown(() => records.use('dataset'))).toBe('done')
  })

  it('says that rotation is due by uses and by age, and refuses at the limit', async () => {
    const { folder, records } = await created()
    for (let i = 0; i < 10; i++) records.use('dataset')
    expect(records.rotationDue()).toEqual(['dataset'])
    for (let i = 0; i < 2; i++) records.use('dataset')
    expect(thrown(() => records.use('dataset'))).toBe('ERR_KEYS_EXHAUSTED')
    await records.rotate('dataset', made)
    expect(thrown(() => records.use('dataset'))).toBe('done')
    const old = KeyRecords.open({ ...options(folder), clock: new ManualClock(NOW + limits.rotateAfterMs) })!
    expect([...old.rotationDue()].sort()).toEqual([...KEY_CLASSES].sort())
  })
})

describe('the file of key records', () => {
  it('opens, with every version that was given out, after a failing write or a power cut at each step (A1)', async () => {
    const random = seeded(515)
    for (const kind of ['lost', 'disk-full', 'done-but-reported-lost', 'dead'] as const) {
      for (let failAt = 0; failAt < 7; failAt++) {
        let step = 0
        let armed = false
        const fault = (): Fault => {
          if (!armed || step++ < failAt) return 'none'
          return kind === 'dead' ? 'lost' : step === failAt + 1 ? kind : 'none'
        }
        const { folder, records } = await created(new MemoryFolder({ fault }))
        armed = true
        const rotation = await failure(records.rotate('dataset', made))
        const used = ((): number | null => {
          try {
            return records.use('dataset').version
          } catch {
            return null
          }
        })()
        armed = false
        const survivor = KeyRecords.open(options(folder.powerCut(random)))!
        const versions = survivor.all().filter(({ keyClass }) => keyClass === 'dataset')
        const kept = (used === null || versions.some((record) => record.version === used && record.uses > 0)) && versions.length > 0
        expect({ seed: 515, kind, failAt, kept }).toEqual({ seed: 515, kind, failAt, kept: true })
        if (rotation === 'done') expect({ kind, failAt, versions: versions.length }).toEqual({ kind, failAt, versions: 2 })
      }
    }
  })

  it('is refused at every changed byte and cut, and when it contradicts itself', async () => {
    const { folder } = await created()
    const bytes = folder.read(KEY_RECORDS_PATH)!
    for (let at = 0; at < bytes.byteLength - 1; at++) {
      const changed = Uint8Array.from(bytes)
      changed[at]! ^= 1 << (at % 8)
      expect([at, thrown(() => parseKeyRecords(changed))]).toEqual([at, 'ERR_KEYS_KEYRING_CORRUPT'])
      expect([at, thrown(() => parseKeyRecords(bytes.subarray(0, at)))]).toEqual([at, 'ERR_KEYS_KEYRING_CORRUPT'])
    }
    const content = parseKeyRecords(bytes)
    const [first, ...rest] = content.encryption
    const wrong = [
      { ...content, encryption: rest },
      { ...content, encryption: [...content.encryption, first!] },
      { ...content, encryption: [{ ...first!, state: 'retired' as const }, ...rest] },
      { ...content, encryption: [...content.encryption, { ...first!, version: 2 }] },
      { ...content, encryption: [{ ...first!, reference: '' }, ...rest] },
      { ...content, encryption: [{ ...first!, reference: 'x'.repeat(2_049) }, ...rest] },
      { ...content, encryption: [{ ...first!, reservedUses: -1 }, ...rest] },
    ]
    for (const one of wrong) expect(thrown(() => parseKeyRecords(encodeKeyRecords(one)))).toBe('ERR_KEYS_KEYRING_CORRUPT')
    expect(thrown(() => parseKeyRecords(encodeKeyRecords(content)))).toBe('done')
    expect(thrown(() => parseKeyRecords(new Uint8Array(8_388_609)))).toBe('ERR_KEYS_KEYRING_CORRUPT')
  })
})
