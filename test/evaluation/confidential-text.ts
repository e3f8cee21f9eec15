import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { classifyText, compilePlan, confidentialPlan, OPEN_KEY, scanText, type TextModel, trainText } from '#gateway/filters'
import { made } from '../../scripts/names-corpus/generate.ts'
import { type Genre, type Language, TEMPLATES } from '../../scripts/names-corpus/templates.ts'
import type { EvaluationRow } from './filters.ts'

const shared = process.env['REDOUBT_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url))
const ACTIONS = { CONFIDENTIAL_TEXT: 'mask' } as const
const WANTED = 0.01
/** What is wanted of unseen texts of kinds that the public examples have: the share asked for, and what chance adds. */
const MOST_FALSE_ALARMS = 0.02
const FEWEST_FOUND = 0.9
/** What is wanted of texts of kinds that neither side of the examples has: abstention, mostly. */
const MOST_STRANGE_FLAGGED = 0.2
const MB_PER_SECOND = 5
const PARAGRAPHS_A_TEXT = 12
const MADE = 60
const NOTES_A_TEXT = 6

const linesOf = (name: string): readonly string[] => readFileSync(join(shared, 'data', name), 'utf8').split('\n')
const textsOf = (name: string): readonly string[] =>
  linesOf(name)
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { text: string }).text)

/** The paragraphs of a tagged corpus, several a text. */
function taggedTexts(name: string): readonly string[] {
  const paragraphs: string[][] = [[]]
  for (const line of linesOf(name))
    if (line.trim() === '') paragraphs.push([])
    else paragraphs.at(-1)!.push(line.split('\t')[0]!)
  return inGroups(
    paragraphs.filter(({ length }) => length > 0).map((words) => words.join(' ')),
    PARAGRAPHS_A_TEXT,
  )
}

const inGroups = (texts: readonly string[], size: number): readonly string[] =>
  Array.from({ length: Math.ceil(texts.length / size) }, (_, i) => texts.slice(i * size, (i + 1) * size).join('\n\n'))

/** Made-up notes; no template, and no name, is in two splits. */
const notes = (genres: readonly Genre[], split: 'train' | 'test'): readonly string[] =>
  (Object.keys(TEMPLATES) as Language[]).flatMap((language) =>
    genres.flatMap((genre) =>
      inGroups(
        [...made(language, genre, split, MADE * (split === 'train' ? 2 : 1), 1)].map(({ text }) => text),
        NOTES_A_TEXT,
      ),
    ),
  )

interface Task {
  readonly name: string
  /** Whether it is what the classifier is for. Not so where documents are made of few templates: then the fits know what they are measured with. */
  readonly promised: boolean
  readonly confidential: readonly string[]
  readonly public: readonly string[]
  readonly unseen: readonly string[]
  /** Of kinds that the public examples have. */
  readonly known: Readonly<Record<string, readonly string[]>>
  /** Of kinds that they have not. */
  readonly strange: Readonly<Record<string, readonly string[]>>
}

function tasks(): readonly Task[] {
  const judgments = textsOf('pii/train-echr-92.jsonl')
  const prompts = textsOf('injection/train-benign-neg.jsonl')
  const [asked, otherPrompts] = [prompts.filter((_, i) => i % 2 === 0), prompts.filter((_, i) => i % 2 === 1)]
  const articles = taggedTexts('ner/wikigold/train.conll')
  const otherArticles = [...taggedTexts('ner/wikigold/dev.conll'), ...taggedTexts('ner/wikigold/test.conll')]
  const [contracts, otherContracts] = [taggedTexts('ner/sec-filings/train.conll'), taggedTexts('ner/sec-filings/test.conll')]
  const mails = textsOf('injection/dev-bipia-email-indirect.jsonl')
  const tweets = taggedTexts('ner/btc/test.conll')
  const everyday = { prompts: otherPrompts, 'encyclopedic articles': otherArticles }
  return [
    {
      name: 'court judgments',
      promised: true,
      confidential: judgments.filter((_, i) => i % 2 === 0),
      public: [...asked, ...articles],
      unseen: judgments.filter((_, i) => i % 2 === 1),
      known: everyday,
      strange: { mails, tweets, 'loan agreements': otherContracts },
    },
    {
      name: 'loan agreements',
      promised: true,
      confidential: contracts,
      public: [...asked, ...articles, ...judgments.slice(0, 30)],
      unseen: otherContracts,
      known: { ...everyday, 'court judgments': judgments.slice(30) },
      strange: { mails, tweets },
    },
    {
      name: 'made-up clinical and banking notes in six languages, by template',
      promised: false,
      confidential: notes(['clinical', 'banking'], 'train'),
      public: [...notes(['chat', 'prose', 'plain'], 'train'), ...asked],
      unseen: notes(['clinical', 'banking'], 'test'),
      known: { 'made-up chats and prose': notes(['chat', 'prose', 'plain'], 'test'), prompts: otherPrompts },
      strange: { mails, 'court judgments': judgments, 'encyclopedic articles': otherArticles },
    },
  ]
}

