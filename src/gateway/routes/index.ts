// Open Inference Protocol
export { type InferBounds, type InferRequest, parseInferRequest } from './open-inference.ts'
export {
  renderInferenceError,
  renderInferResponse,
  renderLive,
  renderModelMetadata,
  renderModelReady,
  renderReady,
  renderServerMetadata,
} from './open-inference-answers.ts'
export {
  type InferenceOperation,
  type InferenceRoute,
  type InferenceTarget,
  matchOpenInferencePath,
  OPEN_INFERENCE_ROUTES,
} from './open-inference-paths.ts'

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
