import type { Finding } from '../segment-machine.ts'
import { type ConfidentialPlan, doesAct, maskOf } from './confidential-redactor.ts'
import { findConfidential } from './find-confidential.ts'

/** What a search of a text gives. */
interface Scanned {
  readonly text: string
  readonly findings: readonly Finding[]
  readonly blocked: boolean
}

/**
 * Takes what is confidential out of a whole text, exactly, and has the rest searched by `scanRest`, piece by piece. Gives way where that does, and after
 * every `slice` units.
 */
export function* scanConfidential(
  text: string,
  plan: ConfidentialPlan,
  dryRun: boolean,
  slice: number,
  scanRest: (piece: string) => Generator<void, Scanned>,
): Generator<void, Scanned> {
  const matches = yield* findConfidential(text, plan, slice)
  const findings: Finding[] = []
  let out = ''
  let at = 0
  let maskedTo = -1
  function* rest(end: number): Generator<void, boolean> {
    const from = Math.max(at, maskedTo)
    at = Math.max(at, end)
    if (from >= end) return false
    const scanned = yield* scanRest(text.slice(from, end))
    out += scanned.text
    for (const finding of scanned.findings) findings.push({ ...finding, start: finding.start + from, end: finding.end + from })
    return scanned.blocked
  }
  for (const { entity, action, start, end } of matches) {
    const acts = doesAct(action, dryRun)
    const covered = action === 'mask' && start <= maskedTo
    if (acts && !covered && (yield* rest(start))) return { text: out, findings, blocked: true }
    findings.push({ entity, start, end, action, score: 1 })
    if (!acts) continue
    if (action === 'block') return { text: out, findings, blocked: true }
    if (!covered) out += maskOf(entity)
    maskedTo = Math.max(maskedTo, end)
  }
  const blocked = yield* rest(text.length)
  return { text: out, findings, blocked }
}
