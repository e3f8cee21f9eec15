import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compilePlan, confidentialPlan, DocumentReader, type FilterPlan, fingerprintKey, RowsReader, scanText } from '#gateway/filters'
import { evaluateConfidentialText } from './confidential-text.ts'
import type { EvaluationRow } from './filters.ts'

const shared = process.env['REDOUBT_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url))
const KEY = fingerprintKey(new Uint8Array(32).fill(7))
const ACTIONS = { CONFIDENTIAL_DOCUMENT: 'mask', CONFIDENTIAL_MARKING: 'mask', TRAINING_DATA: 'mask' } as const
/** Units of a paragraph that is edited. */
const PARAGRAPH = 300
const PARAGRAPHS_A_TEXT = 5

const textsOf = (name: string): readonly string[] =>
  readFileSync(join(shared, 'data', name), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { text: string }).text)
const isFlagged = (plan: FilterPlan, text: string): boolean => scanText(text, plan).findings.length > 0
const share = (plan: FilterPlan, texts: readonly string[]): number => texts.filter((text) => isFlagged(plan, text)).length / texts.length
const row = (what: string, value: number, target: number | null, ok: boolean): EvaluationRow => ({ what, value, target, ok })

function register(texts: readonly string[], kind: 'document' | 'public') {
  return texts.map((text) => {
    const reader = new DocumentReader(KEY, kind)
    reader.push(text)
    return reader.finish()
  })
}

/** Replaces every word that `isReplaced` says, counting within each sentence. */
const edited = (text: string, isReplaced: (word: number, words: number) => boolean): string =>
  text
    .split(/(?<=[.;]) /u)
    .map((sentence) => {
      const words = sentence.split(' ')
      return words.map((word, i) => (isReplaced(i, words.length) ? 'replaced' : word)).join(' ')
    })
    .join(' ')

/** Registered court judgments after light editing, and false alarms in texts that have nothing to do with what is registered; and the classifier. */
export function evaluateConfidential(): readonly EvaluationRow[] {
  const judgments = textsOf('pii/train-echr-92.jsonl')
  const registered = judgments.filter((_, i) => i % 2 === 0)
  const others = judgments.filter((_, i) => i % 2 === 1)
  const mails = ['injection/dev-bipia-email-indirect.jsonl', 'injection/train-benign-neg.jsonl'].flatMap(textsOf)
  const documents = register(registered, 'document')
  const plan = confidentialPlan(compilePlan(ACTIONS), KEY, documents, ACTIONS)
  const paragraphs = registered.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line.length > PARAGRAPH)
      .slice(0, PARAGRAPHS_A_TEXT),
  )
  const middle = share(
    plan,
    paragraphs.map((text) => edited(text, (i, n) => i === n >> 1)),
  )
  const eighth = share(
    plan,
    paragraphs.map((text) => edited(text, (i) => i % 8 === 7)),
  )
  const half = others.length >> 1
  const withPublic = confidentialPlan(compilePlan(ACTIONS), KEY, [...documents, ...register(others.slice(0, half), 'public')], ACTIONS)

  const [header = '', ...lines] = readFileSync(join(shared, 'data/tabular/adult_train.csv'), 'utf8').split('\n').filter(Boolean)
  const columns = header.split(',')
  const rows = new RowsReader(KEY, columns)
  for (const line of lines) rows.add(line.split(','))
  const table = confidentialPlan(compilePlan(ACTIONS), KEY, [rows.finish()], ACTIONS)
  const shown = lines.filter((_, i) => i % 97 === 0)
  const asJson = shown.map((line) => {
    const cells = line.split(',')
    return JSON.stringify(Object.fromEntries(columns.map((name, c) => [name, cells[c]])))
  })
  const mixed = Array.from({ length: 1_000 }, (_, i) => columns.map((_, c) => lines[i + c * 131]!.split(',')[c]).join(','))
  const falseMails = share(plan, mails)
  const falseRows = share(table, [...mails, ...judgments])
  return [
    row(`of ${paragraphs.length} paragraphs with a word replaced in each sentence are found`, middle, 0.99, middle >= 0.99),
    row('the same with every eighth word of a sentence replaced', eighth, null, true),
    row(`of ${mails.length} mails and prompts are false alarms`, falseMails, 0.001, falseMails <= 0.001),
    row('of other judgments of the same court are flagged: standing formulas', share(plan, others), null, true),
    row('the same when half of them are declared public, of the other half', share(withPublic, others.slice(half)), null, true),
    row(`of ${shown.length} rows of Adult are found as CSV`, share(table, shown), 0.99, share(table, shown) >= 0.99),
    row('the same as JSON', share(table, asJson), 0.99, share(table, asJson) >= 0.99),
    row('of texts are false alarms for rows of Adult', falseRows, 0.001, falseRows <= 0.001),
    row('of rows mixed at random from its columns are flagged', share(table, mixed), null, true),
    ...evaluateConfidentialText(),
  ]
}
