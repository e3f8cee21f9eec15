import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import type * as Kms from '@aws-sdk/client-kms'
import { asRedoubtError, RedoubtError } from '#foundation/core'
import type { KeyBinding } from '#foundation/crypto'
import type { KeyReference } from '../key-provider.ts'
import type { KeyClass } from '../keys.ts'
import { countedService } from '../outside/counted-service.ts'
import { HttpsLeg } from '../outside/https-leg.ts'
import type { KeyVersion } from '../outside/key-records.ts'
import type { HeldSigningKey, KeyService } from '../outside/outside-provider.ts'
import { type Pause, retried } from '../outside/retried.ts'
import type { AwsKmsConfig } from './config.ts'
import { fromKms } from './kms-errors.ts'

export interface AwsKmsOptions {
  readonly resolveSecret: (reference: string) => string
  readonly pause?: Pause
}

type Library = typeof Kms
type Call<Output> = (client: Kms.KMSClient, library: Library) => Promise<Output>

/** Loads the AWS client, which is optional and 50 ms of work. */
async function library(): Promise<Library> {
  try {
    return await import('@aws-sdk/client-kms')
  } catch (cause) {
    throw new RedoubtError(
      'ERR_CONFIG_INVALID',
      '`keys.provider.kind: aws-kms` needs the package `@aws-sdk/client-kms`: run `npm ci` with optional dependencies',
      {
        cause,
      },
    )
  }
}

/** AWS KMS by its own client, over our leg: one KMS key a version, the binding as encryption context. Repeats what fails in passing. */
export async function awsKmsService(config: AwsKmsConfig, { resolveSecret, pause }: AwsKmsOptions): Promise<KeyService> {
  const kms = await library()
  const leg = new HttpsLeg({ caFile: config.ca, hybridGroup: config.hybridGroup, timeoutMs: config.timeoutMs })
  const { credentials } = config
  const client = new kms.KMSClient({
    region: config.region,
    ...(config.endpoint === undefined ? {} : { endpoint: config.endpoint }),
    ...(credentials === undefined
      ? {}
      : {
          credentials: {
            accessKeyId: resolveSecret(credentials.accessKeyId),
            secretAccessKey: resolveSecret(credentials.secretAccessKey),
            ...(credentials.sessionToken === undefined ? {} : { sessionToken: resolveSecret(credentials.sessionToken) }),
          },
        }),
    // Repeating is ours, so that it has one bound and one pause.
    maxAttempts: 1,
    requestHandler: handlerOver(leg),
  })
  const call = <Output>(send: Call<Output>): Promise<Output> =>
    retried(async () => {
      try {
        return await send(client, kms)
      } catch (thrown) {
        throw fromKms(thrown)
      }
    }, pause)
  const close = (): void => {
    client.destroy()
    void leg.close()
  }
  const held =
    config.modelSigningKey === undefined
      ? {}
      : {
          held: [
            await heldKey(config.modelSigningKey, call).catch((thrown: unknown) => {
              close()
              throw thrown
            }),
          ],
        }
  return countedService({
    kind: 'aws-kms',
    ...held,
    async make({ keyId, version, keyClass }) {
      const { KeyMetadata: made } = await call((client, { CreateKeyCommand }) =>
        client.send(new CreateKeyCommand(newKey({ keyId, version, keyClass }))),
      )
      if (made?.Arn === undefined) throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL')
      return made.Arn
    },
    async wrap(version, material, binding) {
      const input = { KeyId: version.reference, Plaintext: material, EncryptionContext: contextOf(version, binding) }
      const { CiphertextBlob: wrapped, KeyId } = await call((client, { EncryptCommand }) => client.send(new EncryptCommand(input)))
      if (wrapped === undefined || KeyId !== version.reference)
        throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'AWS KMS answered for another key')
      return wrapped
    },
    async unwrap(version, wrapped, binding) {
      const input = { KeyId: version.reference, CiphertextBlob: wrapped, EncryptionContext: contextOf(version, binding) }
      const { Plaintext: material, KeyId } = await call((client, { DecryptCommand }) => client.send(new DecryptCommand(input)))
      if (material === undefined || KeyId !== version.reference)
        throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'AWS KMS answered for another key')
      return material
    },
    async destroy({ reference }) {
      const state = await stateOf(reference, call)
      // Told before, perhaps by a start that was cut off, or by whoever runs the account.
      if (state === null) return null
      if (state.KeyState === 'PendingDeletion' || state.KeyState === 'PendingReplicaDeletion') return state.DeletionDate?.getTime() ?? null
      const input = { KeyId: reference, PendingWindowInDays: config.deletionWindowDays }
      const { DeletionDate } = await call((client, { ScheduleKeyDeletionCommand }) => client.send(new ScheduleKeyDeletionCommand(input)))
      if (DeletionDate === undefined) throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'AWS KMS does not say when the key ends')
      return DeletionDate.getTime()
    },
    async probe({ reference }) {
      const { KeyMetadata: key } = await call((client, { DescribeKeyCommand }) => client.send(new DescribeKeyCommand({ KeyId: reference })))
      if (key?.KeyState !== 'Enabled')
        throw new RedoubtError('ERR_KEYS_DISABLED', `AWS KMS has the key as \`${key?.KeyState ?? 'unknown'}\``)
    },
    close,
  })
}

