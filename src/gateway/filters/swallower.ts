import { INVISIBLE, classify, isWordKind } from './characters.ts'

/** Most units of a PEM body that are masked in search of its footer. */
const LONGEST_PEM = 16_384
const PEM_FOOTER = '-----END'

/** Masks on after a value that was longer than the window, to the end of its word, or after a PEM header, to the footer. */
export class Swallower {
  #what: 'no' | 'word' | 'pem' = 'no'
  #swallowed = 0
  #footer = 0

  get active(): boolean {
    return this.#what !== 'no'
  }

  begin(what: 'word' | 'pem'): void {
    this.#what = what
    this.#swallowed = 0
    this.#footer = 0
  }

  stop(): void {
    this.#what = 'no'
  }

  /** @returns whether the unit belongs to the value. */
  takes(unit: number): boolean {
    if (this.#what === 'word') {
      const kind = classify(unit)
      if (isWordKind(kind) || kind === INVISIBLE) return true
      this.stop()
      return false
    }
    const dash = unit === 0x2d
    if (unit === PEM_FOOTER.charCodeAt(this.#footer)) this.#footer++
    else if (!dash) this.#footer = 0
    else if (this.#footer !== 5) this.#footer = 1
    if (this.#footer === PEM_FOOTER.length || ++this.#swallowed >= LONGEST_PEM) this.stop()
    return true
  }
}
