import { InvalidArgumentError, Option } from 'commander'

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 }
const DEFAULT_PERIOD = '30d'

function period(text: string): number {
  const [, count, unit = ''] = /^(\d{1,4})([hdw])$/.exec(text) ?? []
  const ms = Number(count) * (UNITS[unit] ?? 0)
  if (!(ms > 0)) throw new InvalidArgumentError('a period is written like `24h`, `30d` or `8w`')
  return ms
}

/** `--since 30d`, in milliseconds. */
export function sinceOption(): Option {
  return new Option('--since <period>', 'how far to look back: `24h`, `30d`, `8w`')
    .argParser(period)
    .default(period(DEFAULT_PERIOD), DEFAULT_PERIOD)
}
