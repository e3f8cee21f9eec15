import { fileURLToPath } from 'node:url'
import { runProgram } from '#interfaces/commands'
import { createProgram } from '../../src/composition/program.ts'
import type { House } from './house.fixture.ts'

/** How the tour starts the processes that check what the log proves. */
const ITSELF = [fileURLToPath(new URL('../../bin/redoubt', import.meta.url))]

export interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command against a house, in this process: starting another takes longer than what it does. @param token whose rights it has; the account of this host's without. */
export async function runRedoubt({ dataDir }: Pick<House, 'dataDir'>, args: readonly string[], token?: string): Promise<Run> {
  let [out, err] = ['', '']
  const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (err += text) }
  if (token !== undefined) process.env['REDOUBT_TOKEN'] = token
  try {
    const code = await runProgram(createProgram(ITSELF), ['node', 'redoubt', ...args, '--data-dir', dataDir], terminal)
    return { code, out, err }
  } finally {
    if (token !== undefined) delete process.env['REDOUBT_TOKEN']
  }
}
