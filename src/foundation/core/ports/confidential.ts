/** What can be registered as confidential. */
export const REGISTERED_KINDS = ['document', 'terms', 'data', 'canary', 'public', 'classifier'] as const
export type RegisteredKind = (typeof REGISTERED_KINDS)[number]
/** There is one, so that its kind is its label. */
export const CLASSIFIER = 'classifier' satisfies RegisteredKind

/** Canaries that are made at a time. */
export const MOST_CANARIES = 1_000

/** Share of unseen public sentences that a classifier may flag, unless another is asked for; and its bounds. */
export const FALSE_ALARMS = 0.01
export const LEAST_FALSE_ALARMS = 0.0005
export const MOST_FALSE_ALARMS = 0.2
