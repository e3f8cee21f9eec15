import { readFileSync, statSync } from 'node:fs'
import { type Command, InvalidArgumentError } from 'commander'
import { asRedoubtError, FALSE_ALARMS, LEAST_FALSE_ALARMS, MOST_FALSE_ALARMS, RedoubtError } from '#foundation/core'
import type { Examples } from '#gateway/filters'
import { repeated } from './repeated.ts'

/** Bytes of the largest file of examples: as many characters as are learned from, each as an escape of six. */
const LARGEST_FILE = 96 * 1024 * 1024

export interface ExampleOptions {
  readonly confidential?: readonly string[]
  readonly public?: readonly string[]
  readonly falseAlarms: number
  readonly seed: number
}

const share = (text: string): number => {
  const value = Number(text)
  if (!(value >= LEAST_FALSE_ALARMS && value <= MOST_FALSE_ALARMS))
    throw new InvalidArgumentError(`a share from ${LEAST_FALSE_ALARMS} to ${MOST_FALSE_ALARMS}`)
  return value
}

export const seedNumber = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number from 0 is wanted')
  return value
}

/** Options of whatever trains a classifier of confidential text. */
export const withExampleOptions = (command: Command): Command =>
  command
    .option(
      '--confidential <file...>',
      'confidential texts in UTF-8: each file is one, or one JSON object with `text` a line of a .jsonl file, where a `label` of 0 or 1 has the last word',
      repeated,
    )
    .option('--public <file...>', 'likewise, texts of the same kinds that anybody may read', repeated)
    .option('--false-alarms <share>', 'share of unseen public sentences that may be flagged', share, FALSE_ALARMS)
    .option('--seed <n>', 'same examples and seed, same classifier', seedNumber, 1)

/** @throws {RedoubtError} `ERR_USAGE` with the file, for one that is no plain text or too large. */
export async function readExamples({ confidential = [], public: open = [] }: ExampleOptions): Promise<Examples> {
  if (confidential.length + open.length === 0) throw new RedoubtError('ERR_USAGE', 'name texts with --confidential and --public')
  const { ExampleLines, Examples } = await import('#gateway/filters')
  const examples = new Examples()
  for (const [files, label] of [
    [confidential, 1],
    [open, 0],
  ] as const)
    for (const file of files)
      try {
        const text = textOf(file)
        if (!file.toLowerCase().endsWith('.jsonl')) examples.add(text, label)
        else {
          const lines = new ExampleLines(examples, label)
          lines.push(text)
          lines.finish()
        }
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).syscall !== undefined) throw thrown
        throw new RedoubtError('ERR_USAGE', `\`${file}\`: ${asRedoubtError(thrown).message}`, { cause: thrown })
      }
  return examples
}

function textOf(file: string): string {
  if (statSync(file).size > LARGEST_FILE)
    throw new RedoubtError('ERR_INPUT_TOO_LARGE', `the file is larger than ${LARGEST_FILE} bytes: give its parts`)
  const bytes = readFileSync(file)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new RedoubtError('ERR_INPUT_INVALID', 'the file is not text in UTF-8: save it as plain text first', { cause })
  }
}