/** Trains a classifier of confidential text for three kinds of text, and measures it on documents that took no part, of that kind and of others. */
export function evaluateConfidentialText(): readonly EvaluationRow[] {
  const rows: EvaluationRow[] = []
  let last: TextModel | null = null
  for (const task of tasks()) {
    const examples = [
      ...task.confidential.map((text) => ({ text, label: 1 as const })),
      ...task.public.map((text) => ({ text, label: 0 as const })),
    ]
    const model = trainText(examples, OPEN_KEY, { seed: 1, falseAlarms: WANTED })
    const found = flagged(task.unseen, model)
    rows.push({
      what: `confidential: of the text of unseen ${task.name} is found at ${100 * WANTED} % false alarms, ${found.words}; the card says ${model.card.recall.toFixed(3)} of sentences`,
      value: found.share,
      target: task.promised ? FEWEST_FOUND : null,
      ok: !task.promised || found.share >= FEWEST_FOUND,
    })
    const alarms = flagged(Object.values(task.known).flat(), model)
    rows.push({
      what: `confidential: of unseen texts of all public kinds that it learned from is taken for ${task.name}, at most ${MOST_FALSE_ALARMS}, ${alarms.words}`,
      value: alarms.share,
      target: task.promised ? MOST_FALSE_ALARMS : null,
      ok: !task.promised || alarms.share <= MOST_FALSE_ALARMS,
    })
    for (const [kind, texts] of [...Object.entries(task.known), ...Object.entries(task.strange)]) {
      const { share, words } = flagged(texts, model)
      const known = kind in task.known ? 'one of them' : 'a kind that it did not learn from'
      const target = task.promised && kind in task.strange ? MOST_STRANGE_FLAGGED : null
      const most = target === null ? '' : `, at most ${target}`
      rows.push({
        what: `confidential: the same of ${kind}, ${known}${most}, ${words}`,
        value: share,
        target,
        ok: target === null || share <= target,
      })
    }
    last = model
  }
  return [...rows, ...speeds(last!)]
}

/** @returns the share of characters in flagged passages, and counts of documents in words. */
function flagged(texts: readonly string[], model: TextModel): { readonly share: number; readonly words: string } {
  const plan = confidentialPlan(compilePlan(ACTIONS), OPEN_KEY, [], ACTIONS, model)
  let covered = 0
  let documents = 0
  for (const text of texts) {
    const { findings } = scanText(text, plan)
    if (findings.length > 0) documents++
    for (const { start, end } of findings) covered += end - start
  }
  return {
    share: covered / texts.reduce((sum, { length }) => sum + length, 0),
    words: `in ${documents} of ${texts.length} texts`,
  }
}

function speeds(model: TextModel): readonly EvaluationRow[] {
  const prose = textsOf('pii/train-echr-92.jsonl').join('\n')
  const plan = confidentialPlan(compilePlan(ACTIONS), OPEN_KEY, [], ACTIONS, model)
  const alone = megabytesPerSecond(prose, (text) => classifyText(text, model, OPEN_KEY))
  return [
    { what: 'confidential: MB/s of CPU, classifier', value: alone, target: MB_PER_SECOND, ok: alone >= MB_PER_SECOND },
    {
      what: 'confidential: MB/s of CPU, classifier in the search of answers',
      value: megabytesPerSecond(prose, (text) => scanText(text, plan)),
      target: null,
      ok: true,
    },
  ]
}

function megabytesPerSecond(text: string, work: (text: string) => unknown): number {
  work(text)
  const before = process.cpuUsage()
  for (let i = 0; i < 4; i++) work(text)
  const { user, system } = process.cpuUsage(before)
  return (4 * text.length) / (user + system)
}
