import { expect, it } from 'vitest'
import type { Decision } from '#foundation/core'
import { CANARY, compilePlan, scanText } from '#gateway/filters'
import { outputPlan } from './output-plan.ts'

const MARKER = 'q7ak3mzt5xw2hb4yd6cfnrel'
const decision = { obligations: { filterOutput: { default: 'mask' } } } as unknown as Decision

it('searches the answer for the marker of its own prompt, and for what the policies say (C7, C6)', () => {
  const text = `jane@example.com ${MARKER} more`
  expect(scanText(text, outputPlan({ decision, canary: MARKER }))).toMatchObject({
    text: '[EMAIL_ADDRESS] ',
    blocked: true,
    findings: [{ entity: 'EMAIL_ADDRESS' }, { entity: CANARY }],
  })
  expect(scanText(text, outputPlan({ decision, canary: 'another3marker4of5letters' })).blocked).toBe(false)
})

it('is the compiled plan where no marker was planted', () => {
  expect(outputPlan({ decision, canary: null })).toBe(compilePlan(decision.obligations.filterOutput))
})
