import { z } from 'zod'

const MAX_RETENTION_DAYS = 3_650

/** `filters:` in `redoubt.yaml`. */
export const filtersConfig = z.strictObject({
  mode: z
    .enum(['act', 'dry-run'])
    .default('act')
    .describe('`dry-run` counts what filters would do and does nothing; production does not start with it'),
  vaultDays: z
    .number()
    .int()
    .min(1)
    .max(MAX_RETENTION_DAYS)
    .default(30)
    .describe('how long values that tokens stand for are kept; after it the tokens stay tokens'),
})

export type FiltersConfig = z.output<typeof filtersConfig>
