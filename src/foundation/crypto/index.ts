export { type Argon2Parameters, argon2Schema, DEFAULT_ARGON2, deriveKeyArgon2id, newArgon2Salt } from './argon2id.ts'
export {
  type AuthorityRequest,
  createCertificateAuthority,
  issueServerCertificate,
  type ServerCertificate,
  type ServerCertificateRequest,
} from './certificates.ts'
export { constantTimeEqual } from './constant-time.ts'
export type { ByteSource } from './cut-segments.ts'
export { hkdf } from './hkdf.ts'
export { aesKeyUnwrapPad, aesKeyWrapPad } from './key-wrap.ts'
export { type FileKeys, keyIdOfRecipient, unwrapForPeople, wrapForRecipient } from './key-slots.ts'
export { type ObjectHeader } from './object-header.ts'
export {
  type HeaderSlots,
  type OpenedObject,
  openObject,
  type OpenObjectOptions,
  readHeaderSlots,
  readObjectHeader,
  type Rewrap,
  rewrapBothSlots,
  rewrapObject,
} from './open-object.ts'
export {
  needsPassphrase,
  newRecipient,
  openRecipientKey,
  parseRecipient,
  type Recipient,
  type RecipientKey,
  recipientText,
} from './recipient.ts'
export { pseudonymOf } from './pseudonym.ts'
export { openBytes, sealBytes, SEALED_OVERHEAD } from './seal-bytes.ts'
export { removeUnfinished, type SealedObject, sealObject, type SealObjectOptions, sealObjectUndigested } from './seal-object.ts'
export { type FileLock, openFile, type OpenedFile, sealFile } from './sealed-file.ts'
export { SEGMENT_1_MIB, SEGMENT_64_KIB, type SegmentSize } from './segment-layout.ts'
export { sha256, sha256Into } from './sha256.ts'
export { openStream, sealStream, type StreamOptions } from './stream.ts'
export { type Handshake, probeTls } from './probe-tls.ts'
export {
  HYBRID_ONLY,
  isHybridGroup,
  LEG_STRENGTHS,
  type LegStrength,
  type OutboundTls,
  outboundTls,
  type OutboundTlsOptions,
  TLS_OPTIONS,
} from './tls.ts'
export type { DataKey, KeyBinding, WrappedKey } from './wrapped-key.ts'
