import type { EntityUid } from '#foundation/core'

/** To the second, in UTC: what a person compares. */
export const moment = (at: number): string => new Date(at).toISOString().slice(0, 19).replace('T', ' ')

export const named = ({ type, id }: EntityUid): string => `${type}::${id}`

/** One thing in words: a line for each of its facts, the names in a column. */
export function sheet(facts: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(10, ...facts.map(([name]) => name.length + 1))
  return facts.map(([name, value]) => `${name.padEnd(width)}${value}`).join('\n')
}
