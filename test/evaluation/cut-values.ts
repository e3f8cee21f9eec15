import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type FilterPlan, JOINED_ENTITIES, scanText } from '#gateway/filters'
import { crossingValues } from '../../src/gateway/pipeline/crossing-values.ts'
import { atOnce, type Crossing, type Stretch } from '../../src/gateway/pipeline/stretches.ts'
import type { TextFilter } from '../../src/gateway/pipeline/surface.ts'
import type { CleanTexts } from './clean-texts.ts'
import type { EvaluationRow } from './filters.ts'
import { logLines } from './planted/machine-text.ts'
import { random } from './planted/values.ts'
import { unseenCases } from './unseen/cases.ts'

const LEAST_FOUND = 0.9
/** False alarms a thousand borders of messages. */
const MOST_ALARMS = 1
const LOG_UNITS = 1_000_000
const ROWS = 3_000
/** Messages of one conversation. */
const CONVERSATION = 40

/** What lies over the borders of messages of one user. */
function over(texts: readonly string[], plan: FilterPlan): Crossing {
  const visit = (look: TextFilter): void => texts.forEach((text, i) => void look(text, String(i)))
  return atOnce(crossingValues({ originOf: () => 'user', saidIn: (place) => place }, plan, visit))
}

/** Whether something is done to every letter and digit between two places of a text. */
function isTaken(text: string, from: number, to: number, stretches: readonly Stretch[], plan: FilterPlan): boolean {
  const spans = [...stretches, ...scanText(text, plan).findings]
  for (let at = from; at < to; at++)
    if (/[\p{L}\p{N}]/u.test(text[at]!) && !spans.some(({ start, end }) => start <= at && at < end)) return false
  return true
}

/** Values of kinds that are joined, each found whole, cut at a place drawn anew. */
export function cutValueRows(plan: FilterPlan, seed: number): readonly EvaluationRow[] {
  const draw = random(seed)
  const byEntity = new Map<string, { found: number; of: number }>()
  const total = { 2: { found: 0, of: 0 }, 3: { found: 0, of: 0 } }
  for (const part of ['validation', 'test', 'later'] as const)
    for (const { text, value, entity } of unseenCases(part, seed)) {
      if (value === null || !JOINED_ENTITIES.has(entity)) continue
      const whole = scanText(text, plan).findings.some(({ start, end }) => start <= value.start && end >= value.end)
      if (!whole) continue
      for (const pieces of [2, 3] as const) {
        const cuts = [...new Set(Array.from({ length: pieces - 1 }, () => value.start + 1 + draw(value.end - value.start - 1)))].sort(
          (a, b) => a - b,
        )
        const edges = [0, ...cuts, text.length]
        const texts = edges.slice(1).map((end, i) => text.slice(edges[i], end))
        const crossing = over(texts, plan)
        const found = texts.every((one, i) => {
          const [from, to] = [Math.max(value.start, edges[i]!) - edges[i]!, Math.min(value.end, edges[i + 1]!) - edges[i]!]
          return isTaken(one, from, to, crossing.get(i) ?? [], plan)
        })
        const own = byEntity.get(entity) ?? { found: 0, of: 0 }
        if (pieces === 2) byEntity.set(entity, own)
        for (const count of pieces === 2 ? [total[2], own] : [total[3]]) {
          count.of++
          if (found) count.found++
        }
      }
    }
  const worst = [...byEntity].map(([entity, { found, of }]) => ({ entity, share: found / of })).sort((a, b) => a.share - b.share)
  const named = worst.slice(0, 3).map(({ entity, share }) => `${entity} ${share.toFixed(2)}`)
  return ([2, 3] as const).map((pieces) => {
    const { found, of } = total[pieces]
    const what = `filters: taken out whole of ${of} values of ${byEntity.size} kinds that are joined, cut over ${pieces} messages, least of ${named.join(', ')}`
    return { what, value: found / of, target: pieces === 2 ? LEAST_FOUND : null, ok: pieces !== 2 || found / of >= LEAST_FOUND }
  })
}

/** Findings over the borders of messages that hold no value which goes on in the next: sentences, lines of logs, rows and cells of tables. */
export function cutAlarmRows(plan: FilterPlan, prose: readonly CleanTexts[], shared: string, seed: number): readonly EvaluationRow[] {
  const usual = [
    ...prose.map(({ from, texts }) => [`sentences of ${from}`, texts] as const),
    ['lines of logs (ours)', logLines(seed, LOG_UNITS).split('\n')] as const,
    ...numberTables(shared, seed),
  ]
  const alarms = ([what, texts]: readonly [string, readonly string[]], target: number | null): EvaluationRow => {
    const said = texts.filter((text) => text.trim() !== '')
    let count = 0
    for (let at = 0; at < said.length; at += CONVERSATION)
      for (const stretches of over(said.slice(at, at + CONVERSATION), plan).values())
        count += stretches.filter(({ begins }) => begins).length
    const value = (count / (said.length - 1)) * 1000
    const most = target === null ? '' : `, at most ${target}`
    return {
      what: `filters: false alarms per 1,000 borders of messages, ${said.length} ${what}${most}`,
      value,
      target,
      ok: target === null || value <= target,
    }
  }
  return [...usual.map((one) => alarms(one, MOST_ALARMS)), ...hardTexts(seed).map((one) => alarms(one, null))]
}

function numberTables(shared: string, seed: number): readonly (readonly [what: string, texts: readonly string[]])[] {
  const { draw, digits, each } = numbers(seed)
  const lines = (name: string): readonly string[] =>
    readFileSync(join(shared, 'data/tabular', name), 'utf8')
      .split('\n')
      .slice(1, ROWS)
  const tables = ['adult_test.csv', 'breast_cancer_wdbc.csv', 'german_credit.csv', 'taiwan_default.csv'].flatMap(lines)
  return [
    ['rows of four data sets', tables],
    ['cells of these', tables.slice(0, 600).flatMap((row) => row.split(','))],
    ['numbers of 1 to 6 digits', each(() => digits(1 + draw(6)))],
    ['numbers of 7 to 10 digits', each(() => digits(7 + draw(4)))],
    ['amounts and days', each(() => `${1 + draw(28)}.${1 + draw(12)}.20${10 + draw(15)} ${draw(90_000)}.${digits(2)}`)],
  ]
}

/** What any two of look like one value by chance: every text begins and ends with a number, or with as many digits as a group of a card. */
function hardTexts(seed: number): readonly (readonly [what: string, texts: readonly string[]])[] {
  const { draw, digits, each } = numbers(seed)
  return [
    [
      'sentences with a number at either end',
      each(() => `${digits(1 + draw(8))} of them were there, and the sum of it is ${digits(1 + draw(8))}`),
    ],
    ['rows of three groups of four digits', each(() => `${digits(4)} ${digits(4)} ${digits(4)}`)],
    ['groups of four digits', each(() => digits(4))],
  ]
}

function numbers(seed: number) {
  const draw = random(seed)
  return {
    draw,
    digits: (count: number): string => Array.from({ length: count }, () => draw(10)).join(''),
    each: (make: () => string): readonly string[] => Array.from({ length: ROWS }, make),
  }
}
