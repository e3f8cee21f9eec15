import { ERROR_TABLE, type ErrorCode } from './error-table.ts'

/** Of access tokens: RFC 6750, and RFC 9449 for those that are bound to a key. */
export type AuthenticationScheme = 'Bearer' | 'DPoP'

/**
 * The one error class: a question could not be answered. "No" is a value, not an error.
 * `message` is lower case, without full stop, user input in backticks, never a secret, key, token or prompt text.
 * `evidence` is machine-readable and safe to show (line numbers, member names, limits).
 */
export class RedoubtError extends Error {
  readonly code: ErrorCode
  readonly evidence: Readonly<Record<string, string | number | boolean | null>>
  /** How the refused credentials are to be presented: what a 401 says in `www-authenticate` (RFC 9110 §11.6.1). */
  readonly scheme: AuthenticationScheme

  constructor(
    code: ErrorCode,
    message: string = ERROR_TABLE[code].title,
    options: { cause?: unknown; evidence?: Readonly<Record<string, string | number | boolean | null>>; scheme?: AuthenticationScheme } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'RedoubtError'
    this.code = code
    this.evidence = options.evidence ?? {}
    this.scheme = options.scheme ?? 'Bearer'
  }

  get status(): number {
    return ERROR_TABLE[this.code].status
  }

  get next(): string {
    return ERROR_TABLE[this.code].next
  }
}

/** Turns anything thrown into a RedoubtError; what is not one of ours becomes `ERR_INTERNAL` with its cause kept. */
export function asRedoubtError(thrown: unknown, fallback: ErrorCode = 'ERR_INTERNAL'): RedoubtError {
  return thrown instanceof RedoubtError ? thrown : new RedoubtError(fallback, ERROR_TABLE[fallback].title, { cause: thrown })
}
