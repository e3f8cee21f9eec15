import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { RedoubtError } from '#foundation/core'
import type { Output } from './output.ts'

/** Where a person answers; a pipe is no person. */
export type Answering = Readable & { readonly isTTY?: boolean }

/**
 * Asks, before what cannot be undone, for a word to be typed: a `y` is typed too quickly.
 * @param warning what will happen. @param word what to type.
 * @throws {RedoubtError} `ERR_USAGE` where nobody can answer, or the answer is another.
 */
export async function confirmed(output: Output, warning: string, word: string, answering: Answering = process.stdin): Promise<void> {
  if (output.json || answering.isTTY !== true)
    throw new RedoubtError('ERR_USAGE', 'this cannot be undone and nobody is there to confirm it; say `--yes` if it is meant')
  output.note(`${warning}\nType \`${word}\` to go on:`)
  const lines = createInterface({ input: answering })
  try {
    for await (const line of lines) {
      if (line.trim() === word) return
      break
    }
  } finally {
    lines.close()
  }
  throw new RedoubtError('ERR_USAGE', 'not confirmed; nothing was done')
}
