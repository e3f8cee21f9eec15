import { describe, expect, it } from 'vitest'
import { drillPowerCuts, withoutSync } from './power-cut-drill.ts'

const SEED = 20_260_115

describe(`power cuts (seed ${SEED})`, () => {
  it('loses no acknowledged record and forks from no published checkpoint in 60 cuts (E3, E5)', async () => {
    const report = await drillPowerCuts({ cuts: 60, seed: SEED })
    expect(report.broken).toEqual([])
    expect(report.acknowledged).toBeGreaterThan(100)
    expect(report.checkpoints).toBeGreaterThan(60)
  })

  it('neither when calls fail, with or without effect (E3)', async () => {
    const report = await drillPowerCuts({ cuts: 60, seed: SEED + 1, faultRate: 0.03 })
    expect(report.broken).toEqual([])
    expect(report.refused).toBeGreaterThan(10)
  })

  it.each(['datasync', 'syncFolder'] as const)('is a drill that finds the loss when `%s` does nothing', async (left) => {
    const report = await drillPowerCuts({ cuts: 60, seed: SEED, wrap: (folder) => withoutSync(folder, left) })
    expect(report.broken.length).toBeGreaterThan(0)
  })
})
