import { MAX_REQUEST_BYTES } from '../chat-completions/request.ts'
import type { LanguageProtocol } from '../language-protocol.ts'
import { openAiHeaders, renderOpenAiError } from '../openai-errors.ts'
import { parseResponseAnswer } from './answer.ts'
import { responsesErrorEvent } from './errors.ts'
import { parseResponsesRequest, type ResponsesRequest } from './request.ts'
import { ResponsesStream } from './stream.ts'

/** `POST /v1/responses` in OpenAI's shape, JSON and SSE, without memory: nothing is stored here or at the upstream. */
export const RESPONSES: LanguageProtocol<ResponsesRequest> = {
  name: 'openai.responses',
  api: 'openai',
  operation: 'responses',
  maxBodyBytes: MAX_REQUEST_BYTES,
  parseRequest: parseResponsesRequest,
  parseAnswer: parseResponseAnswer,
  openStream: (request, options) => new ResponsesStream(request, options),
  headers: openAiHeaders,
  renderError: renderOpenAiError,
  renderStreamError: responsesErrorEvent,
}
