import { z } from 'zod'

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/)

/** What a browser sends from `navigator.credentials.get`, cut to what is used. */
export const assertionResponse = z.object({
  id: base64url.max(1_400),
  rawId: base64url.max(1_400),
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: base64url.max(4_096),
    authenticatorData: base64url.max(4_096),
    signature: base64url.max(2_048),
    userHandle: base64url.max(128).nullish(),
  }),
})
export type AssertionResponse = z.output<typeof assertionResponse>
