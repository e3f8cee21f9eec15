import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { madeExamples } from '../../../../test/fixtures/confidential-examples.ts'
import { compilePlan } from '../plan.ts'
import { scanText } from '../redactor.ts'
import { classifyText } from './classify-text.ts'
import { confidentialPlan } from './confidential-store.ts'
import { familiarityOf, MOST_DEMANDED, MOST_GIVEN_UP, MOST_STRANGE, type PairsOfDocument } from './familiarity.ts'
import { OPEN_KEY, type TextModel } from './text-model.ts'
import { trainText } from './train-text.ts'

const MODEL = trainText(madeExamples(30, 7), OPEN_KEY, { seed: 1 })
const ACTIONS = { CONFIDENTIAL_TEXT: 'mask' } as const
const masked = (text: string, model: TextModel): string =>
  scanText(text, confidentialPlan(compilePlan(ACTIONS), OPEN_KEY, [], ACTIONS, model)).text

/** The words of confidential examples, in an order that none of them has. */
const STRANGE =
  'Bidder Halvorsen acquisition counsel leases Borealis million seller earn-out director diligence exclusivity walks lost board.'
const SECRET = 'The supervisory board approved the acquisition of Halvorsen Marine by Friday, and nobody outside may learn of it.'

describe('what is unlike all that was learned from (C7)', () => {
  it('is not flagged, whatever its words weigh, and is told from what is public', () => {
    const sure = { ...MODEL, leastFamiliar: 0 }
    // Else nothing would be shown: the weights alone are sure.
    expect([classifyText(STRANGE, sure, OPEN_KEY).verdict, masked(STRANGE, sure)]).toEqual(['confidential', '[CONFIDENTIAL_TEXT].'])
    expect(classifyText(STRANGE, MODEL, OPEN_KEY)).toMatchObject({ verdict: 'unknown', abstained: 1, signals: [] })
    expect(masked(STRANGE, MODEL)).toBe(STRANGE)
  })

  it('takes nothing from a passage beside it (C7)', () => {
    expect(masked(`${STRANGE} ${STRANGE} ${SECRET}`, MODEL)).not.toContain('approved the acquisition')
    expect(classifyText(`${STRANGE} ${SECRET}`, MODEL, OPEN_KEY)).toMatchObject({ verdict: 'confidential', abstained: 1 })
  })

  it('is counted in the card, beside what was found', () => {
    const { confidential, public: open, strangeAlarms } = MODEL.card
    expect(MODEL.leastFamiliar).toBeGreaterThan(0)
    expect(confidential.abstained + confidential.flagged).toBeLessThanOrEqual(confidential.sentences)
    expect(confidential.abstained).toBeLessThanOrEqual(2 * MOST_GIVEN_UP * confidential.sentences)
    expect(open.flagged).toBeLessThanOrEqual(Math.ceil(strangeAlarms * open.sentences) + open.documents)
  })
})

it('the least share keeps its bounds for any examples: so much is given up at most, and so much of strange text passes, or all that may be given up is (C7)', () => {
  const document = fc.record({
    label: fc.constantFrom<0 | 1>(0, 1),
    sentences: fc.array(fc.array(fc.nat(60), { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 8 }),
  })
  fc.assert(
    fc.property(fc.array(document, { maxLength: 12 }), (drawn) => {
      const documents = [...drawn, { label: 0 as const, sentences: [[1, 2]] }, { label: 1 as const, sentences: [[3, 4]] }].map(
        ({ label, sentences }): PairsOfDocument => ({
          label,
          pairs: Int32Array.from(sentences.flat()),
          words: sentences.map(({ length }) => length),
          isShort: () => false,
        }),
      )
      const { least, strange, shares, pairs } = familiarityOf(documents)
      const of = (label: 0 | 1): readonly number[] => documents.flatMap((one, i) => (one.label === label ? [...shares[i]!] : []))
      const givenUp = of(1).filter((share) => share < least).length / of(1).length
      expect(givenUp).toBeLessThanOrEqual(MOST_GIVEN_UP)
      expect(strange).toBe(of(0).filter((share) => share >= least).length / of(0).length)
      const isAllGivenUp = least >= of(1).toSorted((a, b) => a - b)[Math.floor(MOST_GIVEN_UP * of(1).length)]!
      expect(strange <= MOST_STRANGE || isAllGivenUp || least === MOST_DEMANDED).toBe(true)
      expect(least).toBeLessThanOrEqual(MOST_DEMANDED)
      // A document does not make itself familiar.
      for (const [i, { label, pairs: own }] of documents.entries()) {
        const others = new Set(documents.flatMap((other, k) => (other.label === 1 && k !== i ? [...other.pairs] : [])))
        if (label === 1 && ![...own].some((pair) => others.has(pair))) expect([...shares[i]!].every((share) => share === 0)).toBe(true)
      }
      for (const { label, pairs: own } of documents)
        if (label === 1) for (const pair of own) expect((pairs[pair >> 3]! >> (pair & 7)) & 1).toBe(1)
    }),
    { seed: 20_261_127, numRuns: 200 },
  )
})
