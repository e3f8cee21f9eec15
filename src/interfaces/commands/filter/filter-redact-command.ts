import { Command } from 'commander'
import type { FilterPlan } from '#gateway/filters'
import type { Output } from '../output.ts'
import { csvLine, csvRecords } from './csv.ts'
import { overFiles } from './filter-options.ts'
import { decoded, lines, openInput } from './read-lines.ts'
import { textOf } from './text-of.ts'

const SLICE = 65_536

/** `redoubt filter redact`: the text again, with `[ENTITY]` in place of each value. */
export function filterRedactCommand(): Command {
  return overFiles(new Command('redact').description('write files or standard input again with every value masked, offline'), {
    jsonl: redactLines,
    csv: redactCells,
    text: redactWhole,
  })
}

async function redactLines(file: string, plan: FilterPlan, output: Output): Promise<number> {
  const { scanText } = await import('#gateway/filters')
  let refused = 0
  for await (const line of lines(openInput(file))) {
    const { text, error } = textOf(line)
    if (error !== null) refused++
    output.data(`${JSON.stringify(error === null ? { text: scanText(text, plan).text } : { text: '', error })}\n`)
  }
  return refused
}

async function redactCells(file: string, plan: FilterPlan, output: Output): Promise<void> {
  const { scanText } = await import('#gateway/filters')
  let headings: readonly string[] | null = null
  for await (const record of csvRecords(openInput(file))) {
    const masked = record.map((cell, column) => {
      const label = headings?.[column] === undefined ? '' : `${headings[column]}: `
      const { text, findings } = scanText(label + cell, plan)
      // The heading is no value; one that looks like it is left as it is, and its cell is searched without it.
      return findings.some(({ start }) => start < label.length) ? scanText(cell, plan).text : text.slice(label.length)
    })
    headings ??= record
    output.data(`${csvLine(masked)}\n`)
  }
}

async function redactWhole(file: string, plan: FilterPlan, output: Output): Promise<void> {
  const { createRedactor } = await import('#gateway/filters')
  const redactor = createRedactor(plan)
  for await (const text of decoded(openInput(file)))
    for (let at = 0; at < text.length; at += SLICE) output.data(redactor.push(text.slice(at, at + SLICE)))
  output.data(redactor.flush())
}
