/** A file of the repository that is written from the source. */
export interface GeneratedFile {
  /** Relative to the root of the repository. */
  readonly path: string
  readonly text: string
}

/** First line of each generated page: an edit by hand would be lost. */
export const GENERATED_NOTE = '<!-- Written by `npm run gen` from the source. Do not edit by hand. -->'

/** A Markdown table. A pipe in a cell would end it. */
export function markdownTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n')
}
