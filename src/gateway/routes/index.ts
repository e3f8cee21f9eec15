// chat completions
export { ChatRequest, DEFAULT_COMPLETION_TOKENS, MAX_REQUEST_BYTES, parseChatRequest } from './chat-completions/request.ts'
export { ChatResponse, parseChatResponse } from './chat-completions/response.ts'
export { type ChatStreamOptions, type ChatStreamState, ChatStreamTransformer } from './chat-completions/stream.ts'
export { type StreamRedactor } from './chat-completions/text-channel.ts'
export { type TextFilter } from './chat-completions/texts.ts'
export { type TokenUsage } from './chat-completions/usage.ts'
export {
  type OpenAiErrorBody,
  openAiErrorBody,
  type OpenAiErrorResponse,
  openAiHeaders,
  renderOpenAiError,
  streamErrorEvent,
} from './openai-errors.ts'
export { type ModelEntry, renderModel, renderModelList } from './openai-models.ts'
export { formatSse, SSE_DONE, type SseEvent, SseParser } from './sse.ts'
