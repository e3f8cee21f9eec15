import { describe, expect, it } from 'vitest'
import { MemorySealer } from '../identity.fixtures.ts'
import { DecoyCredentials } from './decoy-credentials.ts'
import type { FactorStore } from './factor-store.ts'

/** Lengths of ids as the makers of authenticators choose them, and how many of a hundred people have them. */
const SHAPES: readonly (readonly [of: number, lengths: readonly number[]])[] = [
  [45, [16]],
  [30, [48, 64]],
  [15, [32]],
  [10, [20, 64, 128]],
]
const NAMES = 4_000

function population(people: number): {
  store: Pick<FactorStore, 'owners' | 'credentialsOf' | 'ownersVersion'>
  shapes: Map<string, number[]>
} {
  const shapes = new Map<string, number[]>()
  let at = 0
  for (const [of, lengths] of SHAPES) for (let i = 0; i < (of * people) / 100; i++) shapes.set(`user_${at++}`, [...lengths])
  return {
    shapes,
    store: {
      owners: () => [...shapes.keys()],
      get ownersVersion() {
        return shapes.size
      },
      credentialsOf: (userId) => (shapes.get(userId) ?? []).map((bytes) => ({ id: Buffer.alloc(bytes).toString('base64url') })) as never,
    },
  }
}
const shapeOf = (ids: readonly string[]): string => ids.map((id) => Buffer.from(id, 'base64url').byteLength).join()

describe('invented credentials (B3)', () => {
  it('are as many and as long as real ones, as often as real ones are', () => {
    const { store } = population(1_000)
    const decoys = new DecoyCredentials(store as FactorStore, new MemorySealer())
    const seen = new Map<string, number>()
    for (let i = 0; i < NAMES; i++) {
      const shape = shapeOf(decoys.idsFor(`name-${i}`))
      seen.set(shape, (seen.get(shape) ?? 0) + 1)
    }
    expect(new Set(seen.keys())).toEqual(new Set(SHAPES.map(([, lengths]) => lengths.join())))
    // A ring of random arcs copies some people more often than others; over a thousand of them that is a few percent.
    for (const [of, lengths] of SHAPES) expect(Math.abs((seen.get(lengths.join()) ?? 0) / NAMES - of / 100)).toBeLessThan(0.06)
  })

  it('are the same for a name each time, of their own for each name and each server, and each other’s in no byte', () => {
    const { store } = population(100)
    const sealer = new MemorySealer()
    const decoys = new DecoyCredentials(store as FactorStore, sealer)
    const all = Array.from({ length: 200 }, (_, i) => decoys.idsFor(`name-${i}`))
    expect(all.map((_, i) => new DecoyCredentials(store as FactorStore, sealer).idsFor(`name-${i}`))).toEqual(all)
    expect(new Set(all.flat()).size).toBe(all.flat().length)
    expect(new DecoyCredentials(store as FactorStore, new MemorySealer()).idsFor('name-0')).not.toEqual(all[0])
  })

  it('stay when people come and go, but for about one name in as many as there are', () => {
    const { store, shapes } = population(1_000)
    const decoys = new DecoyCredentials(store as FactorStore, new MemorySealer())
    const before = Array.from({ length: NAMES }, (_, i) => shapeOf(decoys.idsFor(`name-${i}`)))
    shapes.set('user_new', [99])
    const after = Array.from({ length: NAMES }, (_, i) => shapeOf(decoys.idsFor(`name-${i}`)))
    const changed = after.filter((shape, i) => shape !== before[i])
    expect(changed.length).toBeLessThan(NAMES / 100)
    expect(changed.every((shape) => shape === '99')).toBe(true)
    shapes.delete('user_new')
    expect(Array.from({ length: NAMES }, (_, i) => shapeOf(decoys.idsFor(`name-${i}`)))).toEqual(before)
  })

  it('are one of the usual length while nobody has a key', () => {
    const { store } = population(0)
    expect(shapeOf(new DecoyCredentials(store as FactorStore, new MemorySealer()).idsFor('ada'))).toBe('32')
  })
})
