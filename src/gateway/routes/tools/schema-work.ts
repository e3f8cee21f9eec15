import type { Branch, Tree } from '../chat-completions/texts.ts'
import { isBranch } from '../request-members.ts'

/** Steps of one check: what takes more does not fit. */
const MAX_STEPS = 200_000
/** Schemas within each other, through references or not: each is a few calls on the stack. */
export const MAX_NESTED = 400
/** So many characters are looked at in the time of one step. */
const UNITS_PER_STEP = 16

/** Thrown out of a check that took too long: what it looked at does not fit. */
export class TooLong extends Error {}

/** What one check has cost so far, and how deep it is. */
export class Work {
  #steps = 0
  #nested = 0

  get steps(): number {
    return this.#steps
  }

  /** @throws {TooLong} */
  spend(steps: number): void {
    this.#steps += steps
    if (this.#steps > MAX_STEPS) throw new TooLong()
  }

  /** @throws {TooLong} */
  spendOn(text: string): void {
    this.spend(Math.ceil(text.length / UNITS_PER_STEP))
  }

  /** @throws {TooLong} */
  enter(): void {
    if (++this.#nested > MAX_NESTED) throw new TooLong()
  }

  leave(): void {
    this.#nested--
  }
}

export function keysOf(branch: Branch, work: Work): readonly string[] {
  const keys = Object.keys(branch)
  work.spend(keys.length)
  return keys
}

/** The same text for the same value, whatever the order of its members. @param work null for a value of the schema, which is read once. */
export function canonical(value: Tree, work: Work | null): string {
  const out: string[] = []
  writeCanonical(value, work, out)
  return out.join('')
}

function writeCanonical(value: Tree, work: Work | null, out: string[]): void {
  work?.spend(1)
  if (Array.isArray(value)) {
    out.push('[')
    for (const item of value) {
      writeCanonical(item, work, out)
      out.push(',')
    }
    out.push(']')
  } else if (isBranch(value)) {
    out.push('{')
    for (const name of Object.keys(value).sort()) {
      work?.spendOn(name)
      out.push(JSON.stringify(name), ':')
      writeCanonical(value[name] as Tree, work, out)
      out.push(',')
    }
    out.push('}')
  } else {
    if (typeof value === 'string') work?.spendOn(value)
    out.push(JSON.stringify(value))
  }
}