/** @returns null for a key that is gone. */
async function stateOf(KeyId: string, call: <Output>(send: Call<Output>) => Promise<Output>): Promise<Kms.KeyMetadata | null> {
  try {
    const { KeyMetadata } = await call((client, { DescribeKeyCommand }) => client.send(new DescribeKeyCommand({ KeyId })))
    if (KeyMetadata === undefined) throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL')
    return KeyMetadata
  } catch (thrown) {
    if (asRedoubtError(thrown).code === 'ERR_KEYS_UNKNOWN') return null
    throw thrown
  }
}

/** Each value is bound and shows in CloudTrail, beside who asked. */
function contextOf({ keyId, version }: KeyVersion, { tenant, resource, purpose }: KeyBinding): Record<string, string> {
  return { tenant, resource, keyId, version: String(version), purpose }
}

function newKey({ keyId, version, keyClass }: KeyReference & { readonly keyClass: KeyClass }): Kms.CreateKeyCommandInput {
  return {
    Description: `Redoubt ${keyClass} version ${version} (${keyId})`,
    KeySpec: 'SYMMETRIC_DEFAULT',
    KeyUsage: 'ENCRYPT_DECRYPT',
    Tags: [
      { TagKey: 'redoubt:class', TagValue: keyClass },
      { TagKey: 'redoubt:key', TagValue: keyId },
      { TagKey: 'redoubt:version', TagValue: String(version) },
    ],
  }
}

async function heldKey(KeyId: string, call: <Output>(send: Call<Output>) => Promise<Output>): Promise<HeldSigningKey> {
  const found = await call((client, { GetPublicKeyCommand }) => client.send(new GetPublicKeyCommand({ KeyId })))
  if (found.KeySpec !== 'ECC_NIST_P256' || found.KeyUsage !== 'SIGN_VERIFY' || found.PublicKey === undefined || found.KeyId === undefined)
    throw new RedoubtError('ERR_CONFIG_INVALID', '`keys.provider.modelSigningKey` is no key ECC_NIST_P256 for signing')
  // The key's own ARN: an alias that is led elsewhere later does not change who signs.
  const reference = found.KeyId
  return {
    name: 'model-signing',
    reference,
    publicKey: publicKeyOf(found.PublicKey),
    async sign(message) {
      const digest = createHash('sha256').update(message).digest()
      const input = { KeyId: reference, Message: digest, MessageType: 'DIGEST', SigningAlgorithm: 'ECDSA_SHA_256' } as const
      const { Signature: signature } = await call((client, { SignCommand }) => client.send(new SignCommand(input)))
      if (signature === undefined) throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL')
      return signature
    },
  }
}

function publicKeyOf(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch {
    throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'AWS KMS gave a public key that is none')
  }
}

/** What the AWS client asks of whoever carries its requests. */
interface AwsRequest {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

/** The client's requests over our leg; what comes back is whole and bounded before the client parses any of it. */
function handlerOver(leg: HttpsLeg): NonNullable<Kms.KMSClientConfig['requestHandler']> {
  return {
    async handle({ protocol, hostname, port, method, path, headers, body }: AwsRequest) {
      const origin = `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`
      const answer = await leg.send({ origin, method, path, headers, ...(body === undefined ? {} : { body }) })
      return { response: { statusCode: answer.status, headers: answer.headers, body: answer.body } as never }
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
    destroy() {},
  } as NonNullable<Kms.KMSClientConfig['requestHandler']>
}
