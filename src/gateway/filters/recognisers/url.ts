import { isAlphanumericUnit } from '../characters.ts'
import { type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'

const SCORE = { scheme: 0.85, www: 0.8, bare: 0.55 } as const
const LONGEST = 300
const NOTHING: readonly Match[] = []
/** RFC 3986 §2.2 and §2.3, less what delimits in texts. */
const URL_UNIT = /[\p{L}\p{N}\-._~:/?#@!$&'()*+;=%]/u
const SCHEME = /(?:https?|ftps?|sftp|wss?|file|ssh|git|s3|gs|jdbc|ldaps?):\/\//giu
const WWW = /(?<![\p{L}\p{N}@./-])www\.[\p{L}\p{N}]/giu
/** Generic domains and those of countries that are rarely words or endings of files. */
const BARE =
  /(?<![\p{L}\p{N}@._/-])(?:[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\.){1,4}(?:com|org|net|edu|gov|mil|int|info|biz|io|co\.uk|org\.uk|ac\.uk|de|fr|es|it|nl|pl|ch|at|be|se|no|dk|fi|pt|cz|eu|us|ca|au|jp|cn|in|br|mx|ru|uk|app|dev|cloud|online|site|shop)(?![\p{L}\p{N}_@-]|\.[\p{L}\p{N}])/giu

/** Longest URL from `start`; signs that end a sentence or close a bracket do not belong to it. */
function urlEnd(text: string, start: number): number {
  const limit = Math.min(text.length, start + LONGEST)
  let end = start
  while (end < limit && URL_UNIT.test(text[end]!)) end++
  while (end > start && /[.!?;:'*&=(]/u.test(text[end - 1]!)) end--
  let opened = 0
  for (let i = start; i < end; i++) opened += text[i] === '(' ? 1 : text[i] === ')' ? -1 : 0
  while (opened < 0 && text[end - 1] === ')') {
    end--
    opened++
  }
  return end
}

function find(segment: Segment): readonly Match[] {
  const { text } = segment
  if (!text.includes('.') && !text.includes(':')) return NOTHING
  const matches: Match[] = []
  if (!/\.[\p{L}\d]*\p{L}|:\/\//u.test(text)) return matches
  let passed = 0
  for (const { 0: scheme, index } of text.matchAll(SCHEME)) {
    const from = index + scheme.length
    const end = urlEnd(text, index)
    if (index < passed || end <= from || !isAlphanumericUnit(text.charCodeAt(from)) || /\p{L}/u.test(text[index - 1] ?? '')) continue
    matches.push({ start: index, end, score: SCORE.scheme })
    passed = end
  }
  for (const { index } of text.matchAll(WWW)) {
    const end = urlEnd(text, index)
    if (index < passed || !/\.[^.]+\./u.test(text.slice(index, end))) continue
    matches.push({ start: index, end, score: SCORE.www })
    passed = end
  }
  for (const { 0: domain, index } of text.matchAll(BARE)) {
    if (matches.some(({ start, end }) => index >= start && index < end)) continue
    const end = text[index + domain.length] === '/' ? urlEnd(text, index) : index + domain.length
    matches.push({ start: index, end, score: SCORE.bare })
  }
  return matches
}

export const url: Recogniser = {
  entities: ['URL'],
  needs: TRAIT.colon | TRAIT.digit | TRAIT.long | TRAIT.capitals | TRAIT.dot,
  shapes: SHAPE.domain,
  find,
}
