import { plainForm } from './joining-words.ts'
import { AFTER_UNITS, BEFORE_UNITS, CONTEXT_UNITS, type Segment } from './recogniser.ts'
import { NONE, PhraseTree, WordNumbers } from './phrase-tree.ts'
import { WORD_TABLE } from './word-table.ts'

/** Words of a phrase that announces a value, at most: `national health insurance number`. */
const LONGEST_PHRASE = 4
/** How far a phrase stands from the value, in words that mean something. */
export const ADJACENT = 0
/** Below it, at most one word for whose the value is stands between the two. */
export const AWAY = 1

/** Between a label and its value, in plain form, tags of HTML too: they put no distance between the two. */
const FILLERS: ReadonlySet<string> = new Set(
  (
    'held issued this that des du dem della dello ' +
    '# number numbers no nr num n nbr nummer numero numeros numer number# # id ids code is are was the of a an my your his her their our as es est ist e ist: lautet lauten is: on file ' +
    'de del la le el der die das den het een il lo per for with under reads equals val value provided given listed shows showed follows following below here new old current valid please ending se to ' +
    'td th tr li dt dd br strong span div em b'
  ).split(' '),
) // prettier-ignore

/** Whose it is: `passport number of our client`, `Kontonummer des Kunden`. Half a word, so that the label is near yet and a word beside the value nearer. */
const OWNERS: ReadonlySet<string> = new Set(
  'client customer patient applicant holder insured employee borrower policyholder beneficiary kunden patienten patientin klienten cliente paciente paziente klant klienta pacjenta'.split(' '),
) // prettier-ignore
const OWNER = 0.5

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

function words(text: string): readonly Word[] {
  const found: Word[] = []
  for (const { 0: word, index } of text.matchAll(WORDS)) found.push({ plain: plainForm(word), start: index, end: index + word.length })
  return found
}

/** What a word is in phrases, and between a label and its value. */
const LAST = 1
const FILLER = 2
const FIRST = 4

/** Phrases that announce values, in any language, and what they announce. */
export class Lexicon {
  readonly #phrases = new Map<string, string[]>()
  /** First and last words of phrases: nothing else is looked up. */
  readonly #firsts = new Set<string>()
  readonly #lasts = new Set<string>()

  // The same for words in ASCII, by their numbers.
  readonly #numbers = new WordNumbers()
  readonly #marks: number[] = []
  /** What fillers and owners add to the distance. */
  readonly #steps: number[] = []
  readonly #forwards = new PhraseTree()
  readonly #backwards = new PhraseTree()

  constructor() {
    for (const word of [...FILLERS, ...OWNERS]) this.#steps[this.#mark(word, FILLER)] = stepOf(word)
  }

