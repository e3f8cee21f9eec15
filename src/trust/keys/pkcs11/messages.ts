/** What the server asks of the process that talks to the HSM; beside each the parts of the question → of the answer. */
export const ASK = {
  /** library, label, serial or nothing, PIN, number of sessions as text → nothing */
  open: 1,
  /** CKA_ID, label → nothing */
  makeKey: 2,
  /** CKA_ID, IV, additional data, material → ciphertext and tag */
  encrypt: 3,
  /** CKA_ID, IV, additional data, ciphertext and tag → material */
  decrypt: 4,
  /** CKA_ID, label, algorithm → nothing */
  makePair: 5,
  /** CKA_ID → CKA_EC_POINT */
  publicPoint: 6,
  /** CKA_ID, algorithm, digest (ES256) or message (Ed25519) → signature, r and s in turn */
  sign: 7,
  /** CKA_ID of a key → nothing, when it can be used */
  check: 8,
  /** algorithm → `1` where the token makes such pairs and signs with them, else `0` */
  knows: 9,
  /** CKA_ID of a key → nothing, when the token holds no such key any more */
  destroyKey: 10,
  /** nothing → how often this process did what with which key: `[[ASK, CKA_ID as hex, count], …]` as JSON; what failed is not counted */
  counts: 11,
} as const
export type Ask = (typeof ASK)[keyof typeof ASK]

/** The first part of every answer but `done` says what the library said. */
export const ANSWER = {
  done: 0,
  /** What was to be decrypted is not authentic. */
  notAuthentic: 1,
  /** Not to be tried again: tokens lock. */
  pinRefused: 2,
  /** No such token is there, or not any more. */
  tokenGone: 3,
  /** Sessions or login are gone: a new process logs in anew. */
  sessionLost: 4,
  keyUnknown: 5,
  /** A key under this name can leave the token, or was not made in it. */
  keyUnfit: 6,
  /** The package `pkcs11js` is not there or not built. */
  packageMissing: 7,
  libraryUnusable: 8,
  mechanismMissing: 9,
  failed: 10,
} as const
export type Answer = (typeof ANSWER)[keyof typeof ANSWER]

/** Of signing keys, as text on the wire. */
export type PairAlgorithm = 'Ed25519' | 'ES256'

/** IV of AES-GCM, and its tag, in bytes. */
export const IV_BYTES = 12
export const TAG_BYTES = 16
