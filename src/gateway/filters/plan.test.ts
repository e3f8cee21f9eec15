import { describe, expect, it } from 'vitest'
import { resolveOverlaps } from './overlaps.ts'
import { compilePlan } from './plan.ts'
import { scanText } from './redactor.ts'

describe('plan (C6)', () => {
  it('applies the action of the entity, and the default to those not named', () => {
    const text = 'jane@example.com 4111111111111111 10.0.0.1'
    expect(scanText(text, compilePlan({ EMAIL_ADDRESS: 'allow', default: 'mask' })).text).toBe(
      'jane@example.com [CREDIT_CARD] [IP_ADDRESS]',
    )
    expect(scanText(text, compilePlan({ CREDIT_CARD: 'mask' })).text).toBe('jane@example.com [CREDIT_CARD] 10.0.0.1')
    expect(scanText(text, compilePlan({ default: 'block' }))).toMatchObject({ text: '', blocked: true })
    expect(scanText(text, compilePlan({})).text).toBe(text)
  })

  it('is compiled once for each actions object', () => {
    const actions = { default: 'mask' } as const
    expect(compilePlan(actions)).toBe(compilePlan(actions))
  })

  it('refuses to promise what no recogniser finds', () => {
    expect(() => compilePlan({ PERSON: 'mask' })).toThrow(expect.objectContaining({ code: 'ERR_FILTER_ENTITY' }))
    expect(() => compilePlan({ EMAIL_ADDRESS: 'redact' as never })).toThrow(expect.objectContaining({ code: 'ERR_FILTER_ENTITY' }))
    expect(compilePlan({ PERSON: 'allow' }).planned).toEqual([])
  })

  it('does not take inherited members for actions', () => {
    const actions = Object.create({ default: 'allow' }) as Record<string, 'mask'>
    actions['EMAIL_ADDRESS'] = 'mask'
    expect(compilePlan(actions).planned.flatMap(({ recogniser }) => recogniser.entities)).toEqual(['EMAIL_ADDRESS'])
  })
})

describe('overlaps (C9)', () => {
  const at = (entity: string, start: number, end: number, score: number, action: 'mask' | 'block' = 'mask') => ({
    entity,
    start,
    end,
    score,
    action,
  })

  it('lets the highest score win, then the longest, then the strictest', () => {
    expect(resolveOverlaps([at('A', 0, 5, 0.6), at('B', 0, 5, 0.9)])).toEqual([at('B', 0, 5, 0.9)])
    expect(resolveOverlaps([at('A', 0, 5, 0.9), at('B', 0, 8, 0.9)])).toEqual([at('B', 0, 8, 0.9)])
    expect(resolveOverlaps([at('A', 0, 5, 0.9), at('B', 0, 5, 0.9, 'block')])).toEqual([at('B', 0, 5, 0.9, 'block')])
  })

  it('covers what the loser claimed beside the winner', () => {
    expect(resolveOverlaps([at('A', 0, 10, 0.9), at('B', 5, 20, 0.8)])).toEqual([at('A', 0, 20, 0.9)])
    expect(resolveOverlaps([at('A', 0, 10, 0.9), at('B', 5, 20, 0.8), at('C', 18, 30, 0.9)])).toEqual([
      at('A', 0, 18, 0.9),
      at('C', 18, 30, 0.9),
    ])
  })
})
