import { isAlphanumericUnit } from '../characters.ts'
import { everyMatch } from '../every-match.ts'
import { type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'
import { WordFilter } from '../word-filter.ts'

const SCORE = { scheme: 0.85, www: 0.8, bare: 0.55 } as const
const LONGEST = 300
const NOTHING: readonly Match[] = []
/** RFC 3986 §2.2 and §2.3, less what delimits in texts. */
const URL_UNIT = /[\p{L}\p{N}\-._~:/?#@!$&'()*+;=%]/u
const SCHEME = /(?:https?|ftps?|sftp|wss?|file|ssh|git|s3|gs|jdbc|ldaps?):\/\//giu
const WWW = /(?<![\p{L}\p{N}@./-])www\.[\p{L}\p{N}]/giu
/** Generic domains and those of countries that are rarely words or endings of files. */
const DOMAINS = String.raw`com|org|net|edu|gov|mil|int|info|biz|io|co\.uk|org\.uk|ac\.uk|de|fr|es|it|nl|pl|ch|at|be|se|no|dk|fi|pt|cz|eu|us|ca|au|jp|cn|in|br|mx|ru|uk|app|dev|cloud|online|site|shop`
const BARE = new RegExp(
  String.raw`(?<![\p{L}\p{N}@._/-])(?:[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\.){1,4}(?:${DOMAINS})(?![\p{L}\p{N}_@-]|\.[\p{L}\p{N}])`,
  'giu',
)

/** Packages are named by a domain from its end: `org.example.app`. */
const PACKAGE = /^(?:com|org|net|edu|gov)\./iu

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

/** Which expressions may match: bits of `mayHold`. */
const [HAS_SCHEME, HAS_WWW, HAS_BARE] = [1, 2, 4]
const ALL = 7
const domains = new WordFilter(DOMAINS.split('|').flatMap((name) => name.split('\\.')))

/**
 * Where each expression may begin, in one loop: `://`, and at the start of a run of letters, digits, dots and dashes, which both others need,
 * `www.` or a dot with a domain behind it.
 */
function mayHold({ isAscii, units, base, text: { length } }: Segment): number {
  if (!isAscii) return ALL
  let held = 0
  const end = base + length
  for (let i = base; i < end;) {
    const unit = units[i]!
    if (unit === COLON && units[i + 1] === SLASH && units[i + 2] === SLASH && i + 2 < end) held |= HAS_SCHEME
    if (!isHostUnit(unit)) {
      i++
      continue
    }
    const start = i
    const before = i === base ? 0 : units[i - 1]!
    let dot = 0
    for (; i < end && isHostUnit(units[i]!); i++) {
      if (units[i] !== DOT) continue
      if (dot > 0 && domains.mayHold(units, dot + 1, i)) held |= before === AT || before === UNDERSCORE || before === SLASH ? 0 : HAS_BARE
      dot = i
    }
    if (dot === 0 || before === AT || before === SLASH) continue
    if (before !== UNDERSCORE && domains.mayHold(units, dot + 1, i)) held |= HAS_BARE
    if ((units[start]! | 0x20) === SMALL_W && (units[start + 1]! | 0x20) === SMALL_W && (units[start + 2]! | 0x20) === SMALL_W)
      held |= HAS_WWW
  }
  return held
}

const [AT, COLON, DOT, SLASH, UNDERSCORE, SMALL_W] = [0x40, 0x3a, 0x2e, 0x2f, 0x5f, 0x77]

/** Letters, digits, dots and dashes. */
function isHostUnit(unit: number): boolean {
  return (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39) || (unit >= 0x41 && unit <= 0x5a) || unit === DOT || unit === 0x2d
}

function find(segment: Segment): readonly Match[] {
  const { text } = segment
  const held = mayHold(segment)
  if (held === 0 || !/\.[\p{L}\d]*\p{L}|:\/\//u.test(text)) return NOTHING
  const matches: Match[] = []
  let passed = 0
  if ((held & HAS_SCHEME) !== 0)
    for (const { 0: scheme, index } of everyMatch(SCHEME, text)) {
      const from = index + scheme.length
      const end = urlEnd(text, index)
      if (index < passed || end <= from || !isAlphanumericUnit(text.charCodeAt(from)) || /\p{L}/u.test(text[index - 1] ?? '')) continue
      matches.push({ start: index, end, score: SCORE.scheme })
      passed = end
    }
  if ((held & HAS_WWW) !== 0)
    for (const { index } of everyMatch(WWW, text)) {
      const end = urlEnd(text, index)
      if (index < passed || !/\.[^.]+\./u.test(text.slice(index, end))) continue
      matches.push({ start: index, end, score: SCORE.www })
      passed = end
    }
  if ((held & HAS_BARE) !== 0)
    for (const { 0: domain, index } of everyMatch(BARE, text)) {
      if (PACKAGE.test(domain) || matches.some(({ start, end }) => index >= start && index < end)) continue
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
