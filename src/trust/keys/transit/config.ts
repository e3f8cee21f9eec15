import { z } from 'zod'
import { secretReference } from '#foundation/config'
import { httpsOrigin, legSchema } from '../outside/leg-config.ts'

const path = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(\/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}){0,7}$/

export const transitSchema = z.strictObject({
  kind: z.literal('transit').describe('key-encryption keys in the Transit engine of OpenBao or Vault; untested against the real service'),
  url: httpsOrigin.describe('address of the server'),
  mount: z.string().regex(path, 'must be the path of a mount').default('transit').describe('path of the engine'),
  namespace: z.string().regex(path, 'must be the path of a namespace').optional().describe('namespace, where the server has them'),
  keyPrefix: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,47}$/, 'must be lower-case letters, digits and hyphens')
    .default('redoubt')
    .describe('the keys are called `PREFIX-dataset`, `-model`, `-subject` and `-configuration`; no two installations share one'),
  token: secretReference.describe('reference to a token, read again when it was refused; renewed while it is renewable'),
  ...legSchema,
})

export type TransitConfig = z.output<typeof transitSchema>
