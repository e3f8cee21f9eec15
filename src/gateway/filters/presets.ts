import { RECOGNISERS } from './recognisers/registered.ts'

/** Every entity that some recogniser finds. */
export const ENTITIES: ReadonlySet<string> = new Set(RECOGNISERS.flatMap(({ entities }) => entities))

/** What points at a person only together with other things: masked where it is named, not by `default`. */
const QUASI_IDENTIFIERS: ReadonlySet<string> = new Set(['DATE_TIME', 'AGE', 'URL'])

/** What the action `default` of a policy is about. */
export const DEFAULT_ENTITIES: ReadonlySet<string> = new Set([...ENTITIES].filter((entity) => !QUASI_IDENTIFIERS.has(entity)))
