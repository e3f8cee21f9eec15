import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compilePlan, scanText } from '#gateway/filters'

/** One line of the evaluation's table; `target` null is a figure reported without a promise. */
export interface EvaluationRow {
  readonly what: string
  readonly value: number
  readonly target: number | null
  readonly ok: boolean
}

interface Document {
  readonly text: string
  readonly spans: readonly { readonly start: number; readonly end: number; readonly type: string }[]
}

/** The names of the development file that stand for entities we have. Its other types (names, passports, …) are not covered yet. */
const ENTITY_OF: Readonly<Record<string, string>> = {
  EMAIL: 'EMAIL_ADDRESS',
  SSN: 'US_SSN',
  PHONE: 'PHONE_NUMBER',
  PHONE_NUMBER: 'PHONE_NUMBER',
  IBAN: 'IBAN_CODE',
  CREDIT_CARD: 'CREDIT_CARD',
  IP: 'IP_ADDRESS',
  IP_ADDRESS: 'IP_ADDRESS',
  API_KEY: 'API_KEY',
}

/** Only where the file's values are nearly all well-formed; the others (masked `XXX-XX-…`, failing checksums) are reported as they are. */
const TARGETS: Readonly<Record<string, number>> = { EMAIL_ADDRESS: 0.95, PHONE_NUMBER: 0.9 }

const shared = process.env['REDOUBT_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url))

function documents(file: string): readonly Document[] {
  const path = join(shared, 'data/pii', file)
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Document)
}

const row = (what: string, value: number, target: number | null = null): EvaluationRow => ({
  what,
  value,
  target,
  ok: target === null || value >= target,
})

/**
 * Measures the recognisers on the given data: recall by entity (a value counts as found when every unit of it is masked), and findings where the annotators
 * marked nothing. The development file was never used for tuning; part of its numbers fail their checksum, so its recall has a ceiling.
 * @throws if the data are missing.
 */
export function evaluateFilters(): readonly EvaluationRow[] {
  const plan = compilePlan({ default: 'mask' })
  const rows: EvaluationRow[] = []

  const values = new Map<string, { total: number; masked: number; named: number }>()
  let unmarked = 0
  let findingsInDevelopment = 0
  for (const { text, spans } of documents('dev-pii-nano-en.jsonl')) {
    const { findings } = scanText(text, plan)
    for (const span of spans) {
      const entity = ENTITY_OF[span.type]
      if (entity === undefined) continue
      const count = values.get(entity) ?? { total: 0, masked: 0, named: 0 }
      count.total++
      const covering = findings.filter((finding) => finding.start <= span.start && finding.end >= span.end)
      if (covering.length > 0) count.masked++
      if (covering.some((finding) => finding.entity === entity)) count.named++
      values.set(entity, count)
    }
    for (const finding of findings) {
      findingsInDevelopment++
      if (!spans.some((span) => span.start < finding.end && finding.start < span.end)) unmarked++
    }
  }
  for (const [entity, { total, masked, named }] of values) {
    rows.push(row(`filters: recall ${entity} on dev-pii-nano-en, ${total} values`, masked / total, TARGETS[entity] ?? null))
    rows.push(row(`filters: of these with the right entity, ${entity}`, named / total))
  }
  rows.push(
    row(
      `filters: share of ${findingsInDevelopment} findings on marked values, dev-pii-nano-en`,
      1 - unmarked / Math.max(1, findingsInDevelopment),
    ),
  )

  let characters = 0
  let alarms = 0
  for (const { text, spans } of documents('train-echr-92.jsonl')) {
    characters += text.length
    // Application numbers and the like are marked CODE: a finding there is no harm, and none of our entities either.
    for (const finding of scanText(text, plan).findings) {
      if (!spans.some((span) => span.type === 'CODE' && span.start < finding.end && finding.start < span.end)) alarms++
    }
  }
  const per100k = (alarms / characters) * 100_000
  rows.push({
    what: 'filters: false alarms per 100,000 characters of court prose, train-echr-92',
    value: per100k,
    target: 1,
    ok: per100k <= 1,
  })
  return rows
}
