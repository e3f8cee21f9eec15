export { chatRoutes } from './chat-routes.ts'
export { BODY_TIMEOUT_MS, collectBody } from './collect-body.ts'
export { httpReply } from './http-reply.ts'
export { loadInferenceService } from './open-inference-grpc/load.ts'
export type { InferenceService } from './open-inference-grpc/service.ts'
export { readRecordedRow } from './recorded-rows.ts'
export { openInferenceRoutes } from './open-inference-routes.ts'
export { inferenceErrorAnswer } from './open-inference-surface.ts'
export { renderAnthropicError } from './messages/errors.ts'
export { renderOpenAiError } from './openai-errors.ts'
export { createRouter, type Exchange, type Route } from './router.ts'

// For clients of the codecs outside of the server: benchmarks and conformance tests.
export { ChatStreamTransformer } from './chat-completions/stream.ts'
export { parseChatRequest } from './chat-completions/request.ts'
export { parseChatResponse } from './chat-completions/response.ts'
export { formatSse, SSE_DONE, SseParser } from './sse.ts'
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
