import { z } from 'zod'

const MAX_RETENTION_DAYS = 3_650

/** `filters:` in `redoubt.yaml`. */
export const filtersConfig = z.strictObject({
  vaultDays: z
    .number()
    .int()
    .min(1)
    .max(MAX_RETENTION_DAYS)
    .default(30)
    .describe('how long values that tokens stand for are kept; after it the tokens stay tokens'),
})

export type FiltersConfig = z.output<typeof filtersConfig>
