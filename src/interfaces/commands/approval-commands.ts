import { Command } from 'commander'
import type { EntityUid } from '#foundation/core'
import type { Approval } from '#governance/approvals'
import { table } from './output.ts'
import { run, type Session } from './program.ts'
import { moment, named, sheet } from './words.ts'

interface Shown extends Approval {
  readonly reason: string
  readonly payload: unknown
  readonly votes: readonly { readonly approver: EntityUid; readonly at: number; readonly comment: string }[]
  readonly counting: number
}

type Listed = Approval & { readonly counting: number; readonly votes: number }

const pathOf = (id: string, rest = ''): string => `/approvals/${encodeURIComponent(id)}${rest}`

export function approvalCommands(): Command[] {
  const approvals = new Command('approvals').description('four eyes: ask for, see and give approval of exactly one act')

  approvals
    .command('request <offer>')
    .description('ask for approval of what was refused with ERR_APPROVAL_REQUIRED')
    .requiredOption('--reason <text>', 'why it is to be done; approvers see it')
    .action(
      run<{ reason: string }>(async ({ client, output }, { reason }, offer) => {
        const approval = await client.call<Approval>('/approvals', { method: 'POST', json: { offer, reason } })
        const next = `next  ${approval.needed} of those who may: redoubt approvals show ${approval.id}; then do again what was refused`
        output.result(approval, `asked for as ${approval.id}, until ${moment(approval.expiresAt)}\n${next}`)
      }),
    )

  approvals
    .command('list')
    .description('list your own requests and those that you may approve, newest first')
    .action(
      run(async ({ client, output }) => {
        const { approvals: all } = await client.call<{ approvals: readonly Listed[] }>('/approvals')
        const rows = all.map(({ id, state, counting, needed, principal, action, resource, expiresAt }) => [
          id,
          state,
          `${counting} of ${needed}`,
          named(principal),
          `${action} ${named(resource)}`,
          moment(expiresAt),
        ])
        output.result(all, all.length === 0 ? 'no requests' : table(['approval', 'state', 'approved', 'by', 'what', 'until'], rows))
      }),
    )

  approvals
    .command('show <id>')
    .description('show a request with all that is approved')
    .action(
      run(async ({ client, output }, _options, id = '') => {
        const approval = await client.call<Shown>(pathOf(id))
        output.result(approval, inWords(approval))
      }),
    )

  approvals
    .command('approve <id>')
    .description('approve it; you are bound to what is shown, by its digest')
    .option('--digest <sha256>', 'what you have looked at; of what is there now unless given')
    .option('--comment <text>', 'kept with your approval', '')
    .action(
      run<{ digest?: string; comment: string }>(async ({ client, output }, { digest, comment }, id = '') => {
        const seen = digest ?? (await client.call<Shown>(pathOf(id))).digest
        const approval = await client.call<Shown>(pathOf(id, '/approve'), { method: 'POST', json: { digest: seen, comment } })
        output.result(approval, inWords(approval))
      }),
    )

  approvals
    .command('deny <id>')
    .description('refuse it for good')
    .requiredOption('--reason <text>', 'why')
    .action(run<{ reason: string }>((session, { reason }, id = '') => ended(session, pathOf(id, '/deny'), { reason })))

  approvals
    .command('withdraw <id>')
    .description('withdraw your own request')
    .action(run((session, _options, id = '') => ended(session, pathOf(id, '/withdraw'))))
  return [approvals]
}

async function ended({ client, output }: Session, path: string, json?: object): Promise<void> {
  const approval = await client.call<Shown>(path, { method: 'POST', ...(json === undefined ? {} : { json }) })
  output.result(approval, `${approval.id} is ${approval.state}`)
}

function inWords(approval: Shown): string {
  const { id, state, principal, author, contributors, action, resource, digest, needed, counting } = approval
  const { createdAt, expiresAt, reason, votes, payload } = approval
  const lines: readonly (readonly [string, string])[] = [
    ['approval', id],
    ['state', `${state}, ${counting} of ${needed} approvals`],
    ['asked by', `${named(principal)}, ${moment(createdAt)}`],
    ['reason', reason],
    ['act', `${action} ${named(resource)}`],
    ...(author === null ? [] : [['made by', named(author)] as const]),
    ...contributors.map((one) => ['work of', named(one)] as const),
    ['until', moment(expiresAt)],
    ['digest', digest],
    ...votes.map(
      ({ approver, at, comment }) => ['approved', `${named(approver)}, ${moment(at)}${comment === '' ? '' : `: ${comment}`}`] as const,
    ),
  ]
  return [sheet(lines), 'what would be done:', JSON.stringify(payload, null, 2)].join('\n')
}
