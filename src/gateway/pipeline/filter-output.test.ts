import { createHash } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { PROMPT_CANARY } from '#gateway/filters'
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

it('refuses a stream that failed before it began, with its usage, and says that a canary was in it (C9, D3)', async () => {
  const failing = async (findings: readonly string[], started: boolean) => {
    const served = {
      kind: 'stream',
      closing: '',
      usage: { tokens: 7 },
      outputDigest: '00',
      findings: new Map(findings.map((entity) => [entity, 1])),
      actions: new Map(),
      blocked: true,
      failure: new RedoubtError('ERR_FILTER_BLOCKED_OUTPUT'),
    }
    const state = { served, filters: { kept: null }, received: { reply: { started } } } as unknown as ServedState
    return filterOutput({ digestKey: new Uint8Array(32) } as House, state)
  }
  const plain = await failing([], false)
  if (!isRefused(plain)) throw new Error('it was not refused')
  expect(plain).toMatchObject({ refused: { code: 'ERR_FILTER_BLOCKED_OUTPUT', evidence: {} }, state: { served: { usage: { tokens: 7 } } } })
  expect(await failing(['CANARY'], false)).toMatchObject({
    refused: { code: 'ERR_FILTER_BLOCKED_OUTPUT', evidence: { entity: 'CANARY' } },
    state: { served: { usage: { tokens: 7 } } },
  })
  expect(await failing([PROMPT_CANARY], false)).toMatchObject({ refused: { code: 'ERR_FILTER_CANARY' } })
  expect(await failing([PROMPT_CANARY], true)).toMatchObject({ failure: { code: 'ERR_FILTER_CANARY' } })
})
