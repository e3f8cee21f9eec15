import { MAX_REQUEST_BYTES } from '../chat-completions/request.ts'
import type { LanguageProtocol } from '../language-protocol.ts'
import { parseMessageAnswer, parseTokenCount } from './answer.ts'
import { anthropicErrorEvent, anthropicHeaders, renderAnthropicError } from './errors.ts'
import { type MessagesRequest, parseMessagesRequest } from './request.ts'
import { MessagesStream } from './stream.ts'

const SHARED = {
  api: 'anthropic',
  maxBodyBytes: MAX_REQUEST_BYTES,
  passedHeaders: ['anthropic-version', 'anthropic-beta'],
  headers: anthropicHeaders,
  renderError: renderAnthropicError,
  renderStreamError: anthropicErrorEvent,
} as const

/** `POST /v1/messages` in Anthropic's shape, JSON and SSE. */
export const MESSAGES: LanguageProtocol<MessagesRequest> = {
  ...SHARED,
  name: 'anthropic.messages',
  operation: 'messages',
  parseRequest: (body) => parseMessagesRequest(body),
  parseAnswer: parseMessageAnswer,
  openStream: (request, options) => new MessagesStream(request, options),
}

/** `POST /v1/messages/count_tokens`. What is counted leaves the house, so it is decided and filtered like what is answered. */
export const COUNT_TOKENS: LanguageProtocol<MessagesRequest> = {
  ...SHARED,
  name: 'anthropic.count_tokens',
  operation: 'messages/count_tokens',
  parseRequest: (body) => parseMessagesRequest(body, true),
  parseAnswer: parseTokenCount,
}
