import type { FilterAction } from '#foundation/core'

/** What the search for confidential and training data finds. None of it is meant by `default`: a policy names it. */
export const CONFIDENTIAL_ENTITIES = [
  'CANARY',
  'CONFIDENTIAL_DOCUMENT',
  'CONFIDENTIAL_MARKING',
  'CONFIDENTIAL_TERM',
  'CONFIDENTIAL_TEXT',
  'TRAINING_DATA',
] as const
export type ConfidentialEntity = (typeof CONFIDENTIAL_ENTITIES)[number]

const USUAL: readonly FilterAction[] = ['allow', 'log', 'mask', 'block']
/** What can be done with each: a passage has no digits to keep and no value to come back to. */
export const CONFIDENTIAL_ACTIONS: Readonly<Record<ConfidentialEntity, readonly FilterAction[]>> = {
  CANARY: ['block'],
  CONFIDENTIAL_DOCUMENT: USUAL,
  CONFIDENTIAL_MARKING: USUAL,
  CONFIDENTIAL_TERM: USUAL,
  CONFIDENTIAL_TEXT: USUAL,
  TRAINING_DATA: USUAL,
}

/** What to do with each; those that are let go are not in it. */
export type ConfidentialActions = ReadonlyMap<ConfidentialEntity, 'log' | 'mask' | 'block'>

const NAMES: ReadonlySet<string> = new Set(CONFIDENTIAL_ENTITIES)

export const isConfidentialEntity = (name: string): name is ConfidentialEntity => NAMES.has(name)

/**
 * What the actions of a policy say of them. A canary is nobody's answer: it is blocked whatever a policy says, or does not.
 * @param actions by entity; none where `default` alone speaks.
 */
export function confidentialActions(actions: Readonly<Record<string, FilterAction>>): ConfidentialActions {
  const chosen = new Map<ConfidentialEntity, 'log' | 'mask' | 'block'>()
  for (const entity of CONFIDENTIAL_ENTITIES) {
    const action = Object.hasOwn(actions, entity) ? actions[entity]! : 'allow'
    // Of two permits the stricter action is kept, which may be one for values, by the `default` of the other: it is a mask here.
    if (action !== 'allow') chosen.set(entity, action === 'log' ? action : action === 'block' || action === 'review' ? 'block' : 'mask')
  }
  chosen.set('CANARY', 'block')
  return chosen
}
