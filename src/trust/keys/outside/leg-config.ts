import { z } from 'zod'

/** Of an exchange with a key service; five tries of it are the longest that a request waits. */
const DEFAULT_TIMEOUT_MS = 3_000

export const legSchema = {
  ca: z.string().min(1).optional().describe('PEM file of the only authority that may vouch for the service; the public ones unless given'),
  hybridGroup: z
    .enum(['required', 'preferred'])
    .default('required')
    .describe('whether a service without the post-quantum group X25519MLKEM768 is refused'),
  timeoutMs: z
    .number()
    .int()
    .min(100)
    .max(30_000)
    .default(DEFAULT_TIMEOUT_MS)
    .describe('for one exchange; a passing failure is tried five times'),
}

export const httpsOrigin = z
  .string()
  .max(512)
  .refine((text) => {
    const url = URL.parse(text)
    return url !== null && url.protocol === 'https:' && url.username === '' && url.pathname === '/' && url.search === '' && url.hash === ''
  }, 'must be `https://HOST` or `https://HOST:PORT`')
