import { expect, it } from 'vitest'
import { PROMPT_CANARY, compilePlan, scanText } from '#gateway/filters'
import type { CallFilters } from './call-filters.ts'
import { outputPlan } from './output-plan.ts'

const MARKER = 'q7ak3mzt5xw2hb4yd6cfnrel'
const plan = compilePlan({ default: 'mask' })
const filters: CallFilters = { input: plan, output: plan, kept: null }

it('searches the answer for the marker of its own prompt, and for what the policies say (C7, C6)', () => {
  const text = `jane@example.com ${MARKER} more`
  expect(scanText(text, outputPlan({ filters, canary: MARKER }))).toMatchObject({
    text: '[EMAIL_ADDRESS] ',
    blocked: true,
    findings: [{ entity: 'EMAIL_ADDRESS' }, { entity: PROMPT_CANARY }],
  })
  expect(scanText(text, outputPlan({ filters, canary: 'another3marker4of5letters' })).blocked).toBe(false)
})

it('is the compiled plan where no marker was planted', () => {
  expect(outputPlan({ filters, canary: null })).toBe(plan)
})
