import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A fenced `sh` block of a document. */
export interface Block {
  /** Relative to the root of the repository. */
  readonly document: string
  /** Line of the opening fence, from 1. */
  readonly line: number
  /**
   * What stands behind `sh`: nothing (run), `serve` (a server in the foreground: started, awaited, ended when all documents are through),
   * `run-by-ci` (a part of `.ci/run` does it), or `no-run: REASON`.
   */
  readonly kind: string
  readonly text: string
}

const OPENING = /^```sh(?: (.+))?$/

/** README and guides, in the order in which they are read. */
export function documents(root: string): readonly string[] {
  const guides = readdirSync(join(root, 'docs/guides'))
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => `docs/guides/${name}`)
  return ['README.md', ...guides]
}

export function blocksOf(root: string, document: string): readonly Block[] {
  const lines = readFileSync(join(root, document), 'utf8').split('\n')
  const blocks: Block[] = []
  for (let i = 0; i < lines.length; i++) {
    const opening = OPENING.exec(lines[i]!)
    if (!opening) continue
    const end = lines.indexOf('```', i + 1)
    if (end < 0) throw new Error(`${document}:${i + 1}: the block is not closed`)
    blocks.push({ document, line: i + 1, kind: opening[1] ?? '', text: lines.slice(i + 1, end).join('\n') })
    i = end
  }
  return blocks
}
