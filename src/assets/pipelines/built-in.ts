import { ALGORITHMS, type Algorithm, HYPER_PARAMETERS } from '#assets/training'
import { manifestDigest } from '#foundation/storage'
import { type PipelineVersion, RESERVED_NAME, writeManifest } from './pipeline-version.ts'

/** The pipelines that come with Redoubt: an algorithm as it is, every column. Nobody edits them. */
export const BUILT_IN: readonly PipelineVersion[] = ALGORITHMS.map((algorithm) => {
  const { encoding: _encoding, minSteps: _steps, minBatch: _batch, hidden, ...choices } = HYPER_PARAMETERS[algorithm]
  const version = {
    name: `${RESERVED_NAME}/${algorithm}`,
    version: 1,
    dataset: null,
    model: null,
    algorithm,
    parameters: hidden.length === 0 ? choices : { ...choices, hidden: [...hidden] },
    leaveOut: [],
    seed: 1,
    author: { type: 'System', id: RESERVED_NAME },
    createdAt: 0,
  }
  return { ...version, digest: manifestDigest(writeManifest(version)), builtIn: true }
})

export function builtIn(algorithm: Algorithm): PipelineVersion {
  return BUILT_IN.find((pipeline) => pipeline.algorithm === algorithm)!
}
