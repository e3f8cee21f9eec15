import { plainForm } from './joining-words.ts'
import { BEFORE_UNITS, CONTEXT_UNITS, type Segment } from './recogniser.ts'

/** Words of a phrase that announces a value, at most: `national health insurance number`. */
const LONGEST_PHRASE = 4
/** How far a phrase stands from the value, in words that mean something. */
export const ADJACENT = 0

/** Between a label and its value, in plain form: they put no distance between the two. */
const FILLERS: ReadonlySet<string> = new Set(
  (
    'number numbers no nr num n nbr nummer numero numeros numer number# # id ids code is are was the of a an my your his her their our as es est ist e ist: lautet lauten is: on file ' +
    'de del la le el der die das den het een il lo per for with under reads equals val value provided given listed shows showed follows following below here new old current valid please ending se to'
  ).split(' '),
) // prettier-ignore

/** Nearest distance of each context: by its name, 0 for a value that directly follows its label. */
export type Contexts = ReadonlyMap<string, number>

const EMPTY: Contexts = new Map()
const WORDS = /[\p{L}\p{N}]+|#/gu
// oxlint-disable-next-line no-control-regex -- the first 128 code points are what is meant
const BEYOND_ASCII = /[^\u0000-\u007f]/
/** Scripts without spaces between words, in which a phrase may stand anywhere in a run. */
const UNSPACED = /[\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/u
const LONGEST_UNSPACED = 8

/** Phrases that announce values, in any language, and what they announce. */
export class Lexicon {
  readonly #phrases = new Map<string, string[]>()

  /** @param phrases words as they are written; capital letters and marks make no difference. */
  add(name: string, phrases: readonly string[]): void {
    for (const phrase of phrases) {
      const key = (plainForm(phrase).match(WORDS) ?? []).join(' ')
      const names = this.#phrases.get(key)
      if (!names) this.#phrases.set(key, [name])
      else if (!names.includes(name)) names.push(name)
    }
  }

  /** What the words before `start` announce. */
  before(segment: Segment, start: number): Contexts {
    const raw = segment.rawContext(start, CONTEXT_UNITS + 1)
    if (!/[\p{L}#]/u.test(raw)) return EMPTY
    // The first word may be the end of a longer one.
    const whole = raw.length > CONTEXT_UNITS ? raw.replace(/^[\p{L}\p{N}]+/u, '') : raw
    return this.#find(words(whole), true)
  }

  /** What the words of `after` say of the value before them. */
  after(text: string): Contexts {
    const line = text.split('\n', 1)[0]!
    if (!/[\p{L}#]/u.test(line)) return EMPTY
    const found = words(line)
    // The last word may go on.
    if (line.length === text.length && /[\p{L}\p{N}]$/u.test(line) && text.length >= BEFORE_UNITS / 2) found.pop()
    return this.#find(found, false)
  }

  #find(found: readonly string[], backwards: boolean): Contexts {
    const contexts = new Map<string, number>()
    let distance = 0
    const { length } = found
    for (let k = 0; k < length; k++) {
      const at = backwards ? length - 1 - k : k
      const word = found[at]!
      let phrase = word
      for (let size = 1; ; size++) {
        this.#note(contexts, phrase, distance)
        const next = backwards ? at - size : at + size
        if (size === LONGEST_PHRASE || next < 0 || next >= length) break
        phrase = backwards ? `${found[next]!} ${phrase}` : `${phrase} ${found[next]!}`
      }
      if (UNSPACED.test(word)) this.#unspaced(contexts, word, distance)
      if (!FILLERS.has(word) && !/^\d+$/u.test(word)) distance++
    }
    return contexts.size === 0 ? EMPTY : contexts
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

/** Words in plain form; `patientId`, `patient_id` and `patient-id` are two. */
function words(text: string): string[] {
  const parted = text.replaceAll(/([a-z])([A-Z])/g, '$1 $2')
  const plain = BEYOND_ASCII.test(parted) ? plainForm(parted) : parted.toLowerCase()
  return plain.match(WORDS) ?? []
}
