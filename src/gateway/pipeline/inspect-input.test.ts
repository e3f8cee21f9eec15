import { expect, it } from 'vitest'
import type { House } from './house.ts'
import { inspectInput } from './inspect-input.ts'
import { NOTHING_CONFIDENTIAL } from './pipeline.fixtures.ts'
import { isRefused, type Limited } from './states.ts'

const state = (kinds: readonly string[], unreadInput?: readonly string[]): { limited: Limited; asked: string[] } => {
  const asked: string[] = []
  const limited = {
    decision: { obligations: { filterInput: {}, ...(unreadInput === undefined ? {} : { unreadInput }) } },
    inputBytes: 10,
    call: {
      unreadable: kinds.map((kind, i) => ({ kind, param: `content[${i}].type` })),
      rewriteTexts: () => void asked.push('filtered'),
    },
  } as unknown as Limited
  return { limited, asked }
}

it('refuses what no filter can read unless policy lets every kind of it pass, and says where it stands (C6)', async () => {
  for (const [kinds, passed, param] of [
    [['image'], undefined, 'content[0].type'],
    [['image'], ['audio'], 'content[0].type'],
    [['image', 'audio'], ['image'], 'content[1].type'],
  ] as const) {
    const { limited, asked } = state(kinds, passed)
    const next = await inspectInput({} as House, limited)
    expect(isRefused(next) && next.refused).toMatchObject({ code: 'ERR_FILTER_UNREADABLE', status: 400, evidence: { param } })
    expect(asked).toEqual([])
  }
})

it('lets pass what policy names, and filters the texts beside it', async () => {
  const { limited, asked } = state(['image', 'audio'], ['audio', 'image'])
  expect(isRefused(await inspectInput({ filters: NOTHING_CONFIDENTIAL } as unknown as House, limited))).toBe(false)
  expect(asked).toEqual(['filtered'])
})
