import { type Datasets, EVERY_ROW_WHOLE } from '#assets/datasets'
import { builtIn } from '#assets/pipelines'
import type { Registry } from '#assets/registry'
import { train } from '#assets/training'
import type { AuditSink, EntityUid } from '#foundation/core'
import { asRedoubtError } from '#foundation/core'
import type { Database } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import type { ModelServer } from '#gateway/serving'
import { starterCredit } from './starter-data.ts'

/** Data set and model of a first start. */
export const STARTER = 'credit'
const STARTER_PURPOSE = 'credit-scoring'
const SELF: EntityUid = { type: 'System', id: 'starter-workspace' }

/** Loads what was deployed when the server last ran. A model that does not verify stays unserved, on record, and does not stop the rest. */
export async function loadDeployedModels(options: {
  readonly registry: Registry
  readonly models: ModelServer
  readonly audit: AuditSink
  readonly logger: Logger
}): Promise<void> {
  const { registry, models, audit, logger } = options
  for (const { name, version } of registry.deployments()) {
    const resource = { type: 'Model', id: name }
    try {
      await models.load(await registry.openVerified({ name, version }, { principal: SELF, purpose: 'serving', resource }))
    } catch (thrown) {
      const error = asRedoubtError(thrown)
      logger.error({ model: name, version, code: error.code }, 'a deployed model could not be loaded')
      await audit.record({
        type: 'model.load',
        actor: SELF,
        action: 'deploy',
        resource,
        outcome: 'failed',
        code: error.code,
        details: { version },
      })
    }
  }
}

/** The starter workspace of a first start: invented credit data, a model trained on them, encrypted, signed, deployed to `credit`. */
export async function makeStarterWorkspace(options: {
  readonly datasets: Datasets
  readonly registry: Registry
  readonly models: ModelServer
  readonly database: Pick<Database, 'raw'>
  readonly rows?: number
}): Promise<void> {
  const { datasets, registry, models, rows } = options
  if (registry.deployed(STARTER)) return
  if (!datasets.get(STARTER)) {
    await datasets.import(chunks(rows), {
      name: STARTER,
      label: 'label',
      subject: 'applicant',
      sensitivity: 'restricted',
      purposes: [STARTER_PURPOSE],
      legalBasis: 'contract',
      by: SELF,
    })
  }
  const dataset = datasets.get(STARTER)!
  if (!registry.get(STARTER)) {
    const use = { principal: SELF, purpose: STARTER_PURPOSE, resource: { type: 'Dataset', id: STARTER } }
    const { name: pipeline, version, digest, author } = builtIn('mlp')
    const trained = await train({ dataset, groups: datasets.read(dataset, use, EVERY_ROW_WHOLE), algorithm: 'mlp', seed: 1 })
    await registry.register({
      name: STARTER,
      file: trained.onnx,
      foreign: false,
      sensitivity: dataset.sensitivity,
      purposes: dataset.purposes,
      lineage: {
        dataset: { name: dataset.name, version: dataset.version, digest: dataset.digest },
        pipeline,
        pipelineVersion: { version, digest, author },
        codeDigest: trained.codeDigest,
        parameters: trained.parameters,
        metrics: trained.metrics,
        person: SELF,
        parent: null,
      },
      by: SELF,
    })
  }
  await registry.deploy(STARTER, null, SELF, { stage: (model) => models.stage(model) })
}

async function* chunks(rows: number | undefined): AsyncGenerator<Uint8Array> {
  yield* starterCredit(rows)
}
