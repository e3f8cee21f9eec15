import { existsSync } from 'node:fs'
import { RedoubtError } from '#foundation/core'

/** Asked before the server is, so that nothing is done for a file that could not be written. @throws {RedoubtError} `ERR_USAGE` when it exists. */
export function demandAbsent(out: string | undefined): void {
  if (out !== undefined && existsSync(out))
    throw new RedoubtError('ERR_USAGE', `\`${out}\` is there already and is not overwritten: give another name with \`--out\``)
}
