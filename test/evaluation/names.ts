import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  addAgreement,
  type Agreement,
  type Corpus,
  fBeta,
  findNames,
  type LabelledText,
  type NamesModel,
  newAgreement,
  readCorpus,
  readLabelled,
  readPart,
  trainNames,
} from '#gateway/filters'
import { made, toLabelled } from '../../scripts/names-corpus/generate.ts'
import { GENRES, type Language, TEMPLATES } from '../../scripts/names-corpus/templates.ts'
import type { EvaluationRow } from './filters.ts'

const shared = process.env['REDOUBT_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url))
const SEEDS = [1, 2, 3, 4, 5] as const
const CORPORA = ['wikigold', 'btc', 'wnut17', 'sec-filings'] as const
/** Texts of a language and genre that are learned; English twice as many. */
const TEXTS = 500
/** One judgment of four is measured on, another chooses the cuts. */
const JUDGMENTS_DEALT = 4
const LANGUAGES = Object.keys(TEMPLATES) as Language[]

const WIKIPEDIA = 'Wikipedia, wikigold test'
/** F2 of persons that is promised, on text whose templates, names and documents took no part in the training. */
const PERSON_TARGETS: Readonly<Record<string, number>> = {
  'held-out judgments, train-echr-92': 0.8,
  'judgments by a model that saw none, train-echr-92': 0.8,
  [WIKIPEDIA]: 0.8,
  'short messages, dev-pii-nano-en': 0.75,
  'made chat, six languages': 0.75,
}
const MB_PER_SECOND = 1

const madeTexts = (
  split: 'train' | 'dev' | 'test',
  count: number,
  wanted: (language: Language, genre: string) => boolean,
): readonly LabelledText[] =>
  LANGUAGES.flatMap((language) =>
    GENRES.filter((genre) => wanted(language, genre)).flatMap((genre) =>
      [...made(language, genre, split, language === 'en' ? 2 * count : count, 1)].map(toLabelled),
    ),
  )

/** One corpus, as texts of one maker are, in the order in which their folders are read. */
function madeCorpus(): Corpus {
  const folders = LANGUAGES.flatMap((language) => GENRES.map((genre) => ({ name: `${language}-${genre}`, language, genre })))
  folders.sort((a, b) => (a.name < b.name ? -1 : 1))
  const part = (split: 'train' | 'dev', count: number): readonly LabelledText[] =>
    folders.flatMap(({ language, genre }) => madeTexts(split, count, (l, g) => l === language && g === genre))
  return { name: 'made', train: part('train', TEXTS), dev: part('dev', TEXTS / 4) }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!
const range = (values: readonly number[]): string => `${Math.min(...values).toFixed(3)}–${Math.max(...values).toFixed(3)}`

/**
 * Trains the name tagger anew for each of five seeds and measures it, word by word, on texts that took no part: F2 of each entity, its range
 * over the seeds, and precision and recall of persons. The development file of short messages marks no places and not every organisation.
 * @throws if the data are missing.
 */
export function evaluateNames(): readonly EvaluationRow[] {
  const judgments = readLabelled(join(shared, 'data/pii/train-echr-92.jsonl'))
  const dealt = (rest: number): readonly LabelledText[] => judgments.filter((_, i) => i % JUDGMENTS_DEALT === rest)
  const general = [...CORPORA.map((name) => readCorpus(join(shared, 'data/ner', name))), madeCorpus()]
  const court: Corpus = { name: 'judgments', train: [...dealt(2), ...dealt(3)], dev: dealt(1) }
  const testPart = (name: string): readonly LabelledText[] => {
    const texts = readPart(join(shared, 'data/ner', name), 'test')
    if (texts === null) throw new Error(`there is no test part of ${name}`)
    return texts
  }
  const sets: Readonly<Record<string, readonly LabelledText[]>> = {
    'held-out judgments, train-echr-92': dealt(0),
    [WIKIPEDIA]: testPart('wikigold'),
    'loan agreements, sec-filings test': testPart('sec-filings'),
    'tweets, btc test': testPart('btc'),
    'posts with rare names, wnut17 test': testPart('wnut17'),
    'short messages, dev-pii-nano-en': readLabelled(join(shared, 'data/pii/dev-pii-nano-en.jsonl')),
    'made chat, six languages': madeTexts('test', TEXTS / 4, (_, genre) => genre === 'chat'),
    'made clinical notes, six languages': madeTexts('test', TEXTS / 4, (_, genre) => genre === 'clinical'),
    'made banking texts, six languages': madeTexts('test', TEXTS / 4, (_, genre) => genre === 'banking'),
    ...Object.fromEntries(LANGUAGES.map((language) => [`made texts, ${language}`, madeTexts('test', TEXTS / 4, (l) => l === language)])),
  }
  const UNSEEN = 'judgments by a model that saw none, train-echr-92'
  const found = new Map<string, Agreement[][]>()
  const measure = (name: string, texts: readonly LabelledText[], model: NamesModel): void => {
    const agreement = newAgreement()
    for (const labelled of texts) addAgreement(agreement, labelled, findNames(labelled.text, model))
    found.set(name, [...(found.get(name) ?? []), [...agreement]])
  }
  const speeds: number[] = []
  for (const seed of SEEDS) {
    const model = trainNames([...general, court], { seed })
    for (const [name, texts] of Object.entries(sets)) measure(name, texts, model)
    measure(UNSEEN, judgments, trainNames(general, { seed }))
    speeds.push(megabytesPerSecond(judgments.map(({ text }) => text).join('\n'), model))
  }

  const rows: EvaluationRow[] = []
  for (const [name, runs] of found)
    for (const [entity, first] of runs[0]!.entries()) {
      const counts = runs.map((run) => run[entity]!)
      if (first.truePositives + first.falseNegatives === 0) continue
      const values = counts.map((one) => fBeta(one, 2))
      const target = first.entity === 'PERSON' ? (PERSON_TARGETS[name] ?? null) : null
      const value = median(values)
      const precision = median(counts.map((one) => one.truePositives / Math.max(1, one.truePositives + one.falsePositives)))
      const recall = median(counts.map((one) => one.truePositives / (one.truePositives + one.falseNegatives)))
      rows.push({
        what: `names: F2 ${first.entity} on ${name}; seeds ${SEEDS.join(' ')}, range ${range(values)}, P ${precision.toFixed(2)} R ${recall.toFixed(2)}`,
        value,
        target,
        ok: target === null || value >= target,
      })
    }
  const speed = median(speeds)
  rows.push({
    what: `names: MB/s of CPU on court prose, range ${range(speeds)}`,
    value: speed,
    target: MB_PER_SECOND,
    ok: speed >= MB_PER_SECOND,
  })
  return rows
}

function megabytesPerSecond(text: string, model: NamesModel): number {
  findNames(text, model)
  const before = process.cpuUsage()
  for (let i = 0; i < 4; i++) findNames(text, model)
  const { user, system } = process.cpuUsage(before)
  return (4 * text.length) / (user + system)
}
