import { type Decision, type Obligations, RedoubtError, type RowCells } from '#foundation/core'
import type { PolicyEngine } from '../engine.ts'
import type { PolicyFile } from '../policy-file.ts'
import { readTable, type TableCase } from './table-file.ts'

export interface TableFailure {
  readonly name: string
  readonly file: string
  readonly line: number
  /** What came out otherwise, one sentence each. */
  readonly differences: readonly string[]
  /** Why it was decided as it was. */
  readonly facts: readonly string[]
}

export interface TableReport {
  readonly policySet: string
  readonly files: number
  readonly cases: number
  readonly failures: readonly TableFailure[]
}

/** Failures told in full; the rest are counted. */
const MAX_EXPLAINED = 100

/** Decides every row of the tables. @throws {RedoubtError} `ERR_POLICY_INVALID` with file and line for a table that is not well-formed. */
export function runTables(engine: PolicyEngine, files: readonly PolicyFile[]): TableReport {
  const cases = files.flatMap(readTable)
  const failures: TableFailure[] = []
  for (const one of cases) {
    const query = { principal: one.principal, action: one.action, resource: one.resource, context: one.context }
    const differences = differencesOf(one, engine.decide(query))
    if (differences.length === 0) continue
    const facts = failures.length < MAX_EXPLAINED ? engine.why(query).facts.map(({ text }) => text) : []
    failures.push({ name: one.name, file: one.file, line: one.line, differences, facts })
  }
  return { policySet: engine.digest, files: files.length, cases: cases.length, failures }
}

/** @throws {RedoubtError} `ERR_POLICY_TEST` naming the first row that does not hold, so that nothing is activated. */
export function demandTables(engine: PolicyEngine, files: readonly PolicyFile[]): TableReport {
  const report = runTables(engine, files)
  const [first] = report.failures
  if (!first) return report
  const others = report.failures.length > 1 ? `, and ${report.failures.length - 1} more` : ''
  throw new RedoubtError('ERR_POLICY_TEST', `${first.file}:${first.line}: \`${first.name}\`: ${first.differences.join('; ')}${others}`, {
    evidence: { file: first.file, line: first.line, failures: report.failures.length, cases: report.cases },
  })
}

function differencesOf(one: TableCase, decision: Decision): readonly string[] {
  const found: string[] = []
  const by = [...decision.policies, ...decision.errors]
  const { rows } = decision
  // Without a row a decision for some rows is an allow: somebody will be shown something.
  if (one.row && rows && decision.effect === 'allow') {
    const admitted = rows.admits(cellsOf(one.row))
    if (admitted === null) return [`expected ${one.expect}, and ${quoted(decision.policies)} cannot be evaluated for the row`]
    if (admitted !== (one.expect === 'allow'))
      return [`expected ${one.expect}, the row is ${admitted ? '' : 'not '}admitted by ${quoted(by)}`]
  } else if (decision.effect !== one.expect) {
    const why = by.length > 0 ? ` by ${quoted(by)}` : decision.effect === 'deny' ? ', for no policy permits it' : ''
    found.push(`expected ${one.expect}, decided ${decision.effect}${why}`)
    return found
  }
  if (one.code !== null && decision.code !== one.code) found.push(`expected the code ${one.code}, got ${decision.code ?? 'none'}`)
  if (one.policies !== null && [...one.policies].sort().join('\n') !== [...by].sort().join('\n'))
    found.push(`expected ${quoted(one.policies)} to decide, got ${quoted(by)}`)
  if (one.obligations !== null) found.push(...obligationDifferences(one.obligations, decision.obligations))
  return found
}

const cellsOf = (row: NonNullable<TableCase['row']>): RowCells => ({
  text(column) {
    const value = Object.hasOwn(row, column) ? row[column] : null
    return typeof value === 'string' ? value : null
  },
  integer(column) {
    const value = Object.hasOwn(row, column) ? row[column] : null
    return typeof value === 'number' && Number.isInteger(value) ? value : null
  },
  real(column) {
    const value = Object.hasOwn(row, column) ? row[column] : null
    return typeof value === 'number' ? value : null
  },
})

const quoted = (ids: readonly string[]): string => (ids.length === 0 ? 'none' : ids.map((id) => `\`${id}\``).join(', '))

function obligationDifferences(wanted: NonNullable<TableCase['obligations']>, got: Obligations): readonly string[] {
  const found: string[] = []
  for (const name of ['filterInput', 'filterOutput'] as const) {
    for (const [entity, action] of Object.entries(wanted[name] ?? {})) {
      const holds = got[name][entity] ?? got[name]['default'] ?? 'allow'
      if (holds !== action) found.push(`expected ${name} ${entity}=${action}, got ${holds}`)
    }
  }
  for (const [column, mask] of Object.entries(wanted.columns ?? {})) {
    const holds = (Object.hasOwn(got.columns ?? {}, column) ? got.columns?.[column] : got.columns?.['default']) ?? 'keep'
    if (holds !== mask) found.push(`expected the column ${column}=${mask}, got ${holds}`)
  }
  const limits = got.limits.map(({ unit, amount, windowMs }) => `${unit} ${amount}/${windowWords(windowMs)}`)
  for (const limit of wanted.limits ?? [])
    if (!limits.includes(limit.trim().replace(/\s+/g, ' '))) found.push(`expected the limit ${limit}, got ${limits.join(', ') || 'none'}`)
  if (wanted.rowsPerCall !== undefined && got.maxRowsPerCall !== wanted.rowsPerCall)
    found.push(`expected ${wanted.rowsPerCall ?? 'no bound of'} rows a call, got ${got.maxRowsPerCall ?? 'no bound'}`)
  return found
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const

/** The largest unit that fits, as people write windows. */
function windowWords(windowMs: number): string {
  const [unit, size] = UNITS.find(([, size]) => windowMs % size === 0) ?? ['s', 1000]
  return `${windowMs / size}${unit}`
}
