import { z } from 'zod'
import { HOUSE_CLIENT_IDS } from './sign-in/clients.ts'

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
/** NIST SP 800-63B §4.2.3 for two factors: 30 minutes idle, 12 hours in all. */
export const SESSION_IDLE_MINUTES = 30
export const SESSION_HOURS = 12

const aaguid = z
  .string()
  .regex(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/, 'an AAGUID, 8-4-4-4-12 hexadecimal digits')
  .transform((text) => text.toLowerCase())

export const identityConfig = z
  .object({
    tokenLifetimeSeconds: z
      .int()
      .min(60)
      .max(MAX_TOKEN_LIFETIME_SECONDS)
      .default(TOKEN_LIFETIME_SECONDS)
      .describe('how long an access token lives (B4)'),
    enrolmentLinkMinutes: z.int().min(1).max(60).default(ENROLMENT_LINK_MINUTES).describe('how long an enrolment link works, once'),
    tokenCacheEntries: z.int().min(2).max(1_000_000).default(TOKEN_CACHE_ENTRIES).describe('verified tokens kept in memory, by digest'),
    dpopNonce: z
      .enum(['when-needed', 'required'])
      .default('when-needed')
      .describe('whether each proof of possession carries a nonce of this server, or only one that could be old (RFC 9449)'),
    boundClients: z
      .array(z.enum(HOUSE_CLIENT_IDS))
      .max(HOUSE_CLIENT_IDS.length)
      .default(['redoubt-cli'])
      .describe('clients through which people get tokens that are bound to a key, and no others (RFC 9449)'),
    tokenRequestsPerMinute: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(TOKEN_REQUESTS_PER_MINUTE)
      .describe('requests to the token endpoint from one address (IPv6: one /64), a minute’s worth of them at once'),
    sessionIdleMinutes: z.int().min(1).max(720).default(SESSION_IDLE_MINUTES).describe('a person’s session ends after so long without use'),
    sessionHours: z.int().min(1).max(72).default(SESSION_HOURS).describe('a person’s session ends after so long in any case'),
    hardwareKeys: z
      .array(aaguid)
      .max(256)
      .default([])
      .describe(
        'AAGUIDs of the models of security keys that administrators, security officers, privacy officers and deployers may use; synced keys are refused then (B3)',
      ),
    attestationRoots: z
      .string()
      .min(1)
      .optional()
      .describe(
        'PEM file with the makers’ certificates that must vouch for those keys; without it a key’s word is taken for its model, and it counts as two factors, not as hardware',
      ),
  })
  .strict()

export type IdentityConfig = z.output<typeof identityConfig>
