import { type EntityUid, newId } from '#foundation/core'
import { keyUse, uidOf } from './model-facts.ts'
import type { Deployment, ModelVersion } from './model-version.ts'
import { openVerified } from './open-verified.ts'
import { type Parts, record } from './parts.ts'
import { type RollbackAsk, rollbackRefusal } from './rollback.ts'
import { refuseUnfit } from './unfit.ts'
import type { VerifiedModel } from './verified-model.ts'

export interface ActOptions {
  readonly requestId?: string
}

export interface DeployOptions extends ActOptions {
  /**
   * Called with the verified bytes before the deployment counts; when it throws nothing is deployed. What it gives is committed when the
   * deployment is recorded and the version still fit to serve, else discarded.
   */
  readonly stage?: (model: VerifiedModel) => Promise<StagedModel>
}

/** A model that is ready to serve and does not serve yet. One of the two is called, once. */
export interface StagedModel {
  commit(): void
  discard(): void
}

/** Verifies, prepares, records and puts into service; to be called in turn. */
export async function putIntoService(
  parts: Parts,
  kind: Deployment['kind'],
  version: ModelVersion,
  by: EntityUid,
  { requestId, stage }: DeployOptions,
): Promise<Deployment> {
  const { versions } = parts
  const { name } = version
  const refuseNow = (): void => {
    const refusal = kind === 'rollback' ? rollbackRefusal(rollbackAsk(parts, name), version.version) : null
    if (refusal) throw refusal
    refuseUnfit(versions.require(name, version.version))
  }
  const model = await openVerified(parts, version, keyUse(by, 'model-deployment', name, requestId))
  const staged = await stage?.(model)
  try {
    // Starting a process takes its time; whoever quarantines meanwhile must not be overtaken.
    refuseNow()
    const deployment = await recordDeployment(parts, kind, version, by, requestId)
    refuseUnfit(versions.require(name, version.version))
    staged?.commit()
    return deployment
  } catch (cause) {
    staged?.discard()
    throw cause
  }
}

async function recordDeployment(
  parts: Parts,
  kind: Deployment['kind'],
  version: ModelVersion,
  by: EntityUid,
  requestId: string | undefined,
): Promise<Deployment> {
  const { tables, clock, environment } = parts
  const { name, digest } = version
  const deployment: Deployment = {
    id: newId('dep'),
    name,
    version: version.version,
    digest,
    by: uidOf(by),
    deployedAt: clock.now(),
    kind,
    environment,
    withdrawn: false,
  }
  const from = latestDeployments(parts).get(name)?.version
  const details = { version: version.version, digest, deployment: deployment.id, ...(from === undefined ? {} : { from }) }
  tables.insertDeployment(deployment)
  try {
    await record(parts, `model.${kind}`, kind, by, name, details, requestId)
    tables.confirmDeployment(deployment.id)
  } catch (cause) {
    tables.removeDeployment(deployment.id)
    throw cause
  }
  return deployment
}

/** The present deployment of each name. */
export function latestDeployments({ tables }: Pick<Parts, 'tables'>): ReadonlyMap<string, Deployment> {
  return new Map(tables.deployments().map((deployment) => [deployment.name, deployment]))
}

export const rollbackAsk = ({ tables, versions, environment }: Parts, name: string): RollbackAsk => ({
  history: tables.deployments().filter((deployment) => deployment.name === name),
  version: (number) => versions.get(name, number),
  environment,
})
