import type { FilterAction } from '#foundation/core'

/** What the search for confidential and training data finds. None of it is meant by `default`: a policy names it. */
export const CONFIDENTIAL_ENTITIES = [
  'CANARY',
  'CONFIDENTIAL_DOCUMENT',
  'CONFIDENTIAL_MARKING',
  'CONFIDENTIAL_TERM',
  'TRAINING_DATA',
] as const
export type ConfidentialEntity = (typeof CONFIDENTIAL_ENTITIES)[number]

/** What to do with each; those that are let go are not in it. */
export type ConfidentialActions = ReadonlyMap<ConfidentialEntity, Exclude<FilterAction, 'allow'>>

const NAMES: ReadonlySet<string> = new Set(CONFIDENTIAL_ENTITIES)

export const isConfidentialEntity = (name: string): name is ConfidentialEntity => NAMES.has(name)

/**
 * What the actions of a policy say of them. A canary is nobody's answer: it is blocked whatever a policy says, or does not.
 * @param actions by entity; none where `default` alone speaks.
 */
export function confidentialActions(actions: Readonly<Record<string, FilterAction>>): ConfidentialActions {
  const chosen = new Map<ConfidentialEntity, Exclude<FilterAction, 'allow'>>()
  for (const entity of CONFIDENTIAL_ENTITIES) {
    const action = Object.hasOwn(actions, entity) ? actions[entity]! : 'allow'
    if (action !== 'allow') chosen.set(entity, action)
  }
  chosen.set('CANARY', 'block')
  return chosen
}
