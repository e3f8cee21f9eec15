export { type OversightConfig, oversightConfig } from './config.ts'
export { openOversight, type Oversight } from './oversight.ts'
export type { Independence, Override, Review, ReviewInFull, Reviewing } from './review.ts'
