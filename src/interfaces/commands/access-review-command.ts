import { existsSync } from 'node:fs'
import { Command } from 'commander'
import type { AccessReview, ReviewedAccount } from '#interfaces/api'
import { accountFilePath } from '#trust/client'
import { addCampaignCommands } from './access-campaign-commands.ts'
import { indented } from './policy-words.ts'
import { run } from './program.ts'
import { sinceOption } from './since-option.ts'

/** Grants named in words; `--json` names all. */
const MAX_NAMED = 6

export function reviewCommand(): Command {
  const review = new Command('review').description('who may do what, beside what they did')
  review
    .command('report')
    .description('least privilege from the record: unused grants, narrower roles, conflicts')
    .addOption(sinceOption())
    .action(
      run<{ since: number }>(async ({ client, output, place }, options) => {
        const report = await client.call<AccessReview>(`/access/review?from=${Date.now() - options.since}`)
        const keyHere = report.accounts
          .filter(({ name, disabled }) => disabled && existsSync(accountFilePath(place.secretsDir, name)))
          .map(({ name }) => name)
        output.result({ ...report, disabledWithKeyHere: keyHere }, reviewWords(report, keyHere))
      }),
    )
  addCampaignCommands(review)
  return review
}

/** The report in words. @param keyHere disabled accounts whose private key still lies on this host. */
export function reviewWords(report: AccessReview, keyHere: readonly string[]): string {
  const day = (at: number): string => new Date(at).toISOString().slice(0, 10)
  const head = [
    `${report.accounts.length} accounts, ${report.entries} entries of the log, ${day(report.from)} to ${day(report.to)}`,
    ...(report.complete
      ? []
      : [
          indented(
            `the period holds more than was read: it is known only since ${day(report.readBackTo)}, and what seems unused may have been used before`,
            '',
          ),
        ]),
    ...(report.grantsUnknown === null
      ? []
      : [indented(`what roles grant could not be derived, so nothing is said of it: ${report.grantsUnknown}`, '')]),
  ]
  const active = report.accounts.filter(({ disabled }) => !disabled)
  const sections = [
    section(
      'Without use in the period: disable them, or find out what they are for',
      active
        .filter(({ requests }) => requests === 0)
        .map((one) => `${one.name} (${one.roles.join(', ')})${one.createdAt > report.from ? ', made within it' : ''}`),
    ),
    section(
      'Roles of which nothing was used: take them away',
      active
        .filter(({ requests, unusedRoles }) => requests > 0 && unusedRoles.length > 0)
        .map(({ name, unusedRoles }) => `${name}: ${unusedRoles.join(', ')}`),
    ),
    section(
      'A narrower role would do',
      active.flatMap(({ name, roles, narrower }) =>
        narrower ? [`${name}: \`${narrower.role}\` (${narrower.instead} acts) in place of ${roles.join(', ')} (${narrower.grants})`] : [],
      ),
    ),
    section(
      'Duties that belong in different hands',
      active.flatMap(({ name, conflicts }) => conflicts.map(({ why, roles }) => `${name} ${why}: ${roles.join(' and ')}`)),
    ),
    section('Granted and not used', active.filter(({ requests }) => requests > 0).flatMap(unusedLines)),
    section('Disabled, and the private key still lies on this host: delete the file', keyHere),
  ]
  const told = sections.filter((lines) => lines.length > 0)
  return [...head, ...(told.length === 0 ? [['', 'nothing to change']] : told).flat()].join('\n')
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => indented(line, '  '))]
}

function unusedLines({ name, unusedGrants, unusedRoles }: ReviewedAccount): readonly string[] {
  return unusedGrants
    .filter(({ role }) => !unusedRoles.includes(role))
    .map(({ role, grants }) => {
      const more = grants.length > MAX_NAMED ? ` and ${grants.length - MAX_NAMED} more` : ''
      return `${name}, ${role}: ${grants.slice(0, MAX_NAMED).join(', ')}${more}`
    })
}
