import type { FastifyReply, FastifyRequest } from 'fastify'
import { accessOf, type RowReading } from '#assets/datasets'
import type { PipelineVersion, RunEnd } from '#assets/pipelines'
import type { Lineage, ModelVersion } from '#assets/registry'
import { type TrainedModel, train } from '#assets/training'
import { asRedoubtError, type JsonObject, RedoubtError } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { callerOf, demandTogether } from './guard.ts'
import type { Lanes } from './heavy-work.ts'
import { longOperation } from './long-operation.ts'
import { pipelineFacts } from './pipeline-facts.ts'

export interface PipelineRun {
  /** Exactly what is run, whatever becomes of its name meanwhile. */
  readonly pipeline: PipelineVersion
  readonly dataset: string
  readonly model: string
  readonly seed: number
}

/**
 * Runs a version of a training pipeline and answers progress as NDJSON: asks `runPipeline` of the pipeline and `trainOn` of the data
 * set, learns from the rows that the second lets through, signs and registers.
 * @throws {RedoubtError} `ERR_DATA_UNKNOWN`, or as `demand`, before the answer begins.
 */
export async function runPipeline(
  plane: ControlPlane,
  lanes: Lanes,
  request: FastifyRequest,
  reply: FastifyReply,
  { pipeline, dataset: datasetName, model, seed }: PipelineRun,
): Promise<void> {
  const dataset = plane.datasets.get(datasetName)
  if (!dataset) throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${datasetName}\``)
  const { name, version, digest, author } = pipeline
  const source = { name: dataset.name, version: dataset.version, digest: dataset.digest }
  // An approval is of this version, these data and this seed.
  const meant: JsonObject = {
    dataset: source.name,
    version: source.version,
    digest: source.digest,
    pipeline: { name, version, digest },
    model,
    seed,
  }
  const { decisions, mayGoOn } = await demandTogether(plane, request, [
    { action: 'runPipeline', resource: () => pipelineFacts(plane, name, pipeline, [dataset.name]), about: { meant, author } },
    { action: 'trainOn', resource: () => plane.datasets.facts(dataset), about: { meant, author }, readsRows: true },
  ])
  // Each wrote part of what this version says.
  const earlierAuthors = plane.pipelines.authors(name, version).filter((one) => one.type !== author.type || one.id !== author.id)
  const requestId = request.redoubtRequestId
  const principal = callerOf(request)
  const use = { principal: principal.facts, purpose: principal.purpose, resource: { type: 'Dataset', id: dataset.name }, requestId }
  // Before the answer begins: a policy that speaks of a column that is not there is a refusal, not the end of a training.
  const groups = plane.datasets.read(dataset, use, accessOf('trainOn', decisions[1]!))
  const by = { by: principal.facts, requestId }

  const register = (trained: TrainedModel) =>
    plane.registry.register({
      name: model,
      file: trained.onnx,
      foreign: false,
      sensitivity: dataset.sensitivity,
      purposes: dataset.purposes,
      lineage: {
        dataset: { ...source, ...learnedFrom(groups) },
        pipeline: name,
        pipelineVersion: { version, digest, author, ...(earlierAuthors.length > 0 ? { earlierAuthors } : {}) },
        codeDigest: trained.codeDigest,
        parameters: trained.parameters,
        metrics: trained.metrics,
        person: { type: principal.facts.type, id: principal.facts.id },
        parent: null,
      },
      ...by,
    })
  const work = async (progress: (facts: Record<string, number>) => void, signal: AbortSignal): Promise<unknown> => {
    const ended = await plane.pipelines.recordRun(pipeline, { dataset: source, model, seed }, by)
    let made: ModelVersion | null = null
    const registered = (): RunEnd['model'] => (made ? { version: made.version, digest: made.digest } : null)
    try {
      const trained = await train({
        dataset,
        groups,
        algorithm: pipeline.algorithm,
        choices: pipeline.parameters,
        leaveOut: pipeline.leaveOut,
        seed,
        signal,
        progress: (epoch, epochs, loss) => progress({ epoch, epochs, loss }),
      })
      const reason = mayGoOn()
      if (reason) throw reason
      made = await register(trained)
      await ended({ model: registered(), code: null })
      return { model: made, metrics: trained.metrics }
    } catch (thrown) {
      const { code } = asRedoubtError(thrown)
      // The reason is what the caller is told, whether or not the log takes the end.
      await ended({ model: registered(), code }).catch((error: unknown) =>
        plane.logger.error({ err: error }, 'the end of a run could not be recorded'),
      )
      throw thrown
    }
  }
  await longOperation(reply, { requestId, mayGoOn }, (progress, signal) => lanes.trainings.run(() => work(progress, signal), signal))
}

/** What of the data set a model learned from, where that was not all of it. How much was kept back is not for whoever may see the model. */
function learnedFrom({ condition, tally }: RowReading): Pick<NonNullable<Lineage['dataset']>, 'rows'> {
  return condition === null ? {} : { rows: { condition, admitted: tally.admitted } }
}
