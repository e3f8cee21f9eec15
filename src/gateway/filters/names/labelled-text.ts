import { RedoubtError } from '#foundation/core'
import { NAME_ENTITIES, type NameEntity } from './tags.ts'

export interface LabelledSpan {
  readonly start: number
  readonly end: number
  readonly entity: NameEntity
}

/** A text with the names in it, in order and without overlap. */
export interface LabelledText {
  readonly text: string
  readonly spans: readonly LabelledSpan[]
}

/** Type names of the public corpora. Types not listed are no names of ours and count as ordinary text. */
const ENTITY_OF: Readonly<Record<string, NameEntity>> = {
  PER: 'PERSON',
  PERSON: 'PERSON',
  LOC: 'LOCATION',
  LOCATION: 'LOCATION',
  GPE: 'LOCATION',
  ORG: 'ORGANISATION',
  ORGANISATION: 'ORGANISATION',
  ORGANIZATION: 'ORGANISATION',
  CORPORATION: 'ORGANISATION',
  GROUP: 'ORGANISATION',
}

/** Words that some corpora mark as people although they name a role in a contract. */
const ROLES = new Set(['borrower', 'borrowers', 'lender', 'lenders'])

const MOST_SPANS = 100_000

/**
 * Reads texts of JSON Lines: `text` and `spans` of `start`, `end` (UTF-16 units) and `type`.
 * @throws {RedoubtError} `ERR_USAGE` with the line that is wrong.
 */
export function readLabelledLines(content: string, file: string): readonly LabelledText[] {
  return content.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return []
    try {
      return [labelledText(JSON.parse(line))]
    } catch (thrown) {
      const why = thrown instanceof SyntaxError ? 'it is not JSON' : (thrown as Error).message
      throw new RedoubtError('ERR_USAGE', `\`${file}\` line ${index + 1}: ${why}`)
    }
  })
}

function labelledText(row: unknown): LabelledText {
  const { text, spans } = (row ?? {}) as { text?: unknown; spans?: unknown }
  if (typeof text !== 'string' || !Array.isArray(spans) || spans.length > MOST_SPANS) throw new Error('`text` and `spans` are wanted')
  const names: LabelledSpan[] = []
  for (const span of spans as readonly ({ start?: unknown; end?: unknown; type?: unknown } | null)[]) {
    const { start, end, type } = span ?? {}
    if (!Number.isInteger(start) || !Number.isInteger(end) || typeof type !== 'string')
      throw new Error('a span wants `start`, `end` and `type`')
    const from = start as number
    const to = end as number
    if (from < 0 || to <= from || to > text.length) throw new Error('a span lies outside the text')
    const entity = ENTITY_OF[type.toUpperCase()]
    if (entity !== undefined) names.push({ start: from, end: to, entity })
  }
  names.sort((a, b) => a.start - b.start || b.end - a.end)
  let reached = 0
  const inOrder = names.filter((span) => {
    if (span.start < reached) return false
    reached = span.end
    return true
  })
  return { text, spans: inOrder }
}

/**
 * Reads sentences of CoNLL lines, `token<TAB>tag` in IOB2 (other columns between are passed over), and joins each to a text with the
 * spaces a writer would set. Handles (`@` and its name) and role words are no names, whatever their tags say.
 * @throws {RedoubtError} `ERR_USAGE` with the line that is wrong.
 */
export function readConll(content: string, file: string): readonly LabelledText[] {
  const texts: LabelledText[] = []
  let tokens: string[] = []
  let tags: string[] = []
  const end = (): void => {
    if (tokens.length > 0) texts.push(join(tokens, tags))
    tokens = []
    tags = []
  }
  content.split('\n').forEach((raw, index) => {
    const line = raw.trimEnd()
    if (line === '') return end()
    const columns = line.split(/[\t ]+/u)
    const tag = columns.at(-1)!
    if (columns.length < 2 || !/^(?:O|[BI]-\S+)$/u.test(tag))
      throw new RedoubtError('ERR_USAGE', `\`${file}\` line ${index + 1}: \`token<TAB>tag\` is wanted, with tags O, B-… and I-…`)
    tokens.push(columns[0]!)
    tags.push(tag)
  })
  end()
  return texts
}

function join(tokens: readonly string[], tags: readonly string[]): LabelledText {
  let text = ''
  let quoteOpen = false
  const spans: { start: number; end: number; entity: NameEntity }[] = []
  tokens.forEach((token, i) => {
    const before = tokens[i - 1]
    const closes = token === '"' && quoteOpen
    if (token === '"') quoteOpen = !quoteOpen
    const opened = before === '"' && quoteOpen
    const glued = before === undefined || opened || closes || isGluedTo(before, token)
    if (!glued) text += ' '
    const start = text.length
    text += token
    const tag = tags[i]!
    const entity = ENTITY_OF[tag.slice(2).toUpperCase()]
    if (entity === undefined || token === '@' || before === '@' || token.startsWith('@') || ROLES.has(token.toLowerCase())) return
    const last = spans.at(-1)
    if (tag.startsWith('I-') && last?.entity === entity && tags[i - 1] !== 'O' && last.end >= start - 1) last.end = text.length
    else spans.push({ start, end: text.length, entity })
  })
  return { text, spans }
}

function isGluedTo(before: string, token: string): boolean {
  if (/^(?:[.,;:!?)\]}%]+|\.\.\.|'s|'S|n't|'re|'ve|'ll|'d|'m|’s)$/u.test(token)) return true
  return /^[([{$€£@#]$/u.test(before)
}

export const entityIndex = (entity: NameEntity): number => NAME_ENTITIES.indexOf(entity)
