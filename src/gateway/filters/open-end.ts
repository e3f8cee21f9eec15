import * as kinds from './characters.ts'
import { LONGEST_GAP } from './open-segment.ts'
import { VALUE_BORDER_UNITS } from './over-borders.ts'
import { beginsAsJson, endOfSaid, isJsonTail } from './said.ts'
import { HOLD_BACK_CAP } from './segment-machine.ts'

/** Units before the open end that are kept, so that what the text has by itself at its end can be told. */
const KEPT_UNITS = HOLD_BACK_CAP + VALUE_BORDER_UNITS

/** The end of a sentence, in a word that begins nothing. */
const SENTENCE_END = /(?:^|\s)[("'„“«[]*\p{Lu}?\p{Ll}{1,14}[.;!?…]+[)"'”»\]]*$/u

/** A stretch that is taken out of a text. Offsets in the whole text, in UTF-16 units, end exclusive. */
export interface Cut {
  readonly start: number
  readonly end: number
  /** What stands in its place; null where nothing leaves from there on. */
  readonly stand: string | null
}

/**
 * The end of a text that comes in pieces, in front of its filter: what may be the beginning of a value that goes on in the next text stays here until more
 * of the text shows that it is none, or the text has ended. These are its last word with the numbers and words in capitals before it, and the white space
 * behind; of JSON, its closing structure too. At most `VALUE_BORDER_UNITS`. What stays depends on the text alone, never on how it was cut.
 */
export class OpenEnd {
  /** The text begins as JSON. */
  isJson = false
  #held = ''
  /** Offset of `held` in the text. */
  #base = 0
  #recent = ''
  /** So many units of `held` have been looked at. */
  #read = 0
  #begun = false
  #closed = false
  #blocked = false
  readonly #cuts: Cut[] = []

  // The word that was read last, and what stands behind it.
  #inWord = false
  #joins = false
  #last = kinds.BOUNDARY
  #gap = 0

  get held(): string {
    return this.#held
  }

  get base(): number {
    return this.#base
  }

  /** What came before `held`, as far as it is kept. */
  get recent(): string {
    return this.#recent.slice(-KEPT_UNITS)
  }

  /** A value was taken out that may not leave: nothing follows what stands before it. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** Whether a value may go on behind it. */
  get isOpen(): boolean {
    const said = this.#held.slice(0, endOfSaid(this.#held, this.isJson))
    return said !== '' && !SENTENCE_END.test(said)
  }

  /** @returns what no value of another text can begin in. */
  push(text: string): string {
    const out = this.#closed ? '' : this.#takeOut()
    if (!this.#begun) this.#begin(text)
    this.#held += text
    return this.#closed ? '' : out + this.#release()
  }

  /** Keeps all that comes until it is opened: the beginning of a text behind another one whose end is open. */
  close(): void {
    this.#closed = true
  }

  /** @returns what does not have to stay any more. */
  open(): string {
    this.#closed = false
    return this.#takeOut() + this.#release()
  }

  /** Ends the text, or interrupts it. @returns the rest. */
  take(): string {
    const out = this.#takeOut()
    this.#closed = this.#inWord = this.#joins = false
    return out + this.#pass(this.#held.length)
  }

  /** Takes a stretch out of what is held; what lies before it has left already. */
  cut(cut: Cut): void {
    this.#cuts.push(cut)
  }

  #begin(text: string): void {
    this.#begun = text.trimStart() !== ''
    this.isJson = beginsAsJson(text)
  }

  #takeOut(): string {
    if (this.#cuts.length === 0) return ''
    let out = ''
    for (const { start, end, stand } of this.#cuts.splice(0).sort((a, b) => a.start - b.start)) {
      if (end <= this.#base || this.#blocked) continue
      out += this.#pass(Math.max(0, start - this.#base))
      this.#blocked = stand === null
      this.#pass(end - this.#base)
      out += stand ?? ''
    }
    return out
  }

  #release(): string {
    const text = this.#held
    let start = 0
    for (let i = this.#read; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      const isPair = i > 0 && kinds.mathematicalDigit(text.charCodeAt(i - 1), unit) >= 0
      const kind = isPair ? kinds.DIGIT : kinds.classify(unit)
      if (kinds.isWordKind(kind)) {
        if (!this.#inWord) {
          if (!(this.#joins && this.#gap <= LONGEST_GAP)) start = isPair ? i - 1 : i
          this.#inWord = true
          this.#joins = false
          this.#gap = 0
        }
        this.#last = kind
        this.#joins ||= kind === kinds.DIGIT || (kind === kinds.LETTER && kinds.isUpperCaseUnit(unit))
      } else if (kind !== kinds.INVISIBLE) {
        if (this.#inWord) this.#endWord()
        if (kind === kinds.GAP) this.#gap++
        else if (kind === kinds.LINE || (this.isJson && isJsonTail(text[i]!))) this.#gap = Infinity
        else start = i + 1
      }
      if (i + 1 - start > VALUE_BORDER_UNITS) start++
    }
    this.#read = text.length
    return this.#pass(start)
  }

  /** A word of signs is between two numbers: `4111 - 1111`. */
  #endWord(): void {
    this.#inWord = false
    this.#joins ||= this.#last === kinds.DASH || this.#last === kinds.OPEN || this.#last === kinds.CLOSE || this.#last === kinds.OTHER
  }

  /** Lets so many units go. */
  #pass(units: number): string {
    if (units <= 0) return ''
    const out = this.#held.slice(0, units)
    this.#held = this.#held.slice(units)
    this.#base += out.length
    this.#read = Math.max(0, this.#read - out.length)
    this.#recent += out
    if (this.#recent.length > 2 * KEPT_UNITS) this.#recent = this.#recent.slice(-KEPT_UNITS)
    return this.#blocked ? '' : out
  }
}
