import { MAX_REQUEST_BYTES } from '../chat-completions/request.ts'
import type { LanguageProtocol } from '../language-protocol.ts'
import { openAiHeaders, renderOpenAiError, streamErrorEvent } from '../openai-errors.ts'
import { parseCompletionAnswer } from './answer.ts'
import { type CompletionRequest, parseCompletionRequest } from './request.ts'
import { CompletionStream } from './stream.ts'

/** `POST /v1/completions` in OpenAI's shape, JSON and SSE. */
export const COMPLETIONS: LanguageProtocol<CompletionRequest> = {
  name: 'openai.completions',
  api: 'openai',
  operation: 'completions',
  maxBodyBytes: MAX_REQUEST_BYTES,
  parseRequest: parseCompletionRequest,
  parseAnswer: parseCompletionAnswer,
  openStream: (request, options) => new CompletionStream(request, options),
  headers: openAiHeaders,
  renderError: renderOpenAiError,
  renderStreamError: streamErrorEvent,
}
