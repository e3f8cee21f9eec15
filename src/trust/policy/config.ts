import { z } from 'zod'

/** One decision in 1,000 costs under 1 µs on average and finds a lasting difference within seconds of real load. */
export const DEFAULT_SHADOW_RATE = 1000

/** Configuration of the room, under the key `policy`. */
export const policyConfig = z.strictObject({
  /** Folder of the operator's `*.cedar` files, added to the bundled ones; a file of the same name replaces a bundled one. */
  folder: z.string().min(1).optional(),
  /** One decision in so many is compared with Cedar's own engine; 0 compares none. */
  shadowRate: z.int().min(0).max(1_000_000_000).default(DEFAULT_SHADOW_RATE),
})
export type PolicyConfig = z.infer<typeof policyConfig>
