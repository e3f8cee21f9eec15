import { statSync, readFileSync } from 'node:fs'
import { RedoubtError } from '#foundation/core'

export interface LabelledRow {
  readonly text: string
  /** 1 for an attack, 0 for a harmless text. */
  readonly label: 0 | 1
}

const LARGEST_FILE = 256 * 1024 * 1024

/**
 * Reads JSON Lines of `text` and `label`.
 * @throws {RedoubtError} `ERR_USAGE` if the file is too large, or with the line that is wrong.
 */
export function readLabelledRows(path: string): readonly LabelledRow[] {
  if (statSync(path).size > LARGEST_FILE) throw new RedoubtError('ERR_USAGE', `\`${path}\` is larger than ${LARGEST_FILE} bytes: split it`)
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line, index) => {
      if (line.trim() === '') return []
      try {
        const { text, label } = JSON.parse(line) as { text?: unknown; label?: unknown }
        if (typeof text === 'string' && (label === 0 || label === 1)) return [{ text, label }]
      } catch {
        // Said below.
      }
      throw new RedoubtError('ERR_USAGE', `\`${path}\` line ${index + 1}: an object with \`text\` and \`label\` 0 or 1 is wanted`)
    })
}
