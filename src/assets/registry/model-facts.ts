import { type EntityFacts, type EntityUid, type JsonObject, SENSITIVITIES } from '#foundation/core'
import type { KeyUse } from '#trust/keys'
import type { ModelManifest, ModelVersion } from './model-version.ts'

/** What policies may know of a version. */
export function factsOf(version: ModelVersion, environment: string): EntityFacts {
  return {
    ...modelUid(version.name),
    attributes: {
      sensitivity: SENSITIVITIES.indexOf(version.sensitivity),
      purposes: version.purposes,
      signed: version.signed,
      quarantined: version.quarantined,
      foreign: version.foreign,
    },
    parents: [
      { type: 'ModelVersion', id: `${version.name}/${version.version}` },
      { type: 'Environment', id: environment },
    ],
  }
}

/** Callers hold a principal with all its facts; only its name is recorded and stored. */
export const uidOf = ({ type, id }: EntityUid): EntityUid => ({ type, id })

export const modelUid = (name: string): EntityUid => ({ type: 'Model', id: name })

export function keyUse(principal: EntityUid, purpose: string, name: string, requestId: string | undefined): KeyUse {
  return { principal: uidOf(principal), purpose, resource: modelUid(name), ...(requestId === undefined ? {} : { requestId }) }
}

/** What the record says of a version when it is registered. */
export function registration(manifest: ModelManifest): JsonObject {
  const { lineage } = manifest
  const { pipelineVersion } = lineage
  return {
    version: manifest.version,
    digest: manifest.digest,
    bytes: manifest.bytes,
    foreign: manifest.foreign,
    sensitivity: manifest.sensitivity,
    purposes: manifest.purposes,
    dataset: lineage.dataset,
    pipeline: lineage.pipeline,
    pipelineVersion: pipelineVersion
      ? {
          version: pipelineVersion.version,
          digest: pipelineVersion.digest,
          author: { ...pipelineVersion.author },
          ...(pipelineVersion.earlierAuthors ? { earlierAuthors: pipelineVersion.earlierAuthors.map((one) => ({ ...one })) } : {}),
        }
      : null,
    codeDigest: lineage.codeDigest,
    parent: lineage.parent,
    derivation: lineage.derivation ?? null,
  }
}
