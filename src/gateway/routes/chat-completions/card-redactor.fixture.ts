import type { StreamRedactor } from './text-channel.ts'

const CARD = /\d(?:[ -]?\d){12,18}/g
const FORBIDDEN = 'FORBIDDEN'

/** A small but true redactor for tests: masks runs of 13 to 19 digits, blocks one word, holds back what may still become either. */
export class CardRedactor implements StreamRedactor {
  #held = ''
  #blocked = false

  get blocked(): boolean {
    return this.#blocked
  }

  push(delta: string): string {
    this.#held += delta
    const run = /\d[\d -]*$/.exec(this.#held)?.index ?? this.#held.length
    let cut = run
    for (let length = Math.min(FORBIDDEN.length - 1, this.#held.length); length > 0; length--) {
      if (this.#held.endsWith(FORBIDDEN.slice(0, length))) {
        cut = Math.min(cut, this.#held.length - length)
        break
      }
    }
    return this.#release(cut)
  }

  flush(): string {
    return this.#release(this.#held.length)
  }

  #release(cut: number): string {
    if (this.#blocked) return ''
    const out = maskCards(this.#held.slice(0, cut))
    this.#held = this.#held.slice(cut)
    const forbidden = out.indexOf(FORBIDDEN)
    if (forbidden === -1) return out
    this.#blocked = true
    return out.slice(0, forbidden)
  }
}

export function maskCards(text: string): string {
  return text.replaceAll(CARD, '[CARD]')
}
