import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import type { Duplex } from 'node:stream'

/** As much of `@aws-crypto/client-node` as is measured; its types are installed with it, after this was compiled. */
interface Sdk {
  readonly buildClient: (policy: string) => {
    readonly encryptStream: (keyring: unknown, options: object) => Duplex
    readonly decryptStream: (keyring: unknown, options: object) => Duplex
  }
  readonly RawAesKeyringNode: new (options: object) => unknown
  readonly CommitmentPolicy: { readonly REQUIRE_ENCRYPT_REQUIRE_DECRYPT: string }
  readonly RawAesWrappingSuiteIdentifier: { readonly AES256_GCM_IV12_TAG16_NO_PADDING: number }
  readonly AlgorithmSuiteIdentifier: { readonly ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY: number }
}

export interface AwsStreams {
  readonly version: string
  encrypt(): Duplex
  decrypt(): Duplex
}

/** The AWS Encryption SDK with a raw AES key, key commitment and no signature, as near to our suite as it has one; the signed suite is slower. */
export function openAwsSdk(frameLength: number): AwsStreams {
  const require = createRequire(import.meta.url)
  const name = '@aws-crypto/client-node'
  const sdk = require(name) as Sdk
  const { version } = require(`${name}/package.json`) as { version: string }
  const { encryptStream, decryptStream } = sdk.buildClient(sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
  const keyring = new sdk.RawAesKeyringNode({
    keyName: 'bench',
    keyNamespace: 'bench',
    // The SDK wants memory of the key's own.
    unencryptedMasterKey: Uint8Array.from(randomBytes(32)),
    wrappingSuite: sdk.RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  })
  const suiteId = sdk.AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY
  return {
    version,
    encrypt: () => encryptStream(keyring, { suiteId, frameLength }),
    decrypt: () => decryptStream(keyring, { maxBodySize: frameLength }),
  }
}
