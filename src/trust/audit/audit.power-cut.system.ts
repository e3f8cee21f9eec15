import { describe, expect, it } from 'vitest'
import { drillPowerCuts, withoutSync } from './power-cut-drill.ts'

const SEED = Number(process.env['REDOUBT_SEED'] ?? Date.now() % 1_000_000)

describe(`power cuts (seed ${SEED})`, () => {
  it.each([0, 0.02])('loses nothing and forks nowhere in 1,000 cuts at a fault rate of %d (E3, E5)', async (faultRate) => {
    const { broken, ...counts } = await drillPowerCuts({ cuts: 1_000, seed: SEED, faultRate })
    console.log(JSON.stringify({ seed: SEED, faultRate, ...counts }))
    expect(broken).toEqual([])
    expect(counts.acknowledged).toBeGreaterThan(2_000)
  })

  it.each(['datasync', 'syncFolder'] as const)('turns red when `%s` is removed', async (left) => {
    const { broken, cuts } = await drillPowerCuts({ cuts: 200, seed: SEED, wrap: (folder) => withoutSync(folder, left) })
    console.log(JSON.stringify({ left, cuts, found: broken.length }))
    expect(broken.length).toBeGreaterThan(5)
  })
})