  #mark(word: string, mark: number): number {
    const number = this.#numbers.add(word)
    if (number !== NONE) this.#marks[number] = (this.#marks[number] ?? 0) | mark
    return number
  }

  /** @param phrases words as they are written; capital letters and marks make no difference. */
  add(name: string, phrases: readonly string[]): void {
    for (const phrase of phrases) {
      const parts = words(phrase).map(({ plain }) => plain)
      if (parts.length === 0) continue
      this.#firsts.add(parts[0]!)
      this.#lasts.add(parts.at(-1)!)
      this.#mark(parts[0]!, FIRST)
      this.#mark(parts.at(-1)!, LAST)
      const numbers = parts.map((part) => this.#mark(part, 0))
      if (parts.length <= LONGEST_PHRASE) {
        this.#forwards.add(numbers, name)
        this.#backwards.add(numbers.toReversed(), name)
      }
      const key = parts.join(' ')
      const names = this.#phrases.get(key)
      if (!names) this.#phrases.set(key, [name])
      else if (!names.includes(name)) names.push(name)
    }
  }

  /** What the words before `start` announce. */
  before(segment: Segment, start: number): Contexts {
    const limit = segment.before.length + start
    // What stands before the units that are known is not known.
    const from = Math.max(limit - CONTEXT_UNITS, segment.before.length < BEFORE_UNITS ? 0 : 1)
    if (segment.isAscii) return this.#inAscii(segment, from, limit)
    const { whole } = segment
    const all = words(whole.slice(0, limit))
    const known = from === 0 ? all : all.filter((word) => word.start > from)
    return this.#nearestFirst(known.map(({ plain }) => plain).reverse())
  }

  /** @returns false only if no phrase ends directly before `start`. */
  mayStandBefore(segment: Segment, start: number): boolean {
    if (!segment.isAscii) return true
    WORD_TABLE.readBefore(segment, segment.base + start)
    for (let at = WORD_TABLE.count - 1; at >= 0; at--) {
      const marks = this.#marks[this.#numberAt(at)] ?? 0
      if ((marks & LAST) !== 0) return true
      if ((marks & FILLER) === 0 && !WORD_TABLE.isShortNumber(at)) return false
    }
    return false
  }

  /** The number of a word of `WORD_TABLE`, `NONE` if it is in no phrase and no filler. */
  #numberAt(at: number): number {
    const { hashes, starts, ends, units } = WORD_TABLE
    return this.#numbers.of(hashes[at]!, units, starts[at]!, ends[at]!)
  }

  /** What the words of `after` say of the value before them. */
  after(text: string): Contexts {
    const lineEnd = text.indexOf('\n')
    const line = lineEnd < 0 ? text : text.slice(0, lineEnd)
    // The last word may go on.
    const isCut = text.length >= AFTER_UNITS && lineEnd < 0
    if (WORD_TABLE.read(line)) return this.#afterInAscii(line.length, isCut)
    const all = words(line)
    if (all.length === 0) return EMPTY
    const known = isCut && all.at(-1)!.end === text.length ? all.slice(0, -1) : all
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
      distance += stepOf(plain)
    }
    return contexts
  }

  /** Of the line that was read, of so many units. */
  #afterInAscii(length: number, isCut: boolean): Contexts {
    const count = isCut && WORD_TABLE.ends[WORD_TABLE.count - 1] === length ? WORD_TABLE.count - 1 : WORD_TABLE.count
    let contexts: Map<string, number> | null = null
    let distance = 0
    for (let at = 0; at < count; at++) {
      const number = this.#numberAt(at)
      const marks = this.#marks[number] ?? 0
      if ((marks & FIRST) !== 0)
        contexts = this.#noteFrom(this.#forwards, number, at, 1, Math.min(count, at + LONGEST_PHRASE), distance, contexts)
      if ((marks & FILLER) !== 0) distance += this.#steps[number]!
      else if (!WORD_TABLE.isShortNumber(at)) distance++
    }
    return contexts ?? EMPTY
  }

  /** As `#nearestFirst` of what `WORDS` matches, at a fraction of the cost. */
  #inAscii(segment: Segment, from: number, limit: number): Contexts {
    WORD_TABLE.readBefore(segment, segment.wholeBase + limit)
    const { starts } = WORD_TABLE
    const edge = from === 0 ? segment.wholeBase - 1 : segment.wholeBase + from
    let contexts: Map<string, number> | null = null
    let distance = 0
    // A word that is cut at the edge of what is known may be the end of a longer one.
    for (let at = WORD_TABLE.count - 1; at >= 0 && starts[at]! > edge; at--) {
      const number = this.#numberAt(at)
      const marks = this.#marks[number] ?? 0
      if ((marks & LAST) !== 0) {
        let first = at
        while (first > at - LONGEST_PHRASE + 1 && first > 0 && starts[first - 1]! > edge) first--
        contexts = this.#noteFrom(this.#backwards, number, at, -1, first - 1, distance, contexts)
      }
      if ((marks & FILLER) !== 0) distance += this.#steps[number]!
      else if (!WORD_TABLE.isShortNumber(at)) distance++
    }
    return contexts ?? EMPTY
  }

  /** Notes every phrase from the word at `at`, whose number is known, on to before `end`, in steps of `by`. */
  #noteFrom(
    tree: PhraseTree,
    number: number,
    at: number,
    by: 1 | -1,
    end: number,
    distance: number,
    noted: Map<string, number> | null,
  ): Map<string, number> {
    const contexts = noted ?? new Map<string, number>()
    let node = tree.step(NONE, number)
    for (let next = at + by; node !== NONE; next += by) {
      for (const name of tree.namesAt(node)) noteNearest(contexts, name, distance)
      if (next === end) break
      node = tree.step(node, this.#numberAt(next))
    }
    return contexts
  }

  #nearestFirst(found: readonly string[]): Contexts {
    let contexts: Map<string, number> | null = null
    let distance = 0
    for (let at = 0; at < found.length; at++) {
      const plain = found[at]!
      if (this.#lasts.has(plain)) {
        contexts ??= new Map()
        let phrase = plain
        this.#note(contexts, phrase, distance)
        for (let next = at + 1; next < at + LONGEST_PHRASE && next < found.length; next++)
          this.#note(contexts, (phrase = `${found[next]!} ${phrase}`), distance)
      }
      if (plain.charCodeAt(0) >= 0xe00 && UNSPACED.test(plain)) this.#unspaced((contexts ??= new Map()), plain, distance)
      distance += stepOf(plain)
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
    for (const name of names) noteNearest(contexts, name, distance)
  }
}

function noteNearest(contexts: Map<string, number>, name: string, distance: number): void {
  const known = contexts.get(name)
  if (known === undefined || known > distance) contexts.set(name, distance)
}

/** What a word between a label and its value adds to the distance. */
function stepOf(word: string): number {
  const unit = word.charCodeAt(0)
  // `CVV2`, `ICD-10`; a longer number is another value.
  if (unit >= 0x30 && unit <= 0x39) return word.length <= 2 ? 0 : 1
  return FILLERS.has(word) ? 0 : OWNERS.has(word) ? OWNER : 1
}
