import { Command, InvalidArgumentError, Option } from 'commander'
import { ALERT_SEVERITIES } from '#foundation/core'
import type { PlaceAnswer, StoredAlert } from '#governance/alerts'
import { table } from './output.ts'
import { EXIT, run } from './program.ts'
import { moment, named } from './words.ts'

interface ListOptions {
  readonly all?: boolean
  readonly acknowledged?: boolean
  readonly severity?: string
  readonly kind?: string
  readonly limit: number
}

const MAX_LIMIT = 1_000
const limitNumber = (text: string): number => {
  const limit = Number(text)
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) throw new InvalidArgumentError(`a number from 1 to ${MAX_LIMIT}`)
  return limit
}

export function alertCommands(): Command[] {
  const alerts = new Command('alerts').description('what asks for attention: list, acknowledge, try the places')

  alerts
    .command('list')
    .description('list alerts that nobody acknowledged, newest first')
    .addOption(new Option('--all', 'acknowledged ones too').conflicts('acknowledged'))
    .option('--acknowledged', 'acknowledged ones only')
    .addOption(new Option('--severity <severity>', 'this severe or more').choices(ALERT_SEVERITIES))
    .option('--kind <kind>', 'of this kind only')
    .addOption(new Option('--limit <number>', 'most alerts shown').argParser(limitNumber).default(50))
    .action(
      run<ListOptions>(async ({ client, output }, { all, acknowledged, severity, kind, limit }) => {
        const query = new URLSearchParams({
          state: all === true ? 'all' : acknowledged === true ? 'acknowledged' : 'open',
          limit: String(limit),
          ...(severity === undefined ? {} : { severity }),
          ...(kind === undefined ? {} : { kind }),
        })
        const page = await client.call<{ alerts: readonly StoredAlert[]; next: number | null }>(`/alerts?${query.toString()}`)
        output.result(page.alerts, page.alerts.length === 0 ? 'no alerts' : page.alerts.map(words).join('\n'))
        if (page.next !== null) output.note(`there are more; see them with --limit (at most ${MAX_LIMIT})`)
      }),
    )

  alerts
    .command('ack')
    .description('take note of alerts; the log records who did')
    .argument('<id...>', 'ids as `alerts list` shows them')
    .action(
      run(async ({ client, output }, _options, ...ids) => {
        const done: StoredAlert[] = []
        for (const id of ids) done.push(await client.call<StoredAlert>(`/alerts/${encodeURIComponent(id)}/acknowledge`, { method: 'POST' }))
        const rows = done.map(({ id, acknowledgedAt, acknowledgedBy }) => [
          id,
          acknowledgedAt === null ? '' : moment(acknowledgedAt),
          acknowledgedBy === null ? '' : named(acknowledgedBy),
        ])
        output.result(done, table(['alert', 'acknowledged', 'by'], rows))
      }),
    )

  alerts
    .command('test')
    .description('send a test message to every configured place, and say what each answered')
    .action(
      run(async ({ client, output }) => {
        const { places } = await client.call<{ places: readonly PlaceAnswer[] }>('/alerts/test', { method: 'POST' })
        const rows = places.map(({ name, taken, problem }) => [name, taken ? 'took it' : `did not take it: ${problem ?? 'failed'}`])
        output.result(
          places,
          places.length === 0 ? 'no place is configured: alerts are kept here and sent nowhere' : table(['place', 'answer'], rows),
        )
        return places.every(({ taken }) => taken) ? EXIT.done : EXIT.refused
      }),
    )
  return [alerts]
}

/** Three lines an alert: what, when and how often, and how to find it in the log. */
function words(alert: StoredAlert): string {
  const { id, severity, kind, summary, count, firstAt, lastAt, logIndex, recordedIndex, acknowledgedAt } = alert
  const often = count === 1 ? moment(firstAt) : `${count} times, ${moment(firstAt)} to ${moment(lastAt)}`
  const entry = logIndex ?? recordedIndex
  return [
    `${severity.padEnd(8)} ${kind}${acknowledgedAt === null ? '' : ' (acknowledged)'}`,
    `         ${summary}`,
    `         ${often}; ${entry === null ? 'not in the log yet' : `log entry ${entry}`}; ${id}`,
  ].join('\n')
}
