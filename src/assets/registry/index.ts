export type { Deployment, Lineage, ModelManifest, ModelVersion } from './model-version.ts'
export { MODEL_NAME } from './model-version.ts'
export { publicKeyHint, signModel } from './oms/sign-model.ts'
export type { SignedResource, Statement } from './oms/statement.ts'
export { type Trust, verifyModel, type Verified, type VerifyOptions } from './oms/verify-model.ts'
export type { Failure as VerifyFailure, VerifyStep } from './oms/bundle.ts'
export { IN_TOTO_PAYLOAD_TYPE, preAuthenticationEncoding } from './oms/dsse.ts'
export { admitOnnx, type AdmittedModel, REDOUBT_METADATA } from './onnx/admit-onnx.ts'
export { TENSOR_DATATYPES, type TensorDatatype, type TensorSpec } from './onnx/element-types.ts'
export { MAX_MODEL_BYTES } from './onnx/read-onnx-model.ts'
export {
  type ActOptions,
  type DeployOptions,
  type OpenOptions,
  openRegistry,
  type RegisterAsk,
  type Registry,
  type StagedModel,
} from './registry.ts'
export { isVerifiedModel, type VerifiedModel } from './verified-model.ts'
