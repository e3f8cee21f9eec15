import type { RedoubtError } from '#foundation/core'
import { openAiErrorBody } from '../openai-errors.ts'
import { formatSse } from '../sse.ts'

/**
 * An error inside a stream that has begun, in both shapes that clients read: the members beside the type, and OpenAI's `error` object.
 * @param sequence number of the event; left out where the stream is not known to whoever ends it.
 */
export function responsesErrorEvent(error: RedoubtError, requestId: string, sequence?: number): string {
  const { error: body } = openAiErrorBody(error)
  const { message, param, code } = body
  const numbered = sequence === undefined ? {} : { sequence_number: sequence }
  return formatSse(JSON.stringify({ type: 'error', ...numbered, code, message, param, error: body, request_id: requestId }), 'error')
}
