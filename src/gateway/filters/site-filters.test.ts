import { describe, expect, it } from 'vitest'
import { createRedactor, scanText } from './redactor.ts'
import { filterVocabulary, PLAIN_SITE, plannerFor, siteFilters } from './site-filters.ts'

const recogniser = (id: string, pattern = 'AC-\\d{6}'): string =>
  `recognisers:\n  - id: ${id}\n    entity: ACME_ID\n    pattern: '${pattern}'\n    score: 0.9\n`
const file = (text: string, name = 'own.yaml') => ({ name, text })

describe('filters of a site (C6)', () => {
  const site = siteFilters([file(recogniser('acme'))], ['+1 415 867 5309', 'support@example.com'])
  const plan = plannerFor(site)

  it('find its own entities, by name, by default and in presets', () => {
    expect(scanText('id AC-123456', plan({ ACME_ID: 'mask' }, false)).text).toBe('id [ACME_ID]')
    expect(scanText('id AC-123456', plan({ default: 'mask' }, false)).text).toBe('id [ACME_ID]')
    expect(filterVocabulary(site).presets['own']).toEqual(['ACME_ID'])
    expect(filterVocabulary(site).entities).toContain('ACME_ID')
    expect(filterVocabulary(PLAIN_SITE).entities).not.toContain('ACME_ID')
    expect(() => plannerFor(PLAIN_SITE)({ ACME_ID: 'mask' }, false)).toThrow(expect.objectContaining({ code: 'ERR_FILTER_ENTITY' }))
  })

  it('leave exempt values alone, exactly those, in streams too', () => {
    const everything = plan({ default: 'block' }, false)
    const text = 'call +1 415 867 5309 or write to support@example.com'
    expect(scanText(text, everything)).toEqual({ text, findings: [], blocked: false })
    const redactor = createRedactor(everything)
    expect([...text].map((sign) => redactor.push(sign)).join('') + redactor.flush()).toBe(text)
    expect(scanText('write to support@example.com.evil.org', everything).blocked).toBe(true)
    expect(scanText('write to xsupport@example.com', everything).blocked).toBe(true)
    expect(scanText('write to Support@example.com', everything).blocked).toBe(true)
  })

  it('compile each actions object once, acting and counting apart', () => {
    const actions = { default: 'mask' } as const
    expect(plan(actions, false)).toBe(plan(actions, false))
    expect(plan(actions, true)).toBe(plan(actions, true))
    expect([plan(actions, false).dryRun, plan(actions, true).dryRun]).toEqual([false, true])
  })

  it('refuse a bad file with its line and the reason, and two recognisers of one id', () => {
    const message = (files: Parameters<typeof siteFilters>[0]): string => {
      try {
        siteFilters(files, [])
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'ERR_FILTER_RECOGNISER' })
        return (thrown as Error).message
      }
      return ''
    }
    expect(message([file('recognisers:\n  - id: a\n    entity: lower\n    pattern: x\n    score: 1\n')])).toMatch(/own\.yaml.*line 3/)
    expect(message([file(`${recogniser('a')}${recogniser('b', 'A+').split('\n').slice(1).join('\n')}`)])).toMatch(/own\.yaml, line 6, b/)
    expect(message([file(recogniser('a')), file(recogniser('a'), 'more.yaml')])).toContain('`more.yaml` and `own.yaml`')
    expect(message([file('recognisers: [')])).toMatch(/line 1/)
  })
})
