import { existsSync, readFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { parseStrictJsonText, RedoubtError } from '#foundation/core'
import { type Output, table } from './output.ts'
import { run } from './program.ts'

interface Explanation {
  readonly model: string
  readonly version: number
  readonly method: 'additive' | 'shapley' | 'shapley-sampled'
  readonly score: number
  readonly baselineScore: number
  readonly probability: number
  readonly orders: number | null
  readonly completenessError: number
  readonly contributions: readonly {
    readonly feature: string
    readonly value: string | number | null
    readonly baseline: string | number | null
    readonly contribution: number
    readonly standardError: number | null
  }[]
  readonly recordedProbability?: number | null
  readonly reproduced?: boolean
  readonly quarantined?: boolean
}

const MAX_ROW_BYTES = 512 * 1024
const rowNumber = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 100) throw new InvalidArgumentError('a row is a number from 1 to 100')
  return value
}
const cell = (value: string | number | null): string => (value === null ? '(missing)' : String(value))
const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`
const METHODS = {
  additive: 'exact: the model is a sum over columns',
  shapley: 'exact Shapley values over all orders of columns',
  'shapley-sampled': 'Shapley values, sampled',
} as const

/** `explain REQUEST_ID`, and `model explain NAME` for a row. */
export function explainCommand(): Command {
  return new Command('explain')
    .description('explain a recorded prediction about a person: the contribution of each column')
    .argument('<request-id>', 'the `x-request-id` of the answer')
    .addOption(new Option('--row <n>', 'row of the call').argParser(rowNumber).default(1))
    .action(
      run<{ readonly row: number }>(async ({ client, output }, { row }, id) => {
        show(output, await client.call<Explanation>(`/audit/explanations/${encodeURIComponent(id ?? '')}?row=${row}`))
      }),
    )
}

export function explainRowCommand(): Command {
  return new Command('explain')
    .description('explain a row: the contribution of each column, relative to a typical row of the training data')
    .argument('<name>', 'name of the model')
    .requiredOption('--row <json>', 'the row as a JSON object, or a file with it; null stands for a missing value')
    .addOption(new Option('--version <n>', 'version; the one that serves, else the latest, unless given').argParser(Number))
    .action(
      run<{ readonly row: string; readonly version?: number }>(async ({ client, output }, options, name) => {
        const text = existsSync(options.row) ? readFileSync(options.row, 'utf8') : options.row
        const version = options.version === undefined ? {} : { version: options.version }
        show(
          output,
          await client.call<Explanation>(`/models/${encodeURIComponent(name ?? '')}/explain`, {
            method: 'POST',
            json: { row: parsed(text), ...version },
          }),
        )
      }),
    )
}

function parsed(text: string): unknown {
  try {
    return parseStrictJsonText(text, { maxBytes: MAX_ROW_BYTES, maxDepth: 2 })
  } catch (cause) {
    throw new RedoubtError('ERR_USAGE', '`--row` is neither a file nor a JSON object', { cause })
  }
}

function show(output: Output, found: Explanation): void {
  const rows = found.contributions.map((each) => [
    each.feature,
    cell(each.value),
    cell(each.baseline),
    `${signed(each.contribution)}${each.standardError === null ? '' : ` ± ${each.standardError.toFixed(4)}`}`,
  ])
  const lines = [
    table(['column', 'value', 'typical', 'log-odds'], rows),
    '',
    `${'typical row'.padEnd(16)}${signed(found.baselineScore)}`,
    `${'this row'.padEnd(16)}${signed(found.score)}   probability ${found.probability.toFixed(4)}`,
    `${'model'.padEnd(16)}${found.model} version ${found.version}${found.quarantined === true ? ', which is quarantined now' : ''}`,
    `${'method'.padEnd(16)}${METHODS[found.method]}${found.orders === null ? '' : ` (${found.orders} orders)`}; the sum is off by ${found.completenessError.toExponential(1)}`,
    ...(found.reproduced === undefined
      ? []
      : [
          `${'recorded'.padEnd(16)}${found.reproduced ? 'this is what was answered' : 'NOT WHAT WAS ANSWERED'} (probability ${found.recordedProbability ?? 'not kept'})`,
        ]),
  ]
  output.result(found, lines.join('\n'))
}
