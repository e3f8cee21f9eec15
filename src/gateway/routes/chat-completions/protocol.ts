import type { LanguageProtocol } from '../language-protocol.ts'
import { openAiHeaders, renderOpenAiError, streamErrorEvent } from '../openai-errors.ts'
import { type ChatRequest, MAX_REQUEST_BYTES, parseChatRequest } from './request.ts'
import { parseChatResponse } from './response.ts'
import { ChatStreamTransformer } from './stream.ts'

/** `POST /v1/chat/completions` in OpenAI's shape, JSON and SSE. */
export const CHAT_COMPLETIONS: LanguageProtocol<ChatRequest> = {
  name: 'openai.chat',
  api: 'openai',
  operation: 'chat/completions',
  maxBodyBytes: MAX_REQUEST_BYTES,
  parseRequest: (body) => parseChatRequest(body),
  parseAnswer: (body, request) => parseChatResponse(body, request.jsonAnswer),
  openStream: (request, options) =>
    new ChatStreamTransformer({
      ...options,
      includeUsage: request.includeUsage,
      choices: request.choices,
      promptTokens: request.promptTokens,
      jsonAnswer: request.jsonAnswer,
    }),
  headers: openAiHeaders,
  renderError: renderOpenAiError,
  renderStreamError: streamErrorEvent,
}
