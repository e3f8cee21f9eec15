import type { FilterPlan } from '#gateway/filters'
import { scanText } from '#gateway/filters'
import type { EvaluationRow } from '../filters.ts'
import { type Case, unseenCases } from './cases.ts'

interface Share {
  hits: number
  of: number
}

/** Half the width of Wilson's interval, 95 %. */
function halfWidth({ hits, of }: Share): number {
  const z = 1.96
  const share = hits / of
  return (z / (1 + (z * z) / of)) * Math.sqrt((share * (1 - share)) / of + (z * z) / (4 * of * of))
}

const RECALL_TARGET = 0.95
const FLAGGED_TARGET = 0.03

/** Whether all of the value is in one finding, of whatever kind; of a text without one, whether there is a finding. */
function isHit({ text, value }: Case, plan: FilterPlan): boolean {
  const { findings } = scanText(text, plan)
  return value === null ? findings.length > 0 : findings.some(({ start, end }) => start <= value.start && end >= value.end)
}

/** Single values and what looks like them, drawn anew from the specifications: in all parts, the second by kind of value. */
export function unseenRows(plan: FilterPlan, seed: number): readonly EvaluationRow[] {
  const rows: EvaluationRow[] = []
  for (const part of ['validation', 'test', 'later'] as const) {
    const found: Share = { hits: 0, of: 0 }
    const flagged: Share = { hits: 0, of: 0 }
    const sorts = new Map<Case['sort'], Share>()
    const entities = new Map<string, { readonly found: Share; readonly flagged: Share }>()
    for (const one of unseenCases(part, seed)) {
      const isFound = isHit(one, plan)
      const entity = entities.get(one.entity) ?? { found: { hits: 0, of: 0 }, flagged: { hits: 0, of: 0 } }
      entities.set(one.entity, entity)
      const sort = sorts.get(one.sort) ?? { hits: 0, of: 0 }
      sorts.set(one.sort, sort)
      const [total, own] = one.value === null ? [flagged, entity.flagged] : [found, entity.found]
      for (const share of [total, own, sort]) {
        share.of++
        if (isFound) share.hits++
      }
    }
    const where = part === 'later' ? `sentences written later, seed ${seed}` : `${part} half, seed ${seed}`
    const recall = found.hits / found.of
    const alarms = flagged.hits / flagged.of
    rows.push(
      {
        what: `filters: recall of ${found.of} values never seen, ± ${halfWidth(found).toFixed(3)}, ${where}`,
        value: recall,
        target: RECALL_TARGET,
        ok: recall >= RECALL_TARGET,
      },
      {
        what: `filters: share of ${flagged.of} texts without a value that something flags, ± ${halfWidth(flagged).toFixed(3)}, at most ${FLAGGED_TARGET}, ${where}`,
        value: alarms,
        target: FLAGGED_TARGET,
        ok: alarms <= FLAGGED_TARGET,
      },
    )
    const ofSort = { bare: 'values without a word', named: 'values beside their word', wrong: 'look-alikes', harmless: 'harmless texts' }
    for (const [sort, share] of sorts)
      rows.push({
        what: `filters: of ${share.of} ${ofSort[sort]} found, ± ${halfWidth(share).toFixed(3)}, ${where}`,
        value: share.hits / share.of,
        target: null,
        ok: true,
      })
    if (part === 'test')
      for (const [entity, { found: own, flagged: alarm }] of entities) {
        if (own.of === 0) continue
        const beside = alarm.of === 0 ? '' : `; of ${alarm.of} like it ${alarm.hits} flagged`
        rows.push({
          what: `filters: recall ${entity}, ${own.of} values never seen ± ${halfWidth(own).toFixed(3)}${beside}`,
          value: own.hits / own.of,
          target: null,
          ok: true,
        })
      }
  }
  return rows
}
