import { readFileSync, statSync } from 'node:fs'
import { RedoubtError } from '#foundation/core'

/** No model of ours is nearly as large. */
const LARGEST_FILE = 64 * 1024 * 1024

/** @throws {RedoubtError} `ERR_USAGE` if the file is too large to be weights of a text model. */
export function readWeights(path: string): Buffer {
  if (statSync(path).size > LARGEST_FILE)
    throw new RedoubtError('ERR_USAGE', `\`${path}\` is larger than ${LARGEST_FILE} bytes: it is no text model`)
  return readFileSync(path)
}
