import { CanaryMachine } from './canary.ts'
import { NameMachine } from './name-machine.ts'
import type { FilterPlan } from './plan.ts'
import { type Finding, SegmentMachine } from './segment-machine.ts'

/** What looks at one text and masks it, whole or in pieces; see `SegmentMachine`, which is the whole of it where no names are looked for. */
export interface TextMachine {
  readonly blocked: boolean
  readonly heldBack: number
  push(delta: string): string
  flush(): string
}

/** @param report called for each finding, in order. */
export function createMachine(plan: FilterPlan, report: (finding: Finding) => void): TextMachine {
  const machine = plan.names === null ? new SegmentMachine(plan, report) : new NameMachine(plan, plan.names, report)
  return plan.canary === undefined ? machine : new CanaryMachine(plan.canary, machine, report)
}
