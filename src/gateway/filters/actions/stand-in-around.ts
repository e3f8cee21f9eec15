import { LONGEST_TOKEN, isToken } from '../vault/tokens.ts'
import { LETTER_CLASS } from './letters.ts'
import { isPartOf, WORDED } from './partial.ts'

/** What is longer stands for no value. */
export const LONGEST_STAND_IN = LONGEST_TOKEN
/** `[ENTITY]`, with a digest or with a part. */
const STAND_IN = /^\[([A-Z][A-Z0-9_]*)(?::(.+))?\]$/
const DIGEST = new RegExp(`^${LETTER_CLASS}{16,24}$`)
const ENTITY_OF_TOKEN = /^\[\[([A-Z][A-Z0-9_]*)_/

/**
 * The entity of the stand-in that a stretch of text lies in: of a placeholder, a digest, a part or a token, as `standIn` writes them.
 * A part that has words of its own, such as the host of an address, may be anybody's: a stretch that reaches into it lies in none.
 * @returns undefined where it lies in none, null when that depends on what follows `text`.
 */
export function standInAround(text: string, start: number, end: number): string | undefined | null {
  let from = start
  while (from > 0 && start - from <= LONGEST_STAND_IN && isPart(text.charCodeAt(from - 1))) from--
  if (text[from - 1] !== '[') return undefined
  let to = end
  while (to < text.length && to - from <= LONGEST_STAND_IN && isPart(text.charCodeAt(to))) to++
  const doubled = text[from - 2] === '['
  if (to === text.length || (doubled && text[to] === ']' && to + 1 === text.length)) return null
  if (text[to] !== ']') return undefined
  if (doubled && text[to + 1] === ']') {
    const token = text.slice(from - 2, to + 2)
    return isToken(token) ? ENTITY_OF_TOKEN.exec(token)?.[1] : undefined
  }
  const [, entity, rest] = STAND_IN.exec(text.slice(from - 1, to + 1)) ?? []
  if (entity !== undefined && rest !== undefined && WORDED.has(entity) && end > from + entity.length && !DIGEST.test(rest)) return undefined
  return entity !== undefined && (rest === undefined || DIGEST.test(rest) || isPartOf(entity, rest)) ? entity : undefined
}

/** ASCII letters and digits, and `*-./:@_`. */
const isPart = (unit: number): boolean =>
  (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x40 && unit <= 0x5a) || (unit >= 0x2d && unit <= 0x3a) || unit === 0x5f || unit === 0x2a
