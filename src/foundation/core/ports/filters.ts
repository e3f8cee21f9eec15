/** Sets of entities, by the rule that they serve. */
export const PRESET_NAMES = ['all', 'default', 'gdpr', 'hipaa', 'pci', 'secrets'] as const
export type PresetName = (typeof PRESET_NAMES)[number]

/** A finding counts from this score on: the operating point "strict". Weak patterns stay below it unless a context word lifts them. */
export const SCORE_THRESHOLD = 0.5
