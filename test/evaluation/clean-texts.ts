import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { made } from '../../scripts/names-corpus/generate.ts'
import { type Language, TEMPLATES } from '../../scripts/names-corpus/templates.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Texts in which hardly anything is to be found: what a filter flags there is a false alarm, or one of the few real values. */
export interface CleanTexts {
  /** Where they are from, for the table. */
  readonly from: string
  readonly texts: readonly string[]
  /** Most findings per 10,000 words; null where real values stand among the words, so that the figure is an upper bound only. */
  readonly most: number | null
}

function sentences(shared: string, corpus: string, part: 'dev' | 'test'): readonly string[] {
  return readFileSync(join(shared, 'data/ner', corpus, `${part}.conll`), 'utf8')
    .split('\n\n')
    .map((sentence) =>
      sentence
        .split('\n')
        .map((line) => line.split('\t', 1)[0]!)
        .join(' '),
    )
}

const PARTS = ['dev', 'test'] as const
/** Made texts of each language. */
const MADE_TEXTS = 400

/**
 * Prose of others and of ours. The corpora were collected for names of people; nobody marked numbers in them. No recogniser was tuned on them.
 * @throws if the data are missing.
 */
export function cleanProse(shared: string, seed: number): readonly CleanTexts[] {
  const corpus = (name: string, from: string, most: number | null): CleanTexts => ({
    from,
    texts: PARTS.flatMap((part) => sentences(shared, name, part)),
    most,
  })
  const languages = Object.keys(TEMPLATES) as Language[]
  return [
    corpus('wikigold', 'Wikipedia (wikigold, CC BY 4.0)', 1),
    corpus('btc', 'short messages (Broad Twitter Corpus, CC BY 4.0), some with an address', null),
    corpus('wnut17', 'short messages (WNUT 2017, CC BY 4.0), some with a number', null),
    corpus('sec-filings', 'loan agreements (SEC filings, CC BY 3.0), with addresses and accounts of the parties', null),
    ...languages.map((language) => ({
      from: `made prose, \`${language}\`, templates that no model learned (ours)`,
      texts: [...made(language, 'prose', 'test', MADE_TEXTS, seed)].map(({ text }) => text),
      most: 1,
    })),
  ]
}

/** Program text: of this server, without the filters, whose comments hold examples, and of libraries that it stands on, with their versions. */
export function programTexts(): readonly Omit<CleanTexts, 'most'>[] {
  const read = (folder: string, pattern: string, wanted: (file: string) => boolean): readonly string[] =>
    globSync(pattern, { cwd: join(root, folder) })
      .filter(wanted)
      .map((file) => readFileSync(join(root, folder, file), 'utf8'))
  const library = (name: string): Omit<CleanTexts, 'most'> => {
    const { version } = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }
    return { from: `${name} ${version}`, texts: read(`node_modules/${name}`, '**/*.{js,cjs,mjs}', (file) => !/test|example/u.test(file)) }
  }
  return [
    { from: 'this server', texts: read('src', '**/*.ts', (file) => !file.includes('.test.') && !file.includes('filters/')) },
    ...['fastify', 'zod', 'commander'].map(library),
  ]
}

export function wordsIn(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + (text.match(/\S+/gu)?.length ?? 0), 0)
}
