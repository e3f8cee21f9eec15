import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  classifyInjection,
  type InjectionModel,
  INJECTION_THRESHOLD,
  type LabelledRow,
  readLabelled,
  readLabelledRows,
  scoreWindows,
  trainInjection,
} from '#gateway/filters'
import { type Kind, KINDS, madeRows } from '../../scripts/injection-corpus/generate.ts'
import { evaluateCutAttacks } from './cut-attacks.ts'
import type { EvaluationRow } from './filters.ts'

const shared = process.env['REDOUBT_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url))
const SEEDS = [1, 2, 3, 4, 5] as const
const FILES = ['deepset', 'jailbreak-pos', 'benign-neg'] as const
const ROWS = 900
const FIXED_FALSE_ALARMS = 0.01
const MOST_FALSE_ALARMS = 0.05
const MB_PER_SECOND = 5

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!
const range = (values: readonly number[]): string => `${Math.min(...values).toFixed(3)}–${Math.max(...values).toFixed(3)}`

/** Wilson's score interval of a share, 95 %. */
function interval(share: number, n: number): string {
  const z = 1.96
  const middle = (share + (z * z) / (2 * n)) / (1 + (z * z) / n)
  const half = (z * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n))) / (1 + (z * z) / n)
  return `${Math.max(0, middle - half).toFixed(3)}–${Math.min(1, middle + half).toFixed(3)}`
}

const data = (name: string): readonly LabelledRow[] => readLabelledRows(join(shared, 'data/injection', `${name}.jsonl`))
const of = (label: 0 | 1, rows: readonly LabelledRow[]): readonly LabelledRow[] => rows.filter((row) => row.label === label)
const madeOf = (kind: Kind, split: 'train' | 'dev' | 'test'): readonly LabelledRow[] => [
  ...madeRows(kind, split, split === 'train' ? ROWS : ROWS / 2, 1),
]
const scoresOf = (rows: readonly LabelledRow[], model: InjectionModel): readonly number[] =>
  rows.map(({ text }) => classifyInjection(text, model).score)
const alarms = (scores: readonly number[], threshold: number = INJECTION_THRESHOLD): number =>
  scores.filter((score) => score >= threshold).length / scores.length

/**
 * Trains the injection classifier anew for each of five seeds and measures rules and classifier together, on rows, templates and names that took no part.
 * The mails of the development file are real and wholly unseen: the file of planted mails is not learned from.
 * @throws if the data are missing.
 */
export function evaluateInjection(): readonly EvaluationRow[] {
  const made = KINDS.flatMap((kind) => madeOf(kind, 'train'))
  const calibration = KINDS.flatMap((kind) => madeOf(kind, 'dev'))
  const train = (seed: number, without?: (typeof FILES)[number]): InjectionModel =>
    trainInjection(
      [...FILES.filter((name) => name !== without).map((name) => ({ name, rows: data(`train-${name}`) })), { name: 'made', rows: made }],
      { seed, calibration },
    )
  const deepset = data('dev-deepset')
  const mails = data('dev-bipia-email-indirect')
  const attacks = { 'direct attacks, dev-deepset': of(1, deepset), 'made attacks, ten families and languages': madeOf('attack', 'test') }
  const harmless = {
    'prompts full of trigger words, made': madeOf('trigger', 'test'),
    'business mails, made': madeOf('mail', 'test'),
    'real mails, dev-bipia-email-indirect': of(0, mails),
    'prompts, dev-deepset': of(0, deepset),
    'documents, code and data, made': madeOf('document', 'test'),
    'clinical, banking and other notes in six languages, made': madeOf('note', 'test'),
  }
  const promised = new Set(['prompts full of trigger words, made', 'business mails, made', 'real mails, dev-bipia-email-indirect'])
  const planted = of(1, mails)

  const shares = new Map<string, { readonly n: number; readonly target: number | null; readonly values: number[] }>()
  const add = (what: string, n: number, value: number, target: number | null = null): void => {
    const found = shares.get(what) ?? { n, target, values: [] }
    found.values.push(value)
    shares.set(what, found)
  }
  const speeds: { readonly windows: number[]; readonly all: number[] } = { windows: [], all: [] }
  const prose = readLabelled(join(shared, 'data/pii/train-echr-92.jsonl'))
    .map(({ text }) => text)
    .join('\n')
  for (const seed of SEEDS) {
    const model = train(seed)
    const unseen: number[] = []
    for (const [name, rows] of Object.entries(harmless)) {
      const scores = scoresOf(rows, model)
      unseen.push(...scores)
      add(`injection: false alarms on ${name}`, rows.length, alarms(scores), promised.has(name) ? MOST_FALSE_ALARMS : null)
    }
    // The threshold that one in a hundred of all unseen harmless texts reaches, whatever the model's own.
    const fixed = unseen.sort((a, b) => b - a)[Math.floor(FIXED_FALSE_ALARMS * unseen.length)]! + Number.EPSILON
    for (const [name, rows] of Object.entries(attacks)) {
      const scores = scoresOf(rows, model)
      add(`injection: found of ${name}, at the threshold`, rows.length, alarms(scores))
      add(`injection: found of ${name}, at 1 % false alarms on ${unseen.length} unseen harmless texts`, rows.length, alarms(scores, fixed))
    }
    add(
      'injection: found of instructions planted in mails (not promised), dev-bipia-email-indirect',
      planted.length,
      alarms(scoresOf(planted, model)),
    )
    const jailbreaks = data('train-jailbreak-pos')
    add(
      'injection: found of jailbreaks by a model that saw none',
      jailbreaks.length,
      alarms(scoresOf(jailbreaks, train(seed, 'jailbreak-pos'))),
    )
    add(
      'injection: found of dev-deepset by a model that saw none of that collection',
      of(1, deepset).length,
      alarms(scoresOf(of(1, deepset), train(seed, 'deepset'))),
    )
    speeds.windows.push(megabytesPerSecond(prose, (text) => scoreWindows(text, model)))
    speeds.all.push(megabytesPerSecond(prose, (text) => classifyInjection(text, model)))
  }

  const rows: EvaluationRow[] = []
  for (const [what, { n, target, values }] of shares) {
    const value = median(values)
    const detail = `n ${n}, 95 % ${interval(value, n)}; seeds ${SEEDS.join(' ')}, range ${range(values)}`
    // A share of alarms is promised to be small: the table's own bounds are lower ones.
    rows.push({
      what: `${what}${target === null ? '' : `, at most ${target}`}; ${detail}`,
      value,
      target,
      ok: target === null || value <= target,
    })
  }
  const textsOf = (list: readonly LabelledRow[]): readonly string[] => list.map(({ text }) => text)
  const quiet = Object.fromEntries(Object.entries(harmless).map(([name, list]) => [name, textsOf(list)]))
  rows.push(...evaluateCutAttacks(Object.values(attacks).flatMap(textsOf), quiet))
  const speed = median(speeds.windows)
  rows.push({
    what: `injection: MB/s of CPU, classifier, range ${range(speeds.windows)}`,
    value: speed,
    target: MB_PER_SECOND,
    ok: speed >= MB_PER_SECOND,
  })
  rows.push({
    what: `injection: MB/s of CPU with normalisation, decoding and rules, range ${range(speeds.all)}`,
    value: median(speeds.all),
    target: null,
    ok: true,
  })
  return rows
}

function megabytesPerSecond(text: string, work: (text: string) => unknown): number {
  work(text)
  const before = process.cpuUsage()
  for (let i = 0; i < 4; i++) work(text)
  const { user, system } = process.cpuUsage(before)
  return (4 * text.length) / (user + system)
}
