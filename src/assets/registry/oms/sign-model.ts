import { createHash, type KeyObject } from 'node:crypto'
import { RedoubtError, type Signer } from '#foundation/core'
import { BUNDLE_MEDIA_TYPE } from './bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthenticationEncoding, signatureHash, verifyEcdsa } from './dsse.ts'
import { writeStatement, type SignedResource } from './statement.ts'

/**
 * Signs a model as OpenSSF Model Signing v1.0 in the shape of release 1.1.0: a Sigstore bundle v0.3 around a DSSE envelope
 * around an in-toto statement that lists the digest of every file.
 * @param signer EC key on P-256, P-384 or P-521; `sign` hashes as the curve demands and answers DER.
 * @returns the bundle as JSON text.
 * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` if the key is of another kind or the signer's answer does not verify.
 */
export async function signModel(ask: {
  readonly name: string
  readonly resources: readonly SignedResource[]
  readonly signer: Pick<Signer, 'publicKey' | 'sign'>
}): Promise<string> {
  if (signatureHash(ask.signer.publicKey) === null)
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'models are signed with an EC key on P-256, P-384 or P-521')
  const payload = writeStatement({ name: ask.name, resources: ask.resources, ignorePaths: [] })
  const message = preAuthenticationEncoding(IN_TOTO_PAYLOAD_TYPE, payload)
  const signature = await ask.signer.sign(message)
  // A signature by another key or hash would be found only at deployment, when the model can no longer be signed again.
  if (!verifyEcdsa(ask.signer.publicKey, message, signature))
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the signer gave a signature that does not verify')
  return JSON.stringify({
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint: publicKeyHint(ask.signer.publicKey) }, tlogEntries: [] },
    dsseEnvelope: {
      payload: Buffer.from(payload).toString('base64'),
      payloadType: IN_TOTO_PAYLOAD_TYPE,
      signatures: [{ sig: Buffer.from(signature).toString('base64'), keyid: '' }],
    },
  })
}

/** SHA-256 (hex) of the PEM text of the SubjectPublicKeyInfo, re-encoded, since a key file may begin with a text dump. */
export function publicKeyHint(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'pem' }))
    .digest('hex')
}
