import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FilterAction } from '#foundation/core'
import { type FilterPlan, passes, placeholder } from '#gateway/filters'

/** The part that lies in one text, of something that lies in several. UTF-16 offsets, end exclusive. */
export interface Stretch {
  readonly entity: string
  readonly action: FilterAction
  readonly start: number
  readonly end: number
  /** It begins in this text: there it is counted. */
  readonly begins: boolean
  /** What stands for the whole of it; where it is left out, and in its other texts, its kind does. */
  readonly stand?: string
}

/** By number of the text, in the order in which all are shown. */
export type Crossing = ReadonlyMap<number, readonly Stretch[]>

/** What two searches found over the borders of the same texts; null when that is nothing. */
export function together(...all: readonly (Crossing | null)[]): Crossing | null {
  const joined = new Map<number, readonly Stretch[]>()
  for (const crossing of all) for (const [text, stretches] of crossing ?? []) joined.set(text, [...(joined.get(text) ?? []), ...stretches])
  return joined.size === 0 ? null : joined
}

/** Without giving way, for what is small. */
export function atOnce<T>(search: Generator<void, T>): T {
  let step = search.next()
  while (step.done !== true) step = search.next()
  return step.value
}

/** A slice in one turn of the event loop. */
export async function inTurns<T>(search: Generator<void, T>): Promise<T> {
  let step = search.next()
  for (; step.done !== true; step = search.next()) await nextTurn()
  return step.value
}

/** The text with what stands for the stretches that something is done to. */
export function stretchesOut(text: string, stretches: readonly Stretch[], plan: FilterPlan): string {
  let out = ''
  let at = 0
  for (const { entity, action, start, end, stand } of stretches
    .filter((stretch) => !passes(stretch.action, plan))
    .sort((a, b) => a.start - b.start)) {
    if (end <= at) continue
    // Of a block nothing leaves: the search of it refuses the request.
    if (action === 'block') continue
    out += text.slice(at, Math.max(at, start)) + (stand ?? placeholder(entity))
    at = end
  }
  return out + text.slice(at)
}
