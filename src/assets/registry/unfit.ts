import { RedoubtError } from '#foundation/core'
import type { ModelVersion } from './model-version.ts'

/** @throws {RedoubtError} `ERR_MODEL_QUARANTINED`, `ERR_MODEL_SIGNATURE` for what may not be served. */
export function refuseUnfit(version: ModelVersion): void {
  refuseQuarantined(version)
  if (!version.signed) throw signatureError('state', 'the version was found changed while it was deployed')
}

export function refuseQuarantined(version: Pick<ModelVersion, 'quarantined'>): void {
  if (version.quarantined) throw new RedoubtError('ERR_MODEL_QUARANTINED')
}

export function signatureError(step: string, reason: string): RedoubtError {
  return new RedoubtError('ERR_MODEL_SIGNATURE', reason, { evidence: { step } })
}
