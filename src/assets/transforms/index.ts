export {
  checkedTransform,
  malformedTransform,
  MAX_DEFINITION_BYTES,
  MAX_DEFINITION_DEPTH,
  sourcesOf,
  type TransformDefinition,
  transformSchema,
} from './definition.ts'
export { type Plan, planOf, type SourceFacts } from './plan.ts'
export { type RunAsk, runTransform, type RunPorts, type RunSource } from './run-transform.ts'
export { demandName, type TransformVersion } from './transform-version.ts'
export { demandGoesOn, type TransformRun, TransformRuns } from './transform-runs.ts'
export { openTransforms, type Transforms } from './transforms.ts'
