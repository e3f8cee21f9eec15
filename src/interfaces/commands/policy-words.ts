import { wrapped } from './output.ts'
import type { CheckReport, Counterexample, Proof, ProofReport, TableReport } from '#trust/policy'

/** Failures told in words; `--json` tells all. */
const MAX_TOLD = 20

/** A text whose every line is indented. */
export const indented = (text: string, indent: string): string => wrapped(`${indent}${text}`, indent)

const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

export function checkWords(report: CheckReport): string {
  const found = report.findings.flatMap(({ severity, file, line, message, next }) => [
    `${severity}  ${file}${line > 0 ? `:${line}` : ''}`,
    indented(message, '  '),
    indented(`next: ${next}`, '  '),
    '',
  ])
  const summary = `${counted(report.errors, 'error')}, ${counted(report.warnings, 'warning')}; ${counted(report.policies, 'policy', 'policies')} in ${counted(report.files, 'file')}, the bundled ones included`
  return [...found, indented(summary, ''), ...(report.policySet === null ? [] : [`policy set ${report.policySet}`])].join('\n')
}

export function tableWords(report: TableReport): string {
  const { failures } = report
  const told = failures
    .slice(0, MAX_TOLD)
    .flatMap(({ name, file, line, differences, facts }) => [
      `fails  ${file}:${line}`,
      indented(name, '  '),
      ...differences.map((text) => indented(text, '    ')),
      ...facts.map((text) => indented(text, '    ')),
      '',
    ])
  const more = failures.length > MAX_TOLD ? [`… and ${failures.length - MAX_TOLD} more; see --json`, ''] : []
  const held = report.cases - failures.length
  return [
    ...told,
    ...more,
    `${held} of ${counted(report.cases, 'row')} in ${counted(report.files, 'table')} hold`,
    `policy set ${report.policySet}`,
  ].join('\n')
}

export function proofWords(report: ProofReport): string {
  const told = report.proofs.flatMap(proofLines)
  const held = report.proofs.filter(({ verdict }) => verdict === 'holds').length
  return [
    ...told,
    '',
    indented(
      `${held} of ${counted(report.proofs.length, 'statement')} hold for all requests: ${report.requests} classes of them were decided, in ${report.groups} groups of action and types`,
      '',
    ),
    `policy set ${report.policySet}`,
  ].join('\n')
}

function proofLines({ id, statement, expect, verdict, counterexample }: Proof): readonly string[] {
  if (verdict === 'holds') return [`holds    ${id}`]
  if (verdict === 'vacuous') return [`VACUOUS  ${id}`, indented(statement, '  '), '  no request is as it describes, so it says nothing']
  return [`FAILS    ${id}`, indented(statement, '  '), ...(counterexample ? counterexampleLines(counterexample, expect) : [])]
}

function counterexampleLines({ query, policies, facts }: Counterexample, expect: Proof['expect']): readonly string[] {
  const roles = query.principal.parents.map(({ id }) => id)
  const who = `a ${query.principal.type} ${roles.length === 0 ? 'without a role' : `with the ${roles.length === 1 ? 'role' : 'roles'} ${roles.join(', ')}`}`
  const may = expect === 'never' ? 'may' : 'may not'
  const by = policies.length === 0 ? 'no policy permits it' : `decided by ${policies.map((id) => `\`${id}\``).join(', ')}`
  return [
    indented(`but ${who} ${may} \`${query.action}\` a ${query.resource.type} when`, '  '),
    ...Object.entries(facts).map(([name, value]) => `    ${name} = ${JSON.stringify(value)}`),
    indented(by, '  '),
  ]
}
