/** Chance that can be drawn again, and the ways in which it spoils the text of a token or proof. */

/** Mulberry32: 32 bits of state, good enough to choose. */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * bound)
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }
}

export const parts = (token: string): [string, string, string] => token.split('.') as [string, string, string]
export const joined = (header: string, payload: string, signature: string): string => `${header}.${payload}.${signature}`

export function flipped(part: string, chance: Chance): string {
  const bytes = Buffer.from(part, 'base64url')
  const at = chance.below(bytes.byteLength)
  bytes[at] = bytes[at]! ^ (1 << chance.below(8))
  return bytes.toString('base64url')
}

export const spliced = (text: string, at: number, remove: number, insert: string): string =>
  text.slice(0, at) + insert + text.slice(at + remove)
