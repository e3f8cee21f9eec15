/** `node scripts/make-name-words.ts [--out FILE]`: writes `names.words`, the lists of words that the name tagger counts with. Always the same words. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { packWordLists } from '../src/gateway/filters/names/word-lists.ts'
import { nameWords, sources } from './names-corpus/name-words.ts'

const { values } = parseArgs({
  options: { out: { type: 'string', default: fileURLToPath(new URL('../src/gateway/filters/names/names.words', import.meta.url)) } },
})
const words = nameWords()
writeFileSync(values.out, packWordLists(words, sources()))
console.log(`${words.size} words written to \`${values.out}\``)
