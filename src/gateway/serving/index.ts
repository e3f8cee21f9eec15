// ONNX models
export { type ForeignModelsConfig, foreignModelsSchema } from './onnx/config.ts'
export { type ExplainedValue, explainRow, type RowExplanation } from './onnx/explain-row.ts'
export { createModelServer, type ModelServer, type ServedModel } from './onnx/model-server.ts'
export { type InferTensor, MAX_CALL_ELEMENTS, NULL_INTEGER, type TensorData } from './onnx/tensors.ts'
export type { TensorDatatype, TensorSpec } from '#assets/registry'

// upstreams
export {
  chatModelSchema,
  UPSTREAM_APIS,
  type UpstreamApi,
  type UpstreamConfig,
  type UpstreamsConfig,
  upstreamSchema,
  upstreamsSchema,
} from './upstreams/config.ts'
export { type UpstreamExchange, type UpstreamHandler } from './upstreams/exchange.ts'
export { type Attempt, dispatchInOrder } from './upstreams/failover.ts'
export { type UpstreamHealth } from './upstreams/probe.ts'
export { readUpstreamError } from './upstreams/upstream-errors.ts'
export { createUpstreams, type DispatchOptions, type UpstreamRoute, type Upstreams } from './upstreams/upstreams.ts'

// sandbox
export { SANDBOX_MODEL, type SandboxResponder, startSandboxResponder } from './sandbox/sandbox-responder.ts'
