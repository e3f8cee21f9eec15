import { Command, InvalidArgumentError, Option } from 'commander'
import type { LimitSuggestions, RoleLimits } from '#interfaces/api'
import { table } from './output.ts'
import { indented } from './policy-words.ts'
import { run } from './program.ts'
import { sinceOption } from './since-option.ts'

interface SuggestOptions {
  readonly since: number
  readonly keep: number
  readonly headroom: number
}

function numberFrom(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= least && value <= most)) throw new InvalidArgumentError(`a number from ${least} to ${most}`)
    return value
  }
}

export function limitCommands(): Command[] {
  const limits = new Command('limits').description('limits of use, from what was used')
  limits
    .command('suggest')
    .description('propose limits per endpoint and role from past use, with what they would have refused')
    .addOption(sinceOption())
    .addOption(
      new Option('--keep <share>', 'share of the past calls that must have passed, before headroom')
        .argParser(numberFrom(0.5, 1))
        .default(0.999),
    )
    .addOption(new Option('--headroom <factor>', 'how much above past use').argParser(numberFrom(1, 100)).default(1.25))
    .action(
      run<SuggestOptions>(async ({ client, output }, { since, keep, headroom }) => {
        const query = new URLSearchParams({ from: String(Date.now() - since), keep: String(keep), headroom: String(headroom) })
        const suggestions = await client.call<LimitSuggestions>(`/limits/suggestions?${query.toString()}`)
        output.result(suggestions, suggestionWords(suggestions))
      }),
    )
  return [limits]
}

/** The suggestions in words; per endpoint and role a table and the annotation to write. */
export function suggestionWords({ from, to, complete, readBackTo, entries, unattributed, limits }: LimitSuggestions): string {
  const day = (at: number): string => new Date(at).toISOString().slice(0, 10)
  const head = [
    `${entries} answered calls, ${day(from)} to ${day(to)}`,
    ...(complete ? [] : [indented(`the period holds more than was read: calls are known only since ${day(readBackTo)}`, '')]),
    ...(unattributed === 0 ? [] : [indented(`${unattributed} calls of callers that are gone are left out`, '')]),
  ]
  if (limits.length === 0) return [...head, '', 'nothing was called in the period, so nothing is proposed'].join('\n')
  return [
    ...head,
    ...limits.flatMap(rolesLines),
    '',
    indented('Calls that limits of that time refused are not among them: what callers wanted may be more.', ''),
  ].join('\n')
}

function rolesLines({ role, endpoint, present, proposed }: RoleLimits): readonly string[] {
  const rows = proposed.map(({ unit, windowMs, amount, peak, calls, refused, refusedPrincipals, principals }) => [
    `${unit}/${windowWords(windowMs)}`,
    String(peak),
    String(amount),
    present?.find((rule) => rule.unit === unit && rule.windowMs === windowMs)?.amount.toString() ?? '-',
    refused === 0 ? `none of ${calls}` : `${refused} of ${calls}, ${refusedPrincipals} of ${principals} callers`,
  ])
  const annotation = proposed.map(({ unit, windowMs, amount }) => `${unit} ${amount}/${windowWords(windowMs)}`).join(', ')
  return [
    '',
    `${endpoint}, role ${role}`,
    table(['limit', 'peak', 'proposed', 'now', 'would have refused'], rows),
    `@limit("${annotation}")`,
  ]
}

/** As in `@limit`. */
function windowWords(windowMs: number): string {
  if (windowMs % 86_400_000 === 0) return `${windowMs / 86_400_000}d`
  return windowMs % 3_600_000 === 0 ? `${windowMs / 3_600_000}h` : `${windowMs / 60_000}m`
}
