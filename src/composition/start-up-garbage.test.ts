import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'

const MODULE = new URL('./start-up-garbage.ts', import.meta.url).href

/** In a process of its own: the heap of a test runner is everyone's. */
const PROGRAM = `
import { memoryUsage } from 'node:process'
import { runInNewContext } from 'node:vm'
import { collectStartUpGarbage } from '${MODULE}'
let held = Array.from({ length: 400_000 }, (_, i) => ({ name: 'n' + i, at: [i] }))
const before = memoryUsage()
held = null
collectStartUpGarbage()
const after = memoryUsage()
console.log(JSON.stringify({
  used: after.heapUsed / before.heapUsed,
  total: after.heapTotal / before.heapTotal,
  gc: [typeof globalThis.gc, runInNewContext('typeof gc')],
}))`

describe('what a start leaves in memory', () => {
  it('goes back to the system, and nothing else in the process can collect', () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', PROGRAM], { encoding: 'utf8' })
    expect([status, stderr]).toEqual([0, ''])
    const { used, total, gc } = JSON.parse(stdout) as { used: number; total: number; gc: string[] }
    expect(used).toBeLessThan(0.3)
    expect(total).toBeLessThan(0.4)
    expect(gc).toEqual(['undefined', 'undefined'])
  })
})
