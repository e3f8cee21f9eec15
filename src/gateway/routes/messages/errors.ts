import type { RedoubtError } from '#foundation/core'
import { challengeOf, type Rendered } from '#gateway/pipeline'
import { finalHeaders } from '../openai-errors.ts'
import { formatSse } from '../sse.ts'

/** An error in the shape that Anthropic's clients read. `redoubt-code` carries the code of the error table as it is. */
export function renderAnthropicError(error: RedoubtError, requestId: string): Rendered {
  return {
    status: error.status,
    headers: {
      ...anthropicHeaders(requestId),
      'content-type': 'application/json',
      'redoubt-code': error.code,
      ...finalHeaders(error),
      // RFC 6750 §3: a 401 names the scheme; `invalid_token` only when there was one.
      ...(error.status === 401 ? { 'www-authenticate': challengeOf(error) } : {}),
    },
    body: JSON.stringify(anthropicErrorBody(error, requestId)),
  }
}

/** The same error inside a stream that has begun. */
export const anthropicErrorEvent = (error: RedoubtError, requestId: string): string =>
  formatSse(JSON.stringify(anthropicErrorBody(error, requestId)), 'error')

/** Their clients read `request-id`, ours and everybody's logs `x-request-id`. */
export const anthropicHeaders = (requestId: string): Record<string, string> => ({ 'x-request-id': requestId, 'request-id': requestId })

function anthropicErrorBody(error: RedoubtError, requestId: string): object {
  // The shape has no place for a code or a member, so the sentence begins with one and names the other.
  const message = `${error.code}: ${error.message}: ${error.next}`
  return { type: 'error', error: { type: errorType(error.status), message }, request_id: requestId }
}

function errorType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error'
    case 403:
      return 'permission_error'
    case 404:
      return 'not_found_error'
    case 413:
      return 'request_too_large'
    case 429:
      return 'rate_limit_error'
    case 503:
      return 'overloaded_error'
    case 504:
      return 'timeout_error'
    default:
      return status < 500 ? 'invalid_request_error' : 'api_error'
  }
}
