/** What the tagger finds. */
export const NAME_ENTITIES = ['PERSON', 'LOCATION', 'ORGANISATION'] as const
export type NameEntity = (typeof NAME_ENTITIES)[number]

/** Tags of IOB2: 0 is outside, 1 + 2e begins entity e, 2 + 2e goes on with it. */
export const TAGS = 1 + 2 * NAME_ENTITIES.length
/** Weights of a bucket lie eight apart, so that they share a cache line. */
export const STRIDE = 8

export const beginTag = (entity: number): number => 1 + 2 * entity
export const insideTag = (entity: number): number => 2 + 2 * entity

/** Whether `to` may follow `from`; `from` -1 is the start of a sentence. An entity goes on only with its own tags. */
export function mayFollow(from: number, to: number): boolean {
  if (to === 0 || (to & 1) === 1) return true
  return from === to || from === to - 1
}
