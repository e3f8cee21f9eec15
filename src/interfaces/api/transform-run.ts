import type { FastifyReply, FastifyRequest } from 'fastify'
import { accessOf, type DatasetVersion, type ImportedVersion } from '#assets/datasets'
import { planOf, type RunSource, sourcesOf, type TransformDefinition, type TransformVersion } from '#assets/transforms'
import { asRedoubtError, type Decision, type JsonObject, RedoubtError } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { callerOf, demandTogether, systemPart } from './guard.ts'
import type { Lanes } from './heavy-work.ts'
import { longOperation } from './long-operation.ts'
import { transformFacts } from './transform-facts.ts'

/** @throws {RedoubtError} `ERR_DATA_UNKNOWN`, also for a version that was withdrawn. */
export function versionsOf({ datasets }: Pick<ControlPlane, 'datasets'>, definition: TransformDefinition): readonly DatasetVersion[] {
  return sourcesOf(definition).map(({ dataset, version: number }) => {
    const version = datasets.get(dataset, number)
    if (!version)
      throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${dataset}\`${number === undefined ? '' : ` version ${number}`}`)
    return version
  })
}

/** The sources as the decisions let them be read: rows by their conditions, columns by their masks. @throws {RedoubtError} `ERR_DATA_COLUMN`. */
export function runSources(
  plane: ControlPlane,
  request: FastifyRequest,
  versions: readonly DatasetVersion[],
  decisions: readonly Decision[],
): readonly RunSource[] {
  const { facts: principal, purpose } = callerOf(request)
  return versions.map((version, i) => {
    const { name, subject, sensitivity, purposes, legalBasis } = version
    const use = { principal, purpose, resource: { type: 'Dataset', id: name }, requestId: request.redoubtRequestId }
    const access = accessOf('transform', decisions[i]!)
    const { columns, masked } = plane.datasets.read(version, use, access)
    const facts = { name, columns, masked, subject, sensitivity, purposes, legalBasis, scan: plane.datasets.scan(version) }
    return { version, facts, access, use }
  })
}

/** That the reader may make a version of the target. @throws {RedoubtError} `ERR_CONFLICT`. */
function demandTarget({ collections }: ControlPlane, name: string): void {
  if (collections.get(name)?.state === 'open')
    throw new RedoubtError('ERR_CONFLICT', `rows are collected for \`${name}\`; let the transform write into another data set`)
}

/**
 * Runs a version of a transform and answers progress as NDJSON, first of all the id of the run: asks `runTransform` of the transform, `transform` of each data set that it
 * reads, `import` of the one that it writes.
 * @throws {RedoubtError} `ERR_DATA_UNKNOWN`, `ERR_TRANSFORM_DEFINITION`, `ERR_CONFLICT`, or as `demand`, before the answer begins.
 */
export async function answerRun(
  plane: ControlPlane,
  lanes: Lanes,
  request: FastifyRequest,
  reply: FastifyReply,
  transform: TransformVersion,
): Promise<void> {
  const { name, version, digest, author, definition } = transform
  const versions = versionsOf(plane, definition)
  const target = definition.to.dataset
  // An approval is of this version and these data.
  const meant: JsonObject = {
    transform: { name, version, digest },
    sources: versions.map((source) => ({ name: source.name, version: source.version, digest: source.digest })),
    target,
  }
  const about = { meant, author }
  const { decisions, mayGoOn } = await demandTogether(plane, request, [
    { action: 'runTransform', resource: () => transformFacts(plane, name, transform), about },
    { action: 'import', resource: () => systemPart(`dataset:${target}`), about },
    ...versions.map((source) => ({
      action: 'transform' as const,
      resource: () => plane.datasets.facts(source),
      about,
      readsRows: true as const,
    })),
  ])
  demandTarget(plane, target)
  const sources = runSources(plane, request, versions, decisions.slice(2))
  // Before the answer begins: what is not sound is a refusal, not the end of a run.
  planOf(
    definition,
    sources.map(({ facts }) => facts),
  )
  const requestId = request.redoubtRequestId
  const by = callerOf(request).facts
  await longOperation(reply, { requestId, mayGoOn }, async (progress, gone) => {
    const run = plane.transformRuns.open(transform, by)
    const signal = AbortSignal.any([gone, run.signal])
    // First of all, so that a run that waits can be cancelled too.
    progress({ run: run.id, rows: 0 })
    try {
      const work = (): Promise<ImportedVersion> => {
        run.begun()
        const told = (rows: number): void => {
          run.progress(rows)
          progress({ run: run.id, rows })
        }
        return plane.runTransform({ transform, run: run.id, sources, by, requestId, signal, mayGoOn, progress: told })
      }
      const made = await lanes.transforms.run(work, signal, `${by.type}::${by.id}`)
      run.ended({ made: made.version })
      return made
    } catch (thrown) {
      run.ended({ code: asRedoubtError(thrown).code })
      throw thrown
    }
  })
}
