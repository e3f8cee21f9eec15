import { createInterface } from 'node:readline'
import { type Readable, Writable } from 'node:stream'
import { RedoubtError } from '#foundation/core'
import type { Output } from './output.ts'

/** Reads one line that is not shown while it is typed; from a pipe as well. @throws {RedoubtError} `ERR_USAGE` when none comes. */
export async function hiddenLine(
  output: Output,
  prompt: string,
  input: Readable & { readonly isTTY?: boolean } = process.stdin,
): Promise<string> {
  output.note(prompt)
  // A terminal in raw mode shows nothing by itself, and what readline would show goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input, output: nowhere, terminal: input.isTTY === true })
  try {
    for await (const line of lines) return line.trim()
  } finally {
    lines.close()
  }
  throw new RedoubtError('ERR_USAGE', 'nothing was given: run the command again and type it, or send it by a pipe')
}
