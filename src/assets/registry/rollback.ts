import { RedoubtError } from '#foundation/core'
import type { Deployment, ModelVersion } from './model-version.ts'

export interface RollbackAsk {
  /** Every deployment of the name, oldest first. */
  readonly history: readonly Deployment[]
  /** The version with this number as it is now; null when there is none. */
  readonly version: (number: number) => ModelVersion | null
  /** Where the house runs now. */
  readonly environment: Deployment['environment']
}

/**
 * Why a version cannot be gone back to; null when it can. Going back asks for no approvals, as an incident does not wait, so it leads only to
 * what was put into service here with all that a deployment asks for, and was not taken out because it was bad.
 */
export function rollbackRefusal({ history, version, environment }: RollbackAsk, wanted: number): RedoubtError | null {
  const serving = history.at(-1)
  if (serving === undefined) return refusal('nothing was deployed under this name, so there is nothing to go back from')
  const known = version(wanted)
  if (known === null) return new RedoubtError('ERR_MODEL_UNKNOWN')
  if (wanted >= serving.version) return refusal(`version ${wanted} is not older than version ${serving.version}, which was deployed last`)
  const deployed = history.filter((deployment) => deployment.version === wanted && deployment.digest === known.digest)
  if (deployed.length === 0) return refusal(`version ${wanted} never served here`)
  if (known.quarantined) return new RedoubtError('ERR_MODEL_QUARANTINED')
  const inService = deployed.filter(({ withdrawn }) => !withdrawn)
  if (inService.length === 0)
    return refusal(`version ${wanted} was taken out of service by a quarantine; it comes back by a deployment alone`)
  // What served in development was agreed to by nobody.
  if (environment === 'production' && !inService.some((deployment) => deployment.environment === 'production'))
    return refusal(`version ${wanted} did not serve in production`)
  return null
}

/** The version that served before the present one and is older, latest first; null when none can be gone back to. */
export function rollbackTarget(ask: RollbackAsk): ModelVersion | null {
  const found = ask.history.findLast((deployment) => rollbackRefusal(ask, deployment.version) === null)
  return found === undefined ? null : ask.version(found.version)
}

const refusal = (reason: string): RedoubtError => new RedoubtError('ERR_MODEL_ROLLBACK', reason)
