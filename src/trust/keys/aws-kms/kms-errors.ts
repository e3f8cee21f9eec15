import { type ErrorCode, RedoubtError } from '#foundation/core'

const CODES: Readonly<Record<string, readonly [ErrorCode, string?]>> = {
  ThrottlingException: ['ERR_KEYS_PROVIDER_BUSY'],
  TooManyRequestsException: ['ERR_KEYS_PROVIDER_BUSY'],
  LimitExceededException: ['ERR_KEYS_PROVIDER_BUSY', 'a quota of AWS KMS is used up'],
  AccessDeniedException: ['ERR_KEYS_PROVIDER_DENIED', 'AWS KMS refuses what was asked: see the policy of the key and of these credentials'],
  UnrecognizedClientException: ['ERR_KEYS_PROVIDER_DENIED'],
  InvalidClientTokenId: ['ERR_KEYS_PROVIDER_DENIED'],
  IncompleteSignature: ['ERR_KEYS_PROVIDER_DENIED'],
  IncompleteSignatureException: ['ERR_KEYS_PROVIDER_DENIED'],
  MissingAuthenticationToken: ['ERR_KEYS_PROVIDER_DENIED'],
  MissingAuthenticationTokenException: ['ERR_KEYS_PROVIDER_DENIED'],
  ExpiredTokenException: ['ERR_KEYS_PROVIDER_DENIED', 'the credentials for AWS KMS have expired'],
  CredentialsProviderError: ['ERR_KEYS_PROVIDER_DENIED', 'no credentials for AWS KMS were found'],
  DisabledException: ['ERR_KEYS_DISABLED'],
  KMSInvalidStateException: ['ERR_KEYS_DISABLED', 'the key is not enabled, or waits for its deletion'],
  NotFoundException: ['ERR_KEYS_UNKNOWN', 'AWS KMS has no such key'],
  InvalidCiphertextException: ['ERR_CRYPTO_AUTHENTICATION', 'AWS KMS did not wrap this key for this place'],
  IncorrectKeyException: ['ERR_CRYPTO_AUTHENTICATION', 'AWS KMS did not wrap this key under this version'],
  KMSInternalException: ['ERR_KEYS_PROVIDER_UNAVAILABLE'],
  DependencyTimeoutException: ['ERR_KEYS_PROVIDER_UNAVAILABLE'],
  KeyUnavailableException: ['ERR_KEYS_PROVIDER_UNAVAILABLE'],
  // The client has set its clock by the answer when one of these comes, so that the next try may succeed.
  RequestTimeTooSkewed: ['ERR_KEYS_PROVIDER_UNAVAILABLE', 'the clock of this host differs from that of AWS'],
  RequestExpired: ['ERR_KEYS_PROVIDER_UNAVAILABLE', 'the clock of this host differs from that of AWS'],
}
const TOO_MANY = 429
const SERVER_ERROR = 500

interface ServiceError {
  readonly name: string
  readonly message: string
  readonly $metadata?: { readonly httpStatusCode?: number }
}

/** What the AWS client threw, in our words; its message stays out but for telling a wrong clock from a wrong key. */
export function fromKms(thrown: unknown): RedoubtError {
  if (thrown instanceof RedoubtError) return thrown
  if (!(thrown instanceof Error)) return new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL')
  const { name, message, $metadata }: ServiceError = thrown
  const status = $metadata?.httpStatusCode ?? 0
  const evidence = { reason: name.slice(0, 64), status }
  if (name === 'InvalidSignatureException')
    return /expired|not yet current/i.test(message)
      ? new RedoubtError('ERR_KEYS_PROVIDER_UNAVAILABLE', 'the clock of this host differs from that of AWS', { evidence })
      : new RedoubtError('ERR_KEYS_PROVIDER_DENIED', 'AWS KMS does not accept the signature: the secret access key is another', {
          evidence,
        })
  const known = Object.hasOwn(CODES, name) ? CODES[name] : undefined
  if (known !== undefined) return new RedoubtError(known[0], known[1], { evidence })
  if (status === TOO_MANY) return new RedoubtError('ERR_KEYS_PROVIDER_BUSY', undefined, { evidence })
  if (status >= SERVER_ERROR) return new RedoubtError('ERR_KEYS_PROVIDER_UNAVAILABLE', undefined, { evidence })
  return new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', undefined, { evidence })
}
