import { z } from 'zod'

const MAX_EXCEPTIONS = 64

/** Of a leg's name: its kind and what the configuration calls it; a witness has its host, and its port where it names one. */
const LEG = /^(upstream|webhook|mail)\/[A-Za-z0-9._-]{1,128}$|^witness\/[A-Za-z0-9.:[\]_-]{1,256}$/

export const legsConfig = z
  .strictObject({
    exceptions: z
      .array(
        z.strictObject({
          leg: z
            .string()
            .regex(LEG, 'must be `upstream/NAME`, `webhook/NAME`, `mail/NAME` or `witness/HOST`')
            .describe('the connection, as `redoubt keys legs` names it'),
          allow: z
            .enum(['classical', 'tls1.2'])
            .describe('`classical`: TLS 1.3 without a post-quantum hybrid; `tls1.2`: TLS 1.2 with forward secrecy as well'),
          reason: z.string().min(1).max(256).describe('why the other side can do no better; shown wherever the exception is'),
          until: z.iso.date().describe('its last day, such as `2027-06-30` (UTC), a year away at most'),
        }),
      )
      .max(MAX_EXCEPTIONS)
      .default([])
      .describe('connections that may be weaker than TLS 1.3 with a post-quantum hybrid for a time'),
  })
  .superRefine(({ exceptions }, context) => {
    const seen = new Set<string>()
    for (const [index, { leg }] of exceptions.entries()) {
      if (seen.has(leg)) context.addIssue({ code: 'custom', path: ['exceptions', index, 'leg'], message: 'is named by another exception' })
      seen.add(leg)
    }
  })

export type LegException = z.output<typeof legsConfig>['exceptions'][number]
