/**
 * `node scripts/make-names-corpus.ts --out DIR [--seed N] [--texts N]`: writes chat, clinical, banking and general texts in six languages with made-up
 * names as JSON Lines, one folder a language and genre with `train.jsonl`, `dev.jsonl` and `test.jsonl`. Neither a template nor a name is in two of them.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { SPLITS } from './names-corpus/fillers.ts'
import { made } from './names-corpus/generate.ts'
import { GENRES, type Language, TEMPLATES } from './names-corpus/templates.ts'

const { values } = parseArgs({
  options: { out: { type: 'string' }, seed: { type: 'string', default: '1' }, texts: { type: 'string', default: '600' } },
})
const seed = Number(values.seed)
const texts = Number(values.texts)
if (values.out === undefined || !Number.isSafeInteger(seed) || !Number.isInteger(texts) || texts < 1) {
  console.error('usage: node scripts/make-names-corpus.ts --out DIR [--seed N] [--texts N]')
  process.exit(2)
}
for (const language of Object.keys(TEMPLATES) as Language[])
  for (const genre of GENRES) {
    const folder = join(values.out, `${language}-${genre}`)
    mkdirSync(folder, { recursive: true })
    for (const split of SPLITS) {
      const count = split === 'train' ? (language === 'en' ? 2 * texts : texts) : Math.ceil(texts / 4)
      const lines = [...made(language, genre, split, count, seed)].map((text) => JSON.stringify(text))
      writeFileSync(join(folder, `${split}.jsonl`), `${lines.join('\n')}\n`)
    }
  }
console.log(`written to \`${values.out}\`, seed ${seed}`)
