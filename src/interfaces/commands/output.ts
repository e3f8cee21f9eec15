import { ERROR_TABLE, type RedoubtError } from '#foundation/core'

const WIDTH = 80

/** What a command says: words and tables for people, one JSON document with `--json`. */
export interface Output {
  readonly json: boolean
  /** The result. */
  result(value: unknown, words: string): void
  /** Progress on a terminal, on standard error; silent elsewhere. */
  progress(label: string, done: number, total: number | null, unit: string): void
  progressDone(): void
  note(line: string): void
}

export function createOutput(json: boolean): Output {
  const terminal = process.stderr.isTTY
  let shown = false
  return {
    json,
    result(value, words) {
      process.stdout.write(json ? `${JSON.stringify(value, null, 2)}\n` : `${printable(words)}\n`)
    },
    progress(label, done, total, unit) {
      if (!terminal || json) return
      shown = true
      const share = total === null || total === 0 ? null : Math.min(1, done / total)
      const bar =
        share === null ? '' : `[${'#'.repeat(Math.round(share * 24)).padEnd(24, '.')}] ${String(Math.round(share * 100)).padStart(3)} % `
      process.stderr.write(`\r${`${label} ${bar}${done.toLocaleString('en')} ${unit}`.slice(0, WIDTH - 1).padEnd(WIDTH - 1)}`)
    },
    progressDone() {
      if (shown) process.stderr.write(`\r${' '.repeat(WIDTH - 1)}\r`)
      shown = false
    },
    note(line) {
      if (!json) process.stderr.write(`${printable(line)}\n`)
    },
  }
}

/** Names, purposes and reasons were typed by others: no sign in them may steer the terminal or reorder the line (CWE-150, CVE-2021-42574). */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what it is about
  return text.replaceAll(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
}

/** A table that fits in 80 columns: the last column is cut, the others never. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => (row[column] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
  const fit = (text: string): string => (text.length > WIDTH && process.stdout.isTTY ? `${text.slice(0, WIDTH - 1)}…` : text)
  return [line(headings), line(widths.map((width) => '-'.repeat(width))), ...rows.map((row) => line(row))]
    .map((text) => fit(text))
    .join('\n')
}

/** An error as a person reads it: what, why, what next. */
export function errorText(error: RedoubtError): string {
  return `redoubt: ${printable(error.message)}\n  code  ${error.code}\n  next  ${ERROR_TABLE[error.code].next}`
}
