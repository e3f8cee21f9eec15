import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FilterAction } from '#foundation/core'
import { compilePlan, createRedactor } from '#gateway/filters'
import { Inspection } from './inspection.ts'

const NAMED = { PERSON: 'mask', LOCATION: 'mask' } as const
const PLANS = [
  { ...NAMED, EMAIL_ADDRESS: 'review' },
  { ...NAMED, ADDRESS: 'review' },
  { ...NAMED, URL: 'review', EMAIL_ADDRESS: 'mask' },
  { ...NAMED, EMAIL_ADDRESS: 'review', PERSON: 'tokenise' },
  { EMAIL_ADDRESS: 'log', URL: 'log', PERSON: 'review', LOCATION: 'mask' },
] as const satisfies readonly Readonly<Record<string, FilterAction>>[]

const inspect = (text: string, actions: Readonly<Record<string, FilterAction>>): Inspection => {
  const inspection = new Inspection(compilePlan(actions), 'ERR_FILTER_BLOCKED_INPUT')
  inspection.filter(text, 'text')
  return inspection
}

describe('a whole text that a person may have to look at (D10)', () => {
  it.each([
    ['Write to Maria.Lopez@example.com today', { PERSON: 'mask', EMAIL_ADDRESS: 'review' }],
    ['jonathan.meyers@example.org', { PERSON: 'mask', EMAIL_ADDRESS: 'review' }],
  ] as const)('is held for a value in which a name stands: %j', (text, actions) => {
    const { reviewed, texts } = inspect(text, actions)
    expect([...reviewed]).toEqual([['EMAIL_ADDRESS', 1]])
    expect(texts).toEqual([{ place: 'text', text }])
  })

  it('is held exactly where the stream of the same text is, whatever names and values overlap (C6, D10)', () => {
    const part = fc.oneof(
      fc.constantFrom(
        'Anna', 'Smith', 'Jonathan Meyers', 'Maria', ' ', ' ', ', ', '. ', '\n', '@example.com', 'anna.smith@example.com', 'Maria.Lopez@chicago.example.org',
        ' lives at 12 Rue Victor Hugo, 75001 Paris', '221 Baker Street, London', 'https://example.org/anna/smith', 'https://berlin.example.org', ' in Chicago ', '4111 1111 1111 1111', '[PERSON]',
      ), // prettier-ignore
      fc.string({ maxLength: 3 }),
    )
    let held = 0
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.constantFrom(...PLANS), (parts, actions) => {
        const redactor = createRedactor(compilePlan(actions))
        for (const piece of parts) redactor.push(piece)
        redactor.flush()
        const streamed = [...redactor.actions.keys()].some((done) => done.endsWith('=review'))
        expect(inspect(parts.join(''), actions).reviewed.size > 0).toBe(streamed)
        if (streamed) held++
      }),
      { seed: 20_261_128, numRuns: 400 },
    )
    expect(held).toBeGreaterThan(50)
  })
})
