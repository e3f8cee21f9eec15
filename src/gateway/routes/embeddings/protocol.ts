import { MAX_REQUEST_BYTES } from '../chat-completions/request.ts'
import type { LanguageProtocol } from '../language-protocol.ts'
import { openAiHeaders, renderOpenAiError, streamErrorEvent } from '../openai-errors.ts'
import { parseEmbeddingAnswer } from './answer.ts'
import { type EmbeddingRequest, parseEmbeddingRequest } from './request.ts'

/** `POST /v1/embeddings` in OpenAI's shape. */
export const EMBEDDINGS: LanguageProtocol<EmbeddingRequest> = {
  name: 'openai.embeddings',
  api: 'openai',
  operation: 'embeddings',
  maxBodyBytes: MAX_REQUEST_BYTES,
  parseRequest: parseEmbeddingRequest,
  parseAnswer: parseEmbeddingAnswer,
  headers: openAiHeaders,
  renderError: renderOpenAiError,
  renderStreamError: streamErrorEvent,
}
