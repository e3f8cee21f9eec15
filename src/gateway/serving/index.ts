// ONNX models
export { type ForeignModelsConfig, foreignModelsSchema } from './onnx/config.ts'
export { createModelServer, type ModelServer, type ServedModel } from './onnx/model-server.ts'
export { type InferTensor, MAX_CALL_ELEMENTS, NULL_INTEGER, type TensorData } from './onnx/tensors.ts'
export type { TensorDatatype, TensorSpec } from '#assets/registry'
