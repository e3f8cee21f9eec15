import { describe, expect, it } from 'vitest'
import { type ErrorCode, RedoubtError } from '#foundation/core'
import { reload } from './reload.ts'

/** @param filters what each attempt at the filters ends with. @param policies and at the policies. */
async function reloaded(filters: readonly (ErrorCode | null)[], policies: readonly (ErrorCode | null)[]) {
  const asked: string[] = []
  const told: string[] = []
  const next = (what: string, endings: readonly (ErrorCode | null)[]): void => {
    const ending = endings[asked.filter((one) => one === what).length]
    asked.push(what)
    if (ending !== null) throw new RedoubtError(ending ?? 'ERR_INTERNAL')
  }
  await reload({
    server: {
      async reloadFilters() {
        next('filters', filters)
        return { before: 'a', after: 'b', recognisers: 1, exempt: 0 }
      },
      async reloadPolicies() {
        next('policies', policies)
        return { before: 'a', after: 'b', cases: 0 } as never
      },
    },
    read: () => ({ filters: {} as never }),
    tell: (line) => void told.push(line),
  })
  return { asked, told: told.length }
}

describe('a reload on a hang-up (B1, C3)', () => {
  it('tries, and so records, a refused file of recognisers once; policies are read all the same', async () => {
    expect(await reloaded(['ERR_FILTER_RECOGNISER'], [null])).toEqual({ asked: ['filters', 'policies'], told: 2 })
    expect(await reloaded(['ERR_FILTER_RECOGNISER'], ['ERR_POLICY_INVALID'])).toEqual({ asked: ['filters', 'policies'], told: 2 })
  })

  it('tries the filters once more when only the policies from before were in their way', async () => {
    expect(await reloaded(['ERR_POLICY_INVALID', null], [null])).toEqual({ asked: ['filters', 'policies', 'filters'], told: 3 })
    expect(await reloaded(['ERR_POLICY_INVALID'], ['ERR_POLICY_INVALID'])).toEqual({ asked: ['filters', 'policies'], told: 2 })
  })

  it('reads both once where both are in order', async () => {
    expect(await reloaded([null], [null])).toEqual({ asked: ['filters', 'policies'], told: 2 })
  })
})
