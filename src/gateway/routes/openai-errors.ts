import type { ErrorCode, RedoubtError } from '#foundation/core'
import { challengeOf } from '#gateway/pipeline'
import { formatSse } from './sse.ts'

/** The version of OpenAI's REST interface that clients expect to read. */
const OPENAI_VERSION = '2020-10-01'

export interface OpenAiErrorBody {
  readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string }
}

export interface OpenAiErrorResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** An error in the shape that OpenAI's clients read. `redoubt-code` carries the code of the error table as it is. */
export function renderOpenAiError(error: RedoubtError, requestId: string, processingMs?: number): OpenAiErrorResponse {
  const headers: Record<string, string> = {
    ...openAiHeaders(requestId, processingMs),
    'content-type': 'application/json',
    'redoubt-code': error.code,
    ...finalHeaders(error),
  }
  // RFC 6750 §3: a 401 names the scheme; `invalid_token` only when there was one.
  if (error.status === 401) headers['www-authenticate'] = challengeOf(error)
  return { status: error.status, headers, body: JSON.stringify(openAiErrorBody(error)) }
}

/** What tells clients whether and when to try again. */
export function finalHeaders(error: RedoubtError): Record<string, string> {
  const headers: Record<string, string> = {}
  if (isFinal(error.code)) headers['x-should-retry'] = 'false'
  const retryAfterMs = error.evidence['retryAfterMs']
  if (typeof retryAfterMs === 'number') {
    headers['retry-after-ms'] = String(Math.ceil(retryAfterMs))
    headers['retry-after'] = String(Math.ceil(retryAfterMs / 1000))
  }
  return headers
}

export function openAiErrorBody(error: RedoubtError): OpenAiErrorBody {
  const param = error.evidence['param']
  return {
    error: {
      message: `${error.message}: ${error.next}`,
      type: errorType(error.status),
      param: typeof param === 'string' ? param : null,
      code: errorCode(error),
    },
  }
}

/** The same error inside a stream that has begun. OpenAI's clients, LangChain and the AI SDK take it for a failure. */
export function streamErrorEvent(error: RedoubtError, requestId: string): string {
  return formatSse(JSON.stringify({ ...openAiErrorBody(error), request_id: requestId }))
}

export function openAiHeaders(requestId: string, processingMs?: number): Record<string, string> {
  const headers: Record<string, string> = { 'x-request-id': requestId, 'openai-version': OPENAI_VERSION }
  if (processingMs !== undefined) headers['openai-processing-ms'] = String(Math.max(0, Math.round(processingMs)))
  return headers
}

/** What a policy, a quota, a filter or a person refused will be refused again: clients are told not to try (they would, three times). */
function isFinal(code: ErrorCode): boolean {
  return /^ERR_(POLICY|LIMIT|FILTER|REVIEW)_/.test(code)
}

function errorType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error'
    case 403:
      return 'permission_error'
    case 429:
      return 'rate_limit_error'
    default:
      return status < 500 ? 'invalid_request_error' : 'api_error'
  }
}

/** Answers that were cut for what they are. */
const CUT: ReadonlySet<string> = new Set(['ERR_FILTER_CANARY', 'ERR_FILTER_TOOL_CALL'])

function errorCode(error: RedoubtError): string {
  if (error.code.startsWith('ERR_FILTER_BLOCKED_') || CUT.has(error.code)) return 'content_filter'
  if (error.code === 'ERR_MODEL_UNKNOWN' || error.code === 'ERR_MODEL_UNDEPLOYED') return 'model_not_found'
  const upstream = error.code === 'ERR_UPSTREAM_REJECTED' ? error.evidence['upstreamCode'] : null
  return typeof upstream === 'string' ? upstream : error.code.toLowerCase()
}
