import { randomBytes } from 'node:crypto'
import type { FilterAction } from '#foundation/core'
import { digestOf } from './hash.ts'
import { partOf } from './partial.ts'
import { surrogateOf } from './surrogate.ts'

/** Stand-ins of one call, at most; what comes after them is masked. A value that comes again has the one it had. */
export const MAX_SUBSTITUTES = 10_000
/** Draws for a stand-in that no other value of the call has. */
const MAX_DRAWS = 16

/** Actions that need keys, or a place to keep values in. */
const KEYED: ReadonlySet<FilterAction> = new Set(['tokenise', 'surrogate', 'hash'])
export const isKeyed = (action: FilterAction): boolean => KEYED.has(action)

/** What stands for values in the texts of one call, in and out. Synchronous; the same value has the same stand-in within the call. */
export interface Substitutes {
  /** @returns null when there is none: the value is masked then. */
  of(action: FilterAction, entity: string, value: string): string | null
}

export interface SubstituteSources {
  /** 32 bytes, the same for all calls of a tenant. */
  readonly hashKey: Uint8Array
  /** 32 bytes; random, so that stand-ins of two calls have nothing in common, unless given. */
  readonly surrogateKey?: Uint8Array
  /** Keeps a value and gives the token for it; null when it does not, and then the value is masked. Left out where nothing is kept. */
  readonly mint?: (entity: string, value: string) => string | null
}

/** For one call. */
export function createSubstitutes({ hashKey, surrogateKey = randomBytes(32), mint }: SubstituteSources): Substitutes {
  const known = new Map<string, string>()
  const taken = new Set<string>()
  const surrogate = (entity: string, value: string): string | null => {
    for (let attempt = 0; attempt < MAX_DRAWS; attempt++) {
      const drawn = surrogateOf(surrogateKey, entity, value, attempt)
      if (drawn === null) return null
      if (taken.has(drawn)) continue
      taken.add(drawn)
      return drawn
    }
    return null
  }
  const make = (action: FilterAction, entity: string, value: string): string | null => {
    if (action === 'hash') return `[${entity}:${digestOf(hashKey, entity, value)}]`
    if (action === 'surrogate') return surrogate(entity, value)
    return action === 'tokenise' ? (mint?.(entity, value) ?? null) : null
  }
  return {
    of(action, entity, value) {
      // A stand-in that comes back, repeated by a model, stays what it is.
      if (action === 'surrogate' && taken.has(value)) return value
      const name = `${action}\n${entity}\n${value}`
      const before = known.get(name)
      if (before !== undefined) return before
      if (known.size >= MAX_SUBSTITUTES) return null
      const made = make(action, entity, value)
      if (made !== null) known.set(name, made)
      return made
    },
  }
}

/** Of entities, of which there are a few hundred. */
const placeholders = new Map<string, string>()

export function placeholder(entity: string): string {
  let made = placeholders.get(entity)
  if (made === undefined) {
    made = `[${entity}]`
    placeholders.set(entity, made)
  }
  return made
}

/** What stands for a value in the text. @param whole whether `value` is all of it; of a value that goes on nothing is shown or kept. */
export function standIn(action: FilterAction, entity: string, value: string, whole: boolean, substitutes: Substitutes | null): string {
  if (whole) {
    if (action === 'partial') {
      const part = partOf(entity, value)
      if (part !== null) return `[${entity}:${part}]`
    } else if (isKeyed(action)) return substitutes?.of(action, entity, value) ?? placeholder(entity)
  }
  return placeholder(entity)
}

/**
 * What stands for a value that was cut over several texts, in the first of them: what keeps it, or lets it be joined. Null where each piece has the name of
 * its kind, for parts and surrogates of a value are of the whole, which stands nowhere.
 * @param value in `text`, the texts as they were joined.
 */
export function standInForCut(
  {
    entity,
    action,
    start,
    end,
    cutOff,
  }: { readonly entity: string; readonly action: FilterAction; readonly start: number; readonly end: number; readonly cutOff?: true },
  text: string,
  { dryRun, substitutes }: { readonly dryRun: boolean; readonly substitutes: Substitutes | null },
): string | null {
  if (dryRun || (action !== 'tokenise' && action !== 'hash')) return null
  return standIn(action, entity, text.slice(start, end), cutOff === undefined, substitutes)
}
