import { z } from 'zod'
import { secretReference } from '#foundation/config'
import { httpsOrigin, legSchema } from '../outside/leg-config.ts'

export const awsKmsSchema = z.strictObject({
  kind: z.literal('aws-kms').describe('key-encryption keys in AWS KMS, a KMS key a version; untested against the real service'),
  region: z
    .string()
    .regex(/^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$/, 'must be the name of a region, like `eu-central-1`')
    .describe('region of the keys'),
  endpoint: httpsOrigin.optional().describe('an address of one’s own, as of a VPC endpoint; the region’s unless given'),
  credentials: z
    .strictObject({
      accessKeyId: secretReference.describe('reference'),
      secretAccessKey: secretReference.describe('reference'),
      sessionToken: secretReference.optional().describe('reference'),
    })
    .optional()
    .describe('the AWS client’s own chain (environment, web identity, role of the instance) unless given'),
  modelSigningKey: z
    .string()
    .min(1)
    .max(2048)
    .optional()
    .describe('ARN or alias of a KMS key ECC_NIST_P256 that signs models; without it the signing key is kept here, wrapped'),
  deletionWindowDays: z
    .number()
    .int()
    .min(7)
    .max(30)
    .default(30)
    .describe('how long AWS KMS keeps the key of a version that was destroyed here, 7 to 30 days: until then the account can call it back'),
  ...legSchema,
})

export type AwsKmsConfig = z.output<typeof awsKmsSchema>
