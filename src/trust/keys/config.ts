import { z } from 'zod'
import { argon2Schema, DEFAULT_ARGON2, parseRecipient } from '#foundation/crypto'
import { providerConfigSchema } from './provider-config.ts'

/** An unwrapped data key may be served from memory for this long: a revoked purpose still reads for at most as long. */
const DEFAULT_CACHE_TTL_MS = 300_000
const MAX_CACHE_TTL_MS = 300_000
/** And this often: then the next use is a fresh event in the log. */
const DEFAULT_CACHE_USES = 1_000
const MAX_CACHE_USES = 100_000

export const unwrapCacheSchema = z
  .object({
    ttlMs: z
      .number()
      .int()
      .min(0)
      .max(MAX_CACHE_TTL_MS)
      .default(DEFAULT_CACHE_TTL_MS)
      .describe('how long an unwrapped data key may serve the same principal, purpose and resource from memory'),
    uses: z
      .number()
      .int()
      .min(0)
      .max(MAX_CACHE_USES)
      .default(DEFAULT_CACHE_USES)
      .describe('and how often, before the next use is a fresh event in the log; 0 caches none'),
  })
  .strict()
  .readonly()

/** Each is a copy of every key of a data set or a model, 1.6 KB. */
const MAX_ESCROW = 4
const MAX_RECIPIENT_LENGTH = 2_048
const isRecipient = (line: string): boolean => {
  try {
    parseRecipient(line)
    return true
  } catch {
    return false
  }
}

const DAY_MS = 86_400_000
const DEFAULT_GRACE_DAYS = 30
const MAX_GRACE_DAYS = 3_650
/** A tenth of what one core does: who is served must not notice. */
const DEFAULT_OBJECTS_PER_SECOND = 300
const MAX_OBJECTS_PER_SECOND = 100_000

export const rotationSchema = z
  .object({
    graceDays: z
      .number()
      .int()
      .min(0)
      .max(MAX_GRACE_DAYS)
      .default(DEFAULT_GRACE_DAYS)
      .describe('how long a key version that nothing refers to is kept, counted while the server runs; backups from before open that long'),
    objectsPerSecond: z
      .number()
      .int()
      .min(1)
      .max(MAX_OBJECTS_PER_SECOND)
      .default(DEFAULT_OBJECTS_PER_SECOND)
      .describe('objects and keys that are moved to a new key version in a second, at most, while the server serves'),
  })
  .strict()
  .readonly()

export const keysConfigSchema = z
  .object({
    provider: providerConfigSchema.default({ kind: 'sealed-file' }).describe('who holds the key-encryption keys'),
    unseal: z
      .enum(['passphrase', 'shamir'])
      .default('passphrase')
      .describe('what opens a sealed file: the passphrase, or so many holders of shares (`redoubt keys shares`) when the server starts'),
    moveFrom: z
      .literal('sealed-file')
      .or(providerConfigSchema)
      .optional()
      .describe(
        'where the keys are still when another provider is named: `sealed-file`, or all that is said of the provider; what it wrapped is wrapped anew while the server serves, and it is needed until `keys rotation` says that nothing names it',
      ),
    /** Cost of the passphrase when a keyring is made; an existing one keeps its own. */
    kdf: argon2Schema.default(DEFAULT_ARGON2),
    escrow: z
      .array(z.string().max(MAX_RECIPIENT_LENGTH).refine(isRecipient, 'is no line of a recipient, as `redoubt keys recipient` makes it'))
      .max(MAX_ESCROW)
      .default([])
      .refine((lines) => new Set(lines).size === lines.length, 'a recipient is named twice')
      .describe(
        'recipients (`redoubt keys recipient`) whose private key, kept elsewhere, opens data sets and models when the provider is lost',
      )
      .readonly(),
    escrowPeople: z
      .boolean()
      .default(false)
      .describe(
        'whether they can open personal fields of the log, too: keys of people are in escrow for them, until each person’s key is destroyed',
      ),
    unwrapCache: unwrapCacheSchema.prefault({}),
    rotation: rotationSchema.prefault({}),
  })
  .strict()
  .refine(
    ({ provider, unseal, moveFrom }) => provider.kind === 'sealed-file' || moveFrom !== undefined || unseal === 'passphrase',
    '`unseal: shamir` is of a sealed file',
  )
  .refine(({ escrow, escrowPeople }) => !escrowPeople || escrow.length > 0, '`escrowPeople` needs a recipient in `escrow`')
  .readonly()

export type KeysConfig = z.infer<typeof keysConfigSchema>
export type RotationConfig = z.infer<typeof rotationSchema>
export const graceMs = ({ graceDays }: RotationConfig): number => graceDays * DAY_MS
export type UnwrapCacheConfig = z.infer<typeof unwrapCacheSchema>
export const DEFAULT_UNWRAP_CACHE: UnwrapCacheConfig = unwrapCacheSchema.parse({})
export const DEFAULT_ROTATION: RotationConfig = rotationSchema.parse({})
