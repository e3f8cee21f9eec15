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
