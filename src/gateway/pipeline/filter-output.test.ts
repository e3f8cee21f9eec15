import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { filterOutput } from './filter-output.ts'
import type { House } from './house.ts'
import { isRefused, type ServedState } from './states.ts'

it('records the digest of a stream keyed, so that a short answer cannot be guessed from the log (C6, E3)', async () => {
  const bare = createHash('sha256').update('data: [DONE]\n\n').digest('hex')
  const served = {
    kind: 'stream',
    closing: '',
    usage: {},
    outputDigest: bare,
    findings: new Map(),
    actions: new Map(),
    blocked: false,
    failure: null,
  }
  const digest = async (key: number): Promise<string> => {
    const state = await filterOutput(
      { digestKey: new Uint8Array(32).fill(key) } as House,
      { served, filters: { kept: null } } as unknown as ServedState,
    )
    return isRefused(state) ? state.refused.code : state.outputDigest
  }
  expect(await digest(1)).toMatch(/^[0-9a-f]{64}$/)
  expect(await digest(1)).toBe(await digest(1))
  expect(new Set([await digest(1), await digest(2), bare]).size).toBe(3)
})
