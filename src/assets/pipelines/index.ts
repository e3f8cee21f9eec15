export { builtIn } from './built-in.ts'
export { checkedDefinition, definitionSchema, demandName, type PipelineDefinition, type PipelineVersion } from './pipeline-version.ts'
export { openPipelines, type Pipelines, type RunEnd } from './pipelines.ts'
