import { plainForm } from './joining-words.ts'
import { AFTER_UNITS, BEFORE_UNITS, CONTEXT_UNITS, type Segment } from './recogniser.ts'

/** Words of a phrase that announces a value, at most: `national health insurance number`. */
const LONGEST_PHRASE = 4
/** How far a phrase stands from the value, in words that mean something. */
export const ADJACENT = 0

/** Between a label and its value, in plain form: they put no distance between the two. */
const FILLERS: ReadonlySet<string> = new Set(
  (
    '# number numbers no nr num n nbr nummer numero numeros numer number# # id ids code is are was the of a an my your his her their our as es est ist e ist: lautet lauten is: on file ' +
    'de del la le el der die das den het een il lo per for with under reads equals val value provided given listed shows showed follows following below here new old current valid please ending se to'
  ).split(' '),
) // prettier-ignore

/** Nearest distance of each context: by its name, 0 for a value that directly follows its label. */
export type Contexts = ReadonlyMap<string, number>

const EMPTY: Contexts = new Map()
/** `patientId`, `patient_id` and `patient-id` are two words, `icd10` too. */
const WORDS = /\p{Lu}?[\p{Ll}\p{M}]+|\p{Lu}+(?!\p{Ll})|\p{Lu}|[\p{Lo}\p{Lm}\p{M}]+|\p{N}+|#/gu
/** Scripts without spaces between words, in which a phrase may stand anywhere in a run. */
const UNSPACED = /[\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/u
const LONGEST_UNSPACED = 8

interface Word {
  /** Small letters without marks. */
  readonly plain: string
  readonly start: number
  readonly end: number
}

// oxlint-disable-next-line no-control-regex -- the first 128 code points are what is meant
const BEYOND_ASCII = /[^\u0000-\u007f]/

function words(text: string): readonly Word[] {
  if (!BEYOND_ASCII.test(text)) return asciiWords(text)
  const found: Word[] = []
  for (const { 0: word, index } of text.matchAll(WORDS)) found.push({ plain: plainForm(word), start: index, end: index + word.length })
  return found
}

const OTHER = 0
const SMALL = 1
const CAPITAL = 2
const DIGIT = 3
const HASH = 4

function classOf(unit: number): number {
  if (unit >= 0x61 && unit <= 0x7a) return SMALL
  if (unit >= 0x41 && unit <= 0x5a) return CAPITAL
  if (unit >= 0x30 && unit <= 0x39) return DIGIT
  return unit === 0x23 ? HASH : OTHER
}

/** What `WORDS` matches, at a third of the cost. */
function asciiWords(text: string): readonly Word[] {
  const lower = text.toLowerCase()
  const found: Word[] = []
  const { length } = text
  let i = 0
  while (i < length) {
    const start = i
    const first = classOf(text.charCodeAt(i++))
    if (first === OTHER) continue
    let next = classOf(text.charCodeAt(i))
    if (first === DIGIT) while (classOf(text.charCodeAt(i)) === DIGIT) i++
    else if (first !== HASH) {
      if (first === CAPITAL && next === CAPITAL) {
        while (next === CAPITAL) next = classOf(text.charCodeAt(++i))
        // The last capital begins the next word: `NHSNumber`.
        if (next === SMALL && i < length) i--
      } else while (classOf(text.charCodeAt(i)) === SMALL) i++
    }
    found.push({ plain: lower.slice(start, i), start, end: i })
  }
  return found
}

/** Words of a segment and of what stands before it, parted once; offsets in the two joined. */
const wordsOf = new WeakMap<Segment, readonly Word[]>()

function wordsAround(segment: Segment): readonly Word[] {
  let found = wordsOf.get(segment)
  if (found === undefined) {
    found = words(segment.before + segment.text)
    wordsOf.set(segment, found)
  }
  return found
}

/** Phrases that announce values, in any language, and what they announce. */
export class Lexicon {
  readonly #phrases = new Map<string, string[]>()
  /** First and last words of phrases: nothing else is looked up. */
  readonly #firsts = new Set<string>()
  readonly #lasts = new Set<string>()

  /** @param phrases words as they are written; capital letters and marks make no difference. */
  add(name: string, phrases: readonly string[]): void {
    for (const phrase of phrases) {
      const parts = words(phrase).map(({ plain }) => plain)
      if (parts.length === 0) continue
      this.#firsts.add(parts[0]!)
      this.#lasts.add(parts.at(-1)!)
      const key = parts.join(' ')
      const names = this.#phrases.get(key)
      if (!names) this.#phrases.set(key, [name])
      else if (!names.includes(name)) names.push(name)
    }
  }

  /** What the words before `start` announce. */
  before(segment: Segment, start: number): Contexts {
    const all = wordsAround(segment)
    if (all.length === 0) return EMPTY
    const limit = segment.before.length + start
    let last = all.length - 1
    while (last >= 0 && all[last]!.end > limit) last--
    let first = last
    // A word that is cut at the edge of what is known may be the end of a longer one.
    while (first >= 0 && all[first]!.start > limit - CONTEXT_UNITS && all[first]!.start > 0) first--
    return this.#backwards(all, first + (all[first]?.start === 0 && segment.before.length < BEFORE_UNITS ? 0 : 1), last)
  }

  /** What the words of `after` say of the value before them. */
  after(text: string): Contexts {
    const line = text.split('\n', 1)[0]!
    const all = words(line)
    if (all.length === 0) return EMPTY
    // The last word may go on.
    const known = text.length >= AFTER_UNITS && all.at(-1)!.end === text.length ? all.slice(0, -1) : all
    const contexts = new Map<string, number>()
    let distance = 0
    for (const [at, { plain }] of known.entries()) {
      if (this.#firsts.has(plain)) {
        let phrase = plain
        this.#note(contexts, phrase, distance)
        for (let next = at + 1; next < at + LONGEST_PHRASE && next < known.length; next++)
          this.#note(contexts, (phrase += ` ${known[next]!.plain}`), distance)
      }
      if (UNSPACED.test(plain)) this.#unspaced(contexts, plain, distance)
      if (!isFiller(plain)) distance++
    }
    return contexts
  }

  #backwards(all: readonly Word[], first: number, last: number): Contexts {
    let contexts: Map<string, number> | null = null
    let distance = 0
    for (let at = last; at >= first; at--) {
      const { plain } = all[at]!
      if (this.#lasts.has(plain)) {
        contexts ??= new Map()
        let phrase = plain
        this.#note(contexts, phrase, distance)
        for (let next = at - 1; next > at - LONGEST_PHRASE && next >= first; next--)
          this.#note(contexts, (phrase = `${all[next]!.plain} ${phrase}`), distance)
      }
      if (plain.charCodeAt(0) >= 0xe00 && UNSPACED.test(plain)) this.#unspaced((contexts ??= new Map()), plain, distance)
      if (!isFiller(plain)) distance++
    }
    return contexts ?? EMPTY
  }

  #unspaced(contexts: Map<string, number>, word: string, distance: number): void {
    for (let from = 0; from < word.length; from++)
      for (let to = from + 2; to <= Math.min(word.length, from + LONGEST_UNSPACED); to++)
        this.#note(contexts, word.slice(from, to), distance)
  }

  #note(contexts: Map<string, number>, phrase: string, distance: number): void {
    const names = this.#phrases.get(phrase)
    if (!names) return
    for (const name of names) if (!((contexts.get(name) ?? Number.POSITIVE_INFINITY) <= distance)) contexts.set(name, distance)
  }
}

function isFiller(word: string): boolean {
  const unit = word.charCodeAt(0)
  // `CVV2`, `ICD-10`; a longer number is another value.
  return unit >= 0x30 && unit <= 0x39 ? word.length <= 2 : FILLERS.has(word)
}
