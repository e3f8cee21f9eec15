import { ANSWER, type Answer } from './messages.ts'

const MAX_REASON_LENGTH = 200

/** Return values of PKCS#11 3.0 that say more than "it failed". */
const GENERAL_ERROR = 0x05
const FUNCTION_FAILED = 0x06
const CKR: ReadonlyMap<number, Answer> = new Map([
  [0x03, ANSWER.tokenGone], // SLOT_ID_INVALID
  [0x30, ANSWER.tokenGone], // DEVICE_ERROR
  [0x32, ANSWER.tokenGone], // DEVICE_REMOVED
  [0xe0, ANSWER.tokenGone], // TOKEN_NOT_PRESENT
  [0xe1, ANSWER.tokenGone], // TOKEN_NOT_RECOGNIZED
  [0xb0, ANSWER.sessionLost], // SESSION_CLOSED
  [0xb3, ANSWER.sessionLost], // SESSION_HANDLE_INVALID
  [0x101, ANSWER.sessionLost], // USER_NOT_LOGGED_IN
  [0x190, ANSWER.sessionLost], // CRYPTOKI_NOT_INITIALIZED
  [0x70, ANSWER.mechanismMissing], // MECHANISM_INVALID
  [0xa0, ANSWER.pinRefused], // PIN_INCORRECT
  [0xa1, ANSWER.pinRefused], // PIN_INVALID
  [0xa2, ANSWER.pinRefused], // PIN_LEN_RANGE
  [0xa3, ANSWER.pinRefused], // PIN_EXPIRED
  [0xa4, ANSWER.pinRefused], // PIN_LOCKED
  [0x102, ANSWER.pinRefused], // USER_PIN_NOT_INITIALIZED
])
/** What tokens say of a tag that does not fit; SoftHSM says GENERAL_ERROR. */
const NOT_AUTHENTIC: readonly number[] = [GENERAL_ERROR, FUNCTION_FAILED, 0x20, 0x21, 0x40, 0x41, 0x42, 0xc0]
/** KEY_HANDLE_INVALID, OBJECT_HANDLE_INVALID. */
const HANDLE_GONE: readonly number[] = [0x60, 0x82]

/** A refusal of the token or of its library, as it goes over the wire. */
export class TokenFailure extends Error {
  readonly answer: Answer

  constructor(answer: Answer, message: string) {
    super(message)
    this.name = 'TokenFailure'
    this.answer = answer
  }
}

/** The CKR number of what `pkcs11js` threw, which it hands over now as a number, now at the end of the message; null when there is none. */
export function ckrOf(thrown: unknown): number | null {
  const { code, message } = (thrown ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  if (typeof code === 'number' && code > 0) return code
  const digits = typeof message === 'string' ? /^CKR_[A-Z_0-9]+:(\d{1,10})/.exec(message)?.[1] : undefined
  return digits === undefined ? null : Number(digits)
}

export function isHandleGone(thrown: unknown): boolean {
  return HANDLE_GONE.includes(ckrOf(thrown) ?? 0)
}

export function isNotAuthentic(thrown: unknown): boolean {
  return NOT_AUTHENTIC.includes(ckrOf(thrown) ?? 0)
}

export function failureOf(thrown: unknown, fallback: Answer = ANSWER.failed): TokenFailure {
  if (thrown instanceof TokenFailure) return thrown
  return new TokenFailure(CKR.get(ckrOf(thrown) ?? 0) ?? fallback, reasonOf(thrown))
}

/** Short and printable: it comes from a library that is not ours. */
export function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : 'no reason given'
  return text.replace(/[^\x20-\x7e]/g, ' ').slice(0, MAX_REASON_LENGTH)
}
