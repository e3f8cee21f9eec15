import { awsKmsSchema } from '../aws-kms/config.ts'
import { FAKE_CREDENTIALS, FakeKms } from '../aws-kms/fake-kms.fixtures.ts'
import { transitSchema } from '../transit/config.ts'
import { FakeTransit } from '../transit/fake-transit.fixtures.ts'

const SECRETS = {
  REDOUBT_TEST_TOKEN: 'fake-token',
  REDOUBT_TEST_ID: FAKE_CREDENTIALS.accessKeyId,
  REDOUBT_TEST_SECRET: FAKE_CREDENTIALS.secretAccessKey,
}

/** A fake of Transit and one of AWS KMS, on the wire, and what is said of each; their secrets are in the environment until they stop. */
export async function startFakeServices() {
  const [bao, kms] = [await FakeTransit.start(), await FakeKms.start()]
  Object.assign(process.env, SECRETS)
  const transit = transitSchema.parse({ kind: 'transit', url: bao.server.origin, ca: bao.server.caFile, token: 'env:REDOUBT_TEST_TOKEN' })
  const credentials = { accessKeyId: 'env:REDOUBT_TEST_ID', secretAccessKey: 'env:REDOUBT_TEST_SECRET' }
  const { origin: endpoint, caFile: ca } = kms.server
  const awsKms = awsKmsSchema.parse({ kind: 'aws-kms', region: 'eu-central-1', endpoint, ca, credentials })
  return {
    bao,
    kms,
    transit,
    awsKms,
    stop: async (): Promise<void> => {
      await bao.server.stop()
      await kms.server.stop()
      for (const name of Object.keys(SECRETS)) delete process.env[name]
    },
  }
}
