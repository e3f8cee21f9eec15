import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { secretReference } from '#foundation/config'

const MAX_SESSIONS = 16

export const pkcs11Schema = z.strictObject({
  kind: z.literal('pkcs11').describe('key-encryption keys in an HSM, by PKCS#11; needs the optional package `pkcs11js` to be built'),
  library: z
    .string()
    .max(4096)
    .refine((path) => isAbsolute(path), 'must be an absolute path: a library is not searched for')
    .describe('absolute path of the maker’s PKCS#11 library'),
  token: z.string().min(1).max(32).describe('label of the token'),
  serial: z.string().min(1).max(16).optional().describe('serial number of the token, where several have this label'),
  pin: secretReference.describe('reference to the PIN of the user; tried once, for tokens lock'),
  sessions: z.number().int().min(2).max(MAX_SESSIONS).default(2).describe('sessions with the token; each does one thing at a time'),
  callTimeoutMs: z
    .number()
    .int()
    .min(100)
    .max(60_000)
    .default(10_000)
    .describe('a call that is not answered by then ends the process that asks the token, and another is started'),
  environment: z
    .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'must be the name of a variable'))
    .max(32)
    .default(['SOFTHSM2_CONF'])
    .describe('variables of the environment that the library reads; that process gets no other'),
})

export type Pkcs11Config = z.output<typeof pkcs11Schema>
