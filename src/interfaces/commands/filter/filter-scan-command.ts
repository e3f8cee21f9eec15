import { Command } from 'commander'
import type { FilterPlan, Finding } from '#gateway/filters'
import type { Output } from '../output.ts'
import { printable } from '../output.ts'
import { csvRecords } from './csv.ts'
import { overFiles } from './filter-options.ts'
import { decoded, lines, openInput } from './read-lines.ts'
import { textOf } from './text-of.ts'

/** The finding as it is printed: offsets in UTF-16 units, never the value. */
interface Span {
  readonly start: number
  readonly end: number
  readonly entity: string
  readonly score: number
}

const spanOf = ({ start, end, entity, score }: Finding): Span => ({ start, end, entity, score: Math.round(score * 100) / 100 })

/** `redoubt filter scan`: what is in texts, without masking it. */
export function filterScanCommand(): Command {
  return overFiles(new Command('scan').description('find personal, health and card data and secrets in files or standard input, offline'), {
    jsonl: scanLines,
    csv: scanCells,
    text: scanWhole,
  })
}

/** One line out for each line in. @returns how many lines could not be read. */
async function scanLines(file: string, plan: FilterPlan, output: Output): Promise<number> {
  const { scanText } = await import('#gateway/filters')
  let refused = 0
  for await (const line of lines(openInput(file))) {
    const { text, error } = textOf(line)
    if (error !== null) refused++
    const spans = scanText(text, plan).findings.map(spanOf)
    output.data(`${JSON.stringify(error === null ? { spans } : { spans, error })}\n`)
  }
  return refused
}

/** The heading of a column is the context of its cells. */
async function scanCells(file: string, plan: FilterPlan, output: Output): Promise<void> {
  const { scanText } = await import('#gateway/filters')
  let headings: readonly string[] | null = null
  let row = 0
  for await (const record of csvRecords(openInput(file))) {
    row++
    for (const [column, cell] of record.entries()) {
      const heading = headings?.[column]
      const label = heading === undefined ? '' : `${heading}: `
      for (const finding of scanText(label + cell, plan).findings) {
        const { start, end, entity, score } = spanOf(finding)
        if (end <= label.length) continue
        const found = {
          row,
          column: heading ?? String(column + 1),
          start: Math.max(0, start - label.length),
          end: end - label.length,
          entity,
          score,
        }
        if (output.json) output.data(`${JSON.stringify(found)}\n`)
        else output.line(`${file}:${row}  ${found.column}  ${entity}  ${score}`)
      }
    }
    headings ??= record
  }
}

async function scanWhole(file: string, plan: FilterPlan, output: Output): Promise<void> {
  const { createScanner } = await import('#gateway/filters')
  const spans: Span[] = []
  const highlight = process.stdout.isTTY && !output.json ? new Highlighter(output) : null
  const places = new LineIndex()
  const scanner = createScanner(plan, (finding) => {
    const span = spanOf(finding)
    if (output.json) spans.push(span)
    else if (highlight) highlight.found(span)
    else output.line(`${file}:${places.placeOf(span.start)}  ${span.entity}  ${span.score}`)
  })
  for await (const text of decoded(openInput(file))) {
    for (let at = 0; at < text.length; at += SLICE) {
      const part = text.slice(at, at + SLICE)
      places.add(part)
      highlight?.add(part)
      scanner.push(part)
      highlight?.show(scanner.heldBack)
    }
  }
  scanner.flush()
  highlight?.show(0)
  if (output.json) output.data(`${JSON.stringify({ file, spans })}\n`)
}

const SLICE = 65_536

/** Line and column of an offset, among the lines that a value may still be in. */
class LineIndex {
  #starts: { readonly offset: number; readonly number: number }[] = [{ offset: 0, number: 1 }]
  #length = 0

  add(text: string): void {
    let { number } = this.#starts.at(-1)!
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1))
      this.#starts.push({ offset: this.#length + at + 1, number: ++number })
    this.#length += text.length
    // What is held back is far less than a slice.
    const first = this.#starts.findIndex(({ offset }) => offset > this.#length - 3 * SLICE)
    if (first > 1) this.#starts.splice(0, first - 1)
  }

  placeOf(offset: number): string {
    const line = this.#starts.findLast((start) => start.offset <= offset) ?? this.#starts[0]!
    return `${line.number}:${offset - line.offset + 1}`
  }
}

const [INVERSE, PLAIN] = ['\u001b[7m', '\u001b[0m']

/** Prints the text as it is decided, values in inverse video with their entity behind. */
class Highlighter {
  readonly #output: Output
  #text = ''
  #base = 0
  #spans: Span[] = []

  constructor(output: Output) {
    this.#output = output
  }

  add(text: string): void {
    this.#text += text
  }

  found(span: Span): void {
    this.#spans.push(span)
  }

  /** Lines that end as on Windows are no signs that steer a terminal. */
  #shown(from: number, to: number): string {
    return printable(this.#text.slice(from - this.#base, to - this.#base).replaceAll('\r\n', '\n'))
  }

  show(heldBack: number): void {
    const limit = this.#base + this.#text.length - heldBack
    let shown = ''
    let at = this.#base
    for (const { start, end, entity } of this.#spans) {
      shown += `${this.#shown(at, start)}${INVERSE}${this.#shown(start, end)}${PLAIN}[${entity}]`
      at = end
    }
    const to = Math.max(limit, at)
    this.#output.data(shown + this.#shown(at, to))
    this.#text = this.#text.slice(to - this.#base)
    this.#base = to
    this.#spans = []
  }
}
