import { Command } from 'commander'
import { asRedoubtError, systemClock } from '#foundation/core'
import { wrapped } from '../output.ts'
import { EXIT, run } from '../program.ts'
import { type Finding, ok, problem } from './finding.ts'
import { fipsCheck } from './fips-check.ts'
import { authorityCheck, diskCheck, nodeCheck, permissionChecks } from './host-checks.ts'
import { serverChecks } from './server-checks.ts'

const MARKS: Readonly<Record<Finding['state'], string>> = {
  ok: 'ok       ',
  warning: 'warning  ',
  problem: 'PROBLEM  ',
  unknown: 'UNKNOWN  ',
}

/** @param checkConfiguration reads the configuration as the server would; throws what is wrong with it. */
export function doctorCommand(checkConfiguration: () => void | Promise<void>): Command {
  return new Command('doctor')
    .description('tell what is wrong here and how to mend it')
    .option('--fips', 'also probe by known answers whether the platform computes approved algorithms only')
    .action(
      run<{ fips?: boolean }>(async ({ client, output, place }, { fips }) => {
        const now = systemClock.now()
        const findings: readonly Finding[] = [
          nodeCheck(),
          await configurationCheck(checkConfiguration),
          diskCheck(place),
          ...permissionChecks(place),
          authorityCheck(place, now),
          ...(fips === true ? [fipsCheck()] : []),
          ...(await serverChecks(client, systemClock)),
        ]
        const bad = findings.filter(({ state }) => state === 'problem' || state === 'unknown')
        const warnings = findings.filter(({ state }) => state === 'warning').length
        const fine = warnings === 0 ? 'nothing is wrong' : `nothing is broken, ${warnings} to think about`
        const verdict = bad.length === 0 ? fine : `${bad.length} to mend`
        output.result({ ok: bad.length === 0, findings }, [...findings.map(lines), '', verdict].join('\n'))
        return bad.length === 0 ? EXIT.done : EXIT.refused
      }),
    )
}

async function configurationCheck(check: () => void | Promise<void>): Promise<Finding> {
  try {
    await check()
    return ok('configuration', 'valid')
  } catch (thrown) {
    const error = asRedoubtError(thrown)
    return problem('configuration', error.message, error.next)
  }
}

const INDENT = ' '.repeat(9)
const lines = ({ check, state, detail, mend }: Finding): string =>
  [
    wrapped(`${MARKS[state]}${check.padEnd(24)}${detail}`, `${INDENT}  `),
    ...(mend === '' ? [] : [wrapped(`${INDENT}mend: ${mend}`, `${INDENT}  `)]),
  ].join('\n')
