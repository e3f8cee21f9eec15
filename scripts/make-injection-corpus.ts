/**
 * `node scripts/make-injection-corpus.ts --out DIR [--seed N] [--rows N]`: writes made-up attacks and harmless mails, documents, notes and prompts full of
 * trigger words as JSON Lines: `train.jsonl`, and from other templates `dev.jsonl`, for the threshold, and `test.jsonl`.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { SPLITS } from './names-corpus/fillers.ts'
import { KINDS, madeRows } from './injection-corpus/generate.ts'

const { values } = parseArgs({
  options: { out: { type: 'string' }, seed: { type: 'string', default: '1' }, rows: { type: 'string', default: '900' } },
})
const seed = Number(values.seed)
const rows = Number(values.rows)
if (values.out === undefined || !Number.isSafeInteger(seed) || !Number.isInteger(rows) || rows < 1) {
  console.error('usage: node scripts/make-injection-corpus.ts --out DIR [--seed N] [--rows N]')
  process.exit(2)
}
mkdirSync(values.out, { recursive: true })
for (const split of SPLITS) {
  const lines = KINDS.flatMap((kind) =>
    [...madeRows(kind, split, split === 'train' ? rows : Math.ceil(rows / 2), seed)].map((row) => JSON.stringify(row)),
  )
  writeFileSync(join(values.out, `${split}.jsonl`), `${lines.join('\n')}\n`)
}
console.log(`written to \`${values.out}\`, seed ${seed}`)
