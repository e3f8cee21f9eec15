import { type Command, InvalidArgumentError, Option } from 'commander'
import type { AccessReviewCampaign, ReviewItem } from '#governance/approvals'
import { moment, named } from './words.ts'
import { table } from './output.ts'
import { run } from './program.ts'

const MAX_DAYS = 365

interface ReviewInFull {
  readonly review: AccessReviewCampaign
  readonly items: readonly ReviewItem[]
}

function days(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > MAX_DAYS) throw new InvalidArgumentError(`a number from 1 to ${MAX_DAYS}`)
  return value
}

/** Adds to `access review` what begins, shows and goes through a review. */
export function addCampaignCommands(review: Command): void {
  review
    .command('start')
    .description('begin a review: every account and role of this moment is to be attested or revoked')
    .addOption(new Option('--days <days>', 'time for it; the configured time unless given').argParser(days))
    .action(
      run<{ days?: number }>(async ({ client, output }, { days }) => {
        const started = await client.call<AccessReviewCampaign>('/access/reviews', {
          method: 'POST',
          json: days === undefined ? {} : { days },
        })
        output.result(
          started,
          `began ${started.id}: ${started.items} items, due ${moment(started.dueAt)}\nnext  redoubt access review show ${started.id}`,
        )
      }),
    )

  review
    .command('list')
    .description('list reviews, newest first')
    .action(
      run(async ({ client, output }) => {
        const { reviews } = await client.call<{ reviews: readonly AccessReviewCampaign[] }>('/access/reviews')
        const rows = reviews.map(({ id, startedBy, open, items, dueAt, overdue }) => [
          id,
          `${items - open} of ${items}`,
          `${moment(dueAt)}${overdue ? ' OVERDUE' : ''}`,
          named(startedBy),
        ])
        output.result(reviews, reviews.length === 0 ? 'no reviews' : table(['review', 'decided', 'due', 'begun by'], rows))
      }),
    )

  review
    .command('show <review>')
    .description('show the items of a review')
    .action(
      run(async ({ client, output }, _options, id = '') => {
        const full = await client.call<ReviewInFull>(`/access/reviews/${encodeURIComponent(id)}`)
        const rows = full.items.map(({ item, account, role, verdict, reviewer }) => [
          String(item),
          named(account),
          role,
          verdict ?? 'open',
          reviewer === null ? '' : named(reviewer),
        ])
        output.result(full, table(['item', 'account', 'role', 'verdict', 'by'], rows))
      }),
    )

  for (const [verdict, what] of [
    ['attest', 'say that accounts still need their roles'],
    ['revoke', 'take roles away; an account without another is disabled'],
  ] as const)
    review
      .command(`${verdict} <review> <item...>`)
      .description(what)
      .action(
        run(async ({ client, output }, _options, id = '', ...items) => {
          const done: ReviewItem[] = []
          for (const item of items)
            done.push(
              await client.call<ReviewItem>(`/access/reviews/${encodeURIComponent(id)}/items/${encodeURIComponent(item)}/${verdict}`, {
                method: 'POST',
              }),
            )
          output.result(done, done.map(({ item, account, role, verdict }) => `${item}  ${named(account)} ${role}: ${verdict}`).join('\n'))
        }),
      )
}
