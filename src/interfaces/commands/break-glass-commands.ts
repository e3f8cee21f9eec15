import { Command, InvalidArgumentError, Option } from 'commander'
import { ACTIONS, type EntityUid } from '#foundation/core'
import type { GrantShown } from '#governance/approvals'
import { moment, named } from './words.ts'
import { table } from './output.ts'
import { run } from './program.ts'

const DEFAULT_MINUTES = 30
const MAX_MINUTES = 60

interface StartOptions {
  readonly reason: string
  readonly action: string
  readonly resource: EntityUid
  readonly minutes: number
}

function minutes(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > MAX_MINUTES) throw new InvalidArgumentError(`a number from 1 to ${MAX_MINUTES}`)
  return value
}

function resource(text: string): EntityUid {
  const [, type = '', id = ''] = /^([A-Z][A-Za-z]*)::"?([^"]+)"?$/.exec(text) ?? []
  if (type === '') throw new InvalidArgumentError('a resource is written like `Model::credit`')
  return { type, id }
}

export function breakGlassCommands(): Command[] {
  const glass = new Command('break-glass').description('access for minutes when nobody answers: alerted at once, reviewed afterwards')

  glass
    .command('start')
    .description('break the glass for one action on one object')
    .requiredOption('--reason <text>', 'what the emergency is; whoever reviews it reads this')
    .addOption(new Option('--action <action>', 'the one action').choices(ACTIONS).makeOptionMandatory())
    .addOption(new Option('--resource <resource>', 'the one object, like `Model::credit`').argParser(resource).makeOptionMandatory())
    .addOption(new Option('--minutes <minutes>', `1 to ${MAX_MINUTES}`).argParser(minutes).default(DEFAULT_MINUTES))
    .action(
      run<StartOptions>(async ({ client, output }, { reason, action, resource, minutes }) => {
        const grant = await client.call<GrantShown>('/break-glass', { method: 'POST', json: { action, resource, reason, minutes } })
        output.result(
          grant,
          [
            `the glass is broken: ${grant.id}`,
            `until  ${moment(grant.endsAt)}; end it earlier with redoubt break-glass end ${grant.id}`,
            `next   do what you have to; another person reviews it by ${moment(grant.reviewDueAt)}`,
          ].join('\n'),
        )
      }),
    )

  glass
    .command('end <id>')
    .description('end a grant at once')
    .action(
      run(async ({ client, output }, _options, id = '') => {
        const grant = await client.call<GrantShown>(`/break-glass/${encodeURIComponent(id)}/end`, { method: 'POST' })
        output.result(grant, `ended ${grant.id}; used ${grant.uses} times`)
      }),
    )

  glass
    .command('list')
    .description('list grants, newest first: your own, and all if you review them')
    .action(
      run(async ({ client, output }) => {
        const { grants } = await client.call<{ grants: readonly GrantShown[] }>('/break-glass')
        const rows = grants.map((grant) => [
          grant.id,
          stateOf(grant),
          named(grant.principal),
          `${grant.action} ${named(grant.resource)}`,
          String(grant.uses),
          grant.reason,
        ])
        output.result(grants, grants.length === 0 ? 'no grants' : table(['grant', 'state', 'who', 'what', 'uses', 'reason'], rows))
      }),
    )

  glass
    .command('review <id>')
    .description('say what a grant was used for; by another person than who had it')
    .requiredOption('--finding <text>', 'whether it was justified, and what follows')
    .action(
      run<{ finding: string }>(async ({ client, output }, { finding }, id = '') => {
        const grant = await client.call<GrantShown>(`/break-glass/${encodeURIComponent(id)}/review`, { method: 'POST', json: { finding } })
        output.result(grant, `reviewed ${grant.id}`)
      }),
    )
  return [glass]
}

function stateOf({ active, endsAt, endCause, reviewedAt, reviewDueAt }: GrantShown): string {
  if (active) return `runs until ${moment(endsAt)}`
  if (reviewedAt !== null) return 'reviewed'
  return `over${endCause === 'clock' ? ' (the clock was set back)' : ''}, review by ${moment(reviewDueAt)}`
}
