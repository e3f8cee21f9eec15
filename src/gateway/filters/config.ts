import { PRESET_NAMES } from '#foundation/core'
import { z } from 'zod'

const MAX_RETENTION_DAYS = 3_650

/** `filters:` in `redoubt.yaml`. */
export const filtersConfig = z.strictObject({
  mode: z
    .enum(['act', 'dry-run'])
    .default('act')
    .describe('`dry-run` counts what filters would do and does nothing; production does not start with it'),
  recognisers: z
    .array(z.string().min(1).max(4_096))
    .max(64)
    .default([])
    .describe('YAML files of recognisers of your own; their entities can be named in policies, all of them as `preset:own`'),
  exempt: z
    .array(z.string().min(1).max(512))
    .max(10_000)
    .default([])
    .describe('values, as they stand in texts, that are never findings: your own telephone number, a test key'),
  keepOutOfLog: z
    .array(z.enum(PRESET_NAMES))
    .max(8)
    .default([])
    .describe(
      'presets whose values are masked in every entry of the log before it is written, sealed fields too; `pci` keeps cards out of it',
    ),
  vaultDays: z
    .number()
    .int()
    .min(1)
    .max(MAX_RETENTION_DAYS)
    .default(30)
    .describe('how long values that tokens stand for are kept; after it the tokens stay tokens'),
})

export type FiltersConfig = z.output<typeof filtersConfig>
