import { z } from 'zod'

/** Promise B4: minutes by default. Ten minutes is long enough for a batch client and short enough to make a stolen token dull. */
export const TOKEN_LIFETIME_SECONDS = 600
/** No access token lives longer than this, whoever signed it; the verifier enforces it, not only the issuer. */
export const MAX_TOKEN_LIFETIME_SECONDS = 900
/** The first administrator's link is on a terminal; it must not be worth finding in a scrollback an hour later. */
export const ENROLMENT_LINK_MINUTES = 15
/** Verified tokens held in memory; one entry is about 700 bytes. */
export const TOKEN_CACHE_ENTRIES = 10_000

/** A host with fifty programs, each asking ten times as often as its tokens live. */
export const TOKEN_REQUESTS_PER_MINUTE = 600

export const identityConfig = z
  .object({
    tokenLifetimeSeconds: z
      .int()
      .min(60)
      .max(MAX_TOKEN_LIFETIME_SECONDS)
      .default(TOKEN_LIFETIME_SECONDS)
      .describe('how long an access token lives (B4)'),
    enrolmentLinkMinutes: z
      .int()
      .min(1)
      .max(60)
      .default(ENROLMENT_LINK_MINUTES)
      .describe('how long the administrator’s enrolment link works, once'),
    tokenCacheEntries: z.int().min(2).max(1_000_000).default(TOKEN_CACHE_ENTRIES).describe('verified tokens kept in memory, by digest'),
    dpopNonce: z
      .enum(['when-needed', 'required'])
      .default('when-needed')
      .describe('whether each proof of possession carries a nonce of this server, or only one that could be old (RFC 9449)'),
    tokenRequestsPerMinute: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(TOKEN_REQUESTS_PER_MINUTE)
      .describe('requests to the token endpoint from one address (IPv6: one /64), a minute’s worth of them at once'),
  })
  .strict()

export type IdentityConfig = z.output<typeof identityConfig>
