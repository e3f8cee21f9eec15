import { z } from 'zod'
import { ASK } from './messages.ts'

/** Of these the uses of a key are counted; its first part is the CKA_ID of the key. */
export const COUNTED = {
  [ASK.makeKey]: 'make',
  [ASK.encrypt]: 'wrap',
  [ASK.decrypt]: 'unwrap',
  [ASK.sign]: 'sign',
  [ASK.destroyKey]: 'destroy',
} as const
type CountedAsk = keyof typeof COUNTED

/** A token of ours has a key a class and version: far below. */
const MAX_KEYS = 1_024
const schema = z.array(z.tuple([z.int().min(0).max(255), z.string().regex(/^[0-9a-f]{0,64}$/), z.int().min(1)])).max(MAX_KEYS)
export type KeyUses = readonly (readonly [ask: number, id: string, count: number])[]

/** How often what was done with which key. Keys beyond the bound share one count without a name. */
export class UseCounts {
  readonly #counts = new Map<string, { readonly ask: number; readonly id: string; count: number }>()

  add(ask: number, id: string, count = 1): void {
    if (!isCounted(ask)) return
    const full = this.#counts.size >= MAX_KEYS - Object.keys(COUNTED).length && !this.#counts.has(`${ask} ${id}`)
    const named = full ? '' : id
    const key = `${ask} ${named}`
    const known = this.#counts.get(key)
    if (known === undefined) this.#counts.set(key, { ask, id: named, count })
    else known.count += count
  }

  addAll(uses: KeyUses): void {
    for (const [ask, id, count] of uses) this.add(ask, id, count)
  }

  uses(): KeyUses {
    return [...this.#counts.values()].map(({ ask, id, count }) => [ask, id, count])
  }

  encode(): Buffer {
    return Buffer.from(JSON.stringify(this.uses()))
  }
}

/** @throws {TypeError} for what is no answer. */
export function decodeUses(bytes: Uint8Array): KeyUses {
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString()))
  } catch (cause) {
    throw new TypeError('the counts of the process that talks to the HSM are not in their format', { cause })
  }
}

export function isCounted(ask: number): ask is CountedAsk {
  return Object.hasOwn(COUNTED, ask)
}
