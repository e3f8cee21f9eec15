import type { EntityUid } from '#foundation/core'

/** To the second, in UTC: what a person compares. */
export const moment = (at: number): string => new Date(at).toISOString().slice(0, 19).replace('T', ' ')

export const named = ({ type, id }: EntityUid): string => `${type}::${id}`

/** One thing in words: a line for each of its facts, the names in a column. */
export const sheet = (facts: readonly (readonly [name: string, value: string])[]): string =>
  facts.map(([name, value]) => `${name.padEnd(10)}${value}`).join('\n')
