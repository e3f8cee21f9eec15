import { z } from 'zod'
import { DEFAULT_CHECKPOINT_INTERVAL_MS } from './audit-log.ts'

/** Origin of a log whose operator chose none; a deployment should take a URL of its own. */
export const DEFAULT_ORIGIN = 'redoubt.local/log'
const MIN_INTERVAL_MS = 10
/** The promise to the outside is one second; a longer window is not offered. */
const MAX_INTERVAL_MS = 1_000

/** Checkpoints are public and cosignatures verified, but no leg leaves this host without TLS 1.3 (A2). */
function isProtected(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname))
}

export const auditConfig = z
  .object({
    origin: z
      .string()
      .regex(/^[^\s+]{1,200}$/u, 'a schema-less URL without spaces and plus signs')
      .default(DEFAULT_ORIGIN)
      .describe('origin of the log: names it in checkpoints and proofs; never changes once the log has begun'),
    checkpointIntervalMs: z
      .number()
      .int()
      .min(MIN_INTERVAL_MS)
      .max(MAX_INTERVAL_MS)
      .default(DEFAULT_CHECKPOINT_INTERVAL_MS)
      .describe('milliseconds between checkpoints while events arrive'),
    outsideFolder: z
      .string()
      .min(1)
      .optional()
      .describe('a folder outside the reach of this host’s administrator that receives each checkpoint'),
    witnesses: z
      .array(
        z
          .object({
            url: z
              .url()
              .refine(isProtected, 'must be https; plain http is accepted for loopback addresses only')
              .describe('submission prefix of a C2SP tlog-witness; https, or http on this host'),
            verifierKeys: z.array(z.string().min(1)).min(1).describe('its verifier keys, from its operator'),
            ca: z.string().optional().describe('PEM file of the authority of its certificate, if private'),
          })
          .strict(),
      )
      .default([])
      .describe('witnesses that cosign the checkpoints'),
  })
  .strict()
