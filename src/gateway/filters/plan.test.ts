import { describe, expect, it } from 'vitest'
import type { FilterAction } from '#foundation/core'
import { resolveOverlaps } from './overlaps.ts'
import { compilePlan } from './plan.ts'
import { createRedactor, scanText } from './redactor.ts'
import { type Recogniser, TRAIT } from './recogniser.ts'
import { presetEntities, PRESETS } from './presets.ts'

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

  it('blocks what is to be blocked inside of what is to be masked', () => {
    for (const [entity, text] of [
      ['API_KEY', 'see https://x.com/?token=sk-proj-aB3dE5fG7hJ9kL1mN2pQ4aB3dE5fG7hJ9kL1mN2pQ4'],
      ['PHONE_NUMBER', 'see https://x.com/415-867-5309'],
      ['IP_ADDRESS', 'see https://203.0.113.77/x'],
    ] as const)
      expect(scanText(text, compilePlan({ [entity]: 'block', URL: 'mask' })), entity).toMatchObject({ blocked: true })
  })

  it('refuses an action that nothing carries out', () => {
    expect(() => compilePlan({ default: 'hide' as FilterAction })).toThrow(expect.objectContaining({ code: 'ERR_FILTER_ENTITY' }))
  })

  it('is compiled once for each actions object', () => {
    const actions = { default: 'mask' } as const
    expect(compilePlan(actions)).toBe(compilePlan(actions))
  })

  it('refuses to promise what no recogniser finds', () => {
    expect(() => compilePlan({ NICKNAME: 'mask' })).toThrow(expect.objectContaining({ code: 'ERR_FILTER_ENTITY' }))
    expect(() => compilePlan({ EMAIL_ADDRESS: 'redact' as never })).toThrow(expect.objectContaining({ code: 'ERR_FILTER_ENTITY' }))
    expect(compilePlan({ NICKNAME: 'allow' }).planned).toEqual([])
  })

  it('lets nothing through when a recogniser fails, and names it (C6)', () => {
    const failing: Recogniser = {
      entities: ['FAILING'],
      needs: TRAIT.digit,
      find: () => {
        throw new Error('of a value')
      },
    }
    const late: Recogniser = {
      ...failing,
      find: () => [{ start: 0, end: 1, score: 0, resolve: () => failing.find(null as never) }],
    }
    for (const own of [failing, late]) {
      const plan = compilePlan({ FAILING: 'mask' }, { own: [own] })
      const failure = expect.objectContaining({ code: 'ERR_FILTER_FAILED', message: 'the recogniser of `FAILING` failed' })
      expect(() => scanText('it is 12', plan)).toThrow(failure)
      const redactor = createRedactor(plan)
      expect(() => redactor.push('it is 12') + redactor.flush()).toThrow(failure)
    }
  })

  it('masks dates, ages and addresses of the web where they are named, not by default', () => {
    const text = 'on 2024-03-04, aged 45, https://example.com/x'
    expect(scanText(text, compilePlan({ default: 'mask' })).text).toBe(text)
    expect(scanText(text, compilePlan({ DATE_TIME: 'mask', AGE: 'mask', URL: 'mask' })).text).toBe('on [DATE_TIME], aged [AGE], [URL]')
  })

  it('has presets of rules: cards for a shop, eighteen identifiers for a hospital (D5)', () => {
    expect([...PRESETS.pci].sort()).toEqual(['CREDIT_CARD', 'CREDIT_CARD_CVV', 'CREDIT_CARD_EXPIRY', 'CREDIT_CARD_TRACK'])
    for (const entity of [
      'ADDRESS',
      'DATE_TIME',
      'AGE',
      'PHONE_NUMBER',
      'EMAIL_ADDRESS',
      'US_SSN',
      'MEDICAL_RECORD_NUMBER',
      'HEALTH_PLAN_ID',
      'US_BANK_NUMBER',
      'CERTIFICATE_NUMBER',
      'MEDICAL_LICENSE',
      'VIN',
      'DEVICE_ID',
      'URL',
      'IP_ADDRESS',
      'US_DRIVER_LICENSE',
    ])
      expect(PRESETS.hipaa.has(entity), entity).toBe(true)
    for (const entity of ['API_KEY', 'DE_VAT_ID', 'LEI']) expect(PRESETS.hipaa.has(entity), entity).toBe(false)
    expect(PRESETS.gdpr.has('ES_NIF')).toBe(true)
    expect(() => presetEntities('constructor')).toThrow(expect.objectContaining({ code: 'ERR_FILTER_ENTITY' }))
  })

  it('reports weak values too when asked for lower scores', () => {
    const plan = compilePlan({ US_ITIN: 'mask' }, { minScore: 0.2 })
    expect(scanText('ref 912703456', plan).findings).toHaveLength(1)
    expect(scanText('ref 912703456', compilePlan({ US_ITIN: 'mask' })).findings).toHaveLength(0)
  })

  it('does not take inherited members for actions', () => {
    const actions = Object.create({ default: 'allow' }) as Record<string, 'mask'>
    actions['EMAIL_ADDRESS'] = 'mask'
    expect(compilePlan(actions).planned.flatMap(({ recogniser }) => recogniser.entities)).toEqual(['EMAIL_ADDRESS'])
  })
})

describe('overlaps (C9)', () => {
  const at = (entity: string, start: number, end: number, score: number, action: FilterAction = 'mask') => ({
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

  it('does the strictest of what is asked for those that overlap, and nothing in part of two', () => {
    expect(resolveOverlaps([at('A', 0, 9, 0.9, 'partial'), at('B', 2, 5, 0.8, 'block')])).toEqual([at('B', 0, 9, 0.9, 'block')])
    expect(resolveOverlaps([at('A', 0, 9, 0.9, 'partial'), at('B', 2, 12, 0.8, 'hash')])).toEqual([at('A', 0, 12, 0.9, 'mask')])
    expect(resolveOverlaps([at('A', 0, 9, 0.9, 'hash'), at('B', 0, 9, 0.9, 'partial')])).toEqual(
      resolveOverlaps([at('B', 0, 9, 0.9, 'partial'), at('A', 0, 9, 0.9, 'hash')]),
    )
  })

  it('lets what is only counted shape nothing', () => {
    expect(resolveOverlaps([at('A', 0, 20, 0.9, 'log'), at('B', 5, 9, 0.8), at('C', 30, 32, 0.8, 'log')])).toEqual([
      at('B', 5, 9, 0.8),
      at('C', 30, 32, 0.8, 'log'),
    ])
  })
})
