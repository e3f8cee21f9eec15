import type { Readable } from 'node:stream'
import { RedoubtError } from '#foundation/core'
import { decoded, MAX_LINE_BYTES } from './read-lines.ts'

/**
 * Records of a CSV file (RFC 4180): quoted cells may hold commas, line ends and doubled quotes.
 * @throws {RedoubtError} `ERR_USAGE` for a record longer than `MAX_LINE_BYTES` or a quote that is never closed.
 */
export async function* csvRecords(input: Readable): AsyncGenerator<readonly string[]> {
  let record: string[] = []
  let cell = ''
  let state: 'start' | 'plain' | 'quoted' | 'quote' = 'start'
  let units = 0
  let number = 1
  for await (const text of decoded(input)) {
    for (const sign of text) {
      if (++units > MAX_LINE_BYTES)
        throw new RedoubtError('ERR_USAGE', `record ${number} is longer than ${MAX_LINE_BYTES} characters; is a quote left open?`)
      if (state === 'quoted') {
        if (sign === '"') state = 'quote'
        else cell += sign
      } else if (sign === '"' && state !== 'plain') {
        if (state === 'quote') cell += '"'
        state = 'quoted'
      } else if (sign === ',') {
        record.push(cell)
        cell = ''
        state = 'start'
      } else if (sign === '\n') {
        yield [...record, cell.replace(/\r$/u, '')]
        record = []
        cell = ''
        state = 'start'
        units = 0
        number++
      } else {
        cell += sign
        if (state !== 'quote') state = 'plain'
      }
    }
  }
  if (state === 'quoted') throw new RedoubtError('ERR_USAGE', `record ${number} opens a quote that is never closed`)
  if (cell !== '' || record.length > 0) yield [...record, cell]
}

export function csvLine(cells: readonly string[]): string {
  return cells.map((cell) => (/[",\r\n]/u.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')
}
