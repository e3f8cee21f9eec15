import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { type Fault, MemoryFolder } from '#foundation/storage'
import { openPlacedFile } from './placed-file.ts'

const FAULTS: readonly Fault[] = ['lost', 'done-but-reported-lost', 'disk-full']
const OLD = Buffer.from('what was there before')

function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const pieces = [Buffer.alloc(1_500_000, 'first '), Buffer.alloc(1_500_000, 'second '), Buffer.from('end')]
const WHOLE = Buffer.concat(pieces)

/** One command, as `seal` and `open` write: fails at call number `at` with the fault, or not at all. */
async function attempt(force: boolean, at: number, fault: Fault, before: Buffer | null) {
  let calls = 0
  let armed = false
  const folder = new MemoryFolder({ fault: () => (armed && ++calls === at ? fault : 'none') })
  if (before !== null) {
    const file = folder.open('made', { create: true })!
    file.writeAt(before, 0)
    file.datasync()
    folder.syncFolder('')
  }
  armed = true
  let failed = false
  try {
    const file = await openPlacedFile('/somewhere/made', force, folder)
    try {
      for (const piece of pieces) await file.write(piece)
      await file.place()
    } finally {
      await file.close()
    }
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(RedoubtError)
    failed = true
  }
  return { folder, failed, reached: calls >= at }
}

const cases: [force: boolean, before: Buffer | null][] = [
  [false, null],
  [true, null],
  [true, OLD],
]

describe('a file that is placed when it is whole, over a storage that fails (A1)', () => {
  it.each(cases)(
    'has nothing half-written under its name, and leaves no content beside it, whatever call fails (force %s)',
    async (force, before) => {
      let steps = 0
      for (const fault of FAULTS)
        for (let at = 1; ; at++) {
          const { folder, failed, reached } = await attempt(force, at, fault, before)
          if (!reached) break
          steps++
          const step = `call ${at}, ${fault}`
          const found = folder.read('made')
          const allowed = [before, WHOLE, ...(failed ? [null] : [])]
          expect(
            allowed.some((one) => (one === null ? found === null : found !== null && Buffer.from(found).equals(one))),
            step,
          ).toBe(true)
          if (!failed) expect(Buffer.from(found!).equals(WHOLE), step).toBe(true)
          expect([step, folder.list('').filter((name) => name !== 'made')]).toEqual([step, []])
        }
      expect(steps).toBeGreaterThan(15)
    },
  )

  it.each(cases)(
    'is whole or not there after a power cut at any call, and there when it was reported done (force %s)',
    async (force, before) => {
      const seed = Number(process.env['REDOUBT_SEED'] ?? 134_701)
      const random = generator(seed)
      for (let at = 1; ; at++) {
        const { folder, failed, reached } = await attempt(force, at, 'lost', before)
        for (let cut = 0; cut < 10; cut++) {
          if (cut > 0 && at > 20) break
          const again = cut === 0 ? folder : (await attempt(force, at, 'lost', before)).folder
          const found = again.powerCut(random).read('made')
          const bytes = found === null ? null : Buffer.from(found)
          const where = `seed ${seed}, call ${at}, cut ${cut}`
          if (!failed) expect(bytes?.equals(WHOLE), where).toBe(true)
          else if (bytes !== null) expect(bytes.equals(WHOLE) || (before !== null && bytes.equals(before)), where).toBe(true)
          else expect(before, where).toBeNull()
        }
        if (!reached) break
      }
    },
  )

  it('empties what it cannot remove', async () => {
    const folder = new MemoryFolder({ fault: (call) => (call === 'remove' ? 'lost' : 'none') })
    const file = await openPlacedFile('/somewhere/made', false, folder)
    for (const piece of pieces) await file.write(piece)
    await file.close()
    expect(folder.list('').map((name) => folder.read(name)!.byteLength)).toEqual([0])
  })

  it('does not empty what has its name by then', async () => {
    const folder = new MemoryFolder({ fault: (call) => (call === 'remove' || call === 'syncFolder' ? 'lost' : 'none') })
    const file = await openPlacedFile('/somewhere/made', false, folder)
    for (const piece of pieces) await file.write(piece)
    await expect(file.place()).rejects.toThrow(RedoubtError)
    await file.close()
    expect(Buffer.from(folder.read('made')!).equals(WHOLE)).toBe(true)
  })
})
