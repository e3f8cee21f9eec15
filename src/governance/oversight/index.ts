export { type OversightConfig, oversightConfig } from './config.ts'
export { openOversight, type Oversight, type OversightOptions } from './oversight.ts'
export type { Independence, Override, Review, ReviewInFull, Reviewing } from './review.ts'
