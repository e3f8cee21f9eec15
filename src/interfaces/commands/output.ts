import { nextOf, type RedoubtError } from '#foundation/core'

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
  /** One line at once, of an output that grows; the caller gives JSON where JSON is wanted. */
  line(text: string): void
  /** Data for a file or a pipe, byte for byte as given. */
  data(text: string): void
  /** Why a command did not do what it should: words on standard error, or with `--json` a document on standard output. */
  failure(value: unknown, words: string): void
}

/** Where a program writes. */
export interface Terminal {
  readonly writeOut: (text: string) => void
  readonly writeErr: (text: string) => void
}

export const processTerminal: Terminal = {
  writeOut: (text) => void process.stdout.write(text),
  writeErr: (text) => void process.stderr.write(text),
}

export function createOutput(json: boolean, { writeOut, writeErr }: Terminal = processTerminal): Output {
  const terminal = process.stderr.isTTY
  let shown = false
  const document = (value: unknown): void => writeOut(`${JSON.stringify(value, null, 2)}\n`)
  return {
    json,
    line: (text) => writeOut(`${json ? text : printable(text)}\n`),
    data: writeOut,
    failure(value, words) {
      if (json) document(value)
      else writeErr(`${printable(words)}\n`)
    },
    result(value, words) {
      if (json) document(value)
      else writeOut(`${printable(words)}\n`)
    },
    progress(label, done, total, unit) {
      if (!terminal || json) return
      shown = true
      const share = total === null || total === 0 ? null : Math.min(1, done / total)
      const bar =
        share === null ? '' : `[${'#'.repeat(Math.round(share * 24)).padEnd(24, '.')}] ${String(Math.round(share * 100)).padStart(3)} % `
      writeErr(`\r${`${label} ${bar}${done.toLocaleString('en')} ${unit}`.slice(0, WIDTH - 1).padEnd(WIDTH - 1)}`)
    },
    progressDone() {
      if (shown) writeErr(`\r${' '.repeat(WIDTH - 1)}\r`)
      shown = false
    },
    note(line) {
      if (!json) writeErr(`${printable(line)}\n`)
    },
  }
}

/** Names, purposes and reasons were typed by others: no sign in them may steer the terminal or reorder the line (CWE-150, CVE-2021-42574). */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what it is about
  return text.replaceAll(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
}

/**
 * A table whose lines are cut at `width`, on a terminal 80 columns, so that none wraps; elsewhere whole.
 * @param width columns; null cuts nothing.
 */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  width: number | null = process.stdout.isTTY ? WIDTH : null,
): string {
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => (row[column] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
  const fit = (text: string): string => (width !== null && text.length > width ? `${text.slice(0, width - 1)}…` : text)
  return [line(headings), line(widths.map((width) => '-'.repeat(width))), ...rows.map((row) => line(row))]
    .map((text) => fit(text))
    .join('\n')
}

/** An error as a person reads it: what, why, what next. */
export function errorText(error: RedoubtError): string {
  return [
    wrapped(`redoubt: ${error.message}`, ' '.repeat(9)),
    `  code  ${error.code}`,
    wrapped(`  next  ${nextWithRequest(error)}`, ' '.repeat(8)),
  ].join('\n')
}

/** What is to be asked about a request can be typed as it stands. */
function nextWithRequest(error: RedoubtError): string {
  const { requestId } = error.evidence
  const next = nextOf(error)
  return typeof requestId === 'string' && requestId !== '' ? next.replace('` with the request id', () => ` ${requestId}\``) : next
}

/** Breaks a text between words, so that no line is longer than a terminal is wide; a longer word, such as a path, stays whole. */
export function wrapped(text: string, indent: string): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/(?<=\S) (?=\S)/)) {
    if (line === '') line = word
    else if (line.length + 1 + word.length <= WIDTH) line += ` ${word}`
    else {
      lines.push(line)
      line = `${indent}${word}`
    }
  }
  return [...lines, line].join('\n')
}
