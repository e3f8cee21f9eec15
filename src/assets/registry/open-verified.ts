import { RedoubtError } from '#foundation/core'
import type { KeyUse } from '#trust/keys'
import { modelUid, uidOf } from './model-facts.ts'
import { type ModelVersion, parseManifest, sha256 } from './model-version.ts'
import { verifyModel } from './oms/verify-model.ts'
import { type Parts, resourcesOf, storedRow } from './parts.ts'
import { refuseQuarantined, signatureError } from './unfit.ts'
import { VerifiedModel } from './verified-model.ts'

export interface OpenOptions {
  /** To explain what it decided before, never to serve: what is opened so says of itself that it is quarantined, and no server takes it. */
  readonly evenQuarantined?: boolean
}

export async function openVerified(
  parts: Parts,
  wanted: Pick<ModelVersion, 'name' | 'version'>,
  use: KeyUse,
  { evenQuarantined = false }: OpenOptions = {},
): Promise<VerifiedModel> {
  const { files, versions, keys, signedBefore = [] } = parts
  const version = versions.require(wanted.name, wanted.version)
  if (!evenQuarantined) refuseQuarantined(version)
  try {
    // From the database anew: what is verified is what is stored now, not what was stored when the server started.
    const row = storedRow(parts, version.name, version.version)
    const bytes = await files.load(row.object_path, row.digest, use)
    const { publicKey } = await keys.signer('model-signing', use)
    const resources = resourcesOf(sha256(bytes), row.manifest)
    const verdicts = [publicKey, ...signedBefore].map((key) => verifyModel(row.bundle, { method: 'key', publicKey: key }, resources))
    const verdict = verdicts.find(({ verified }) => verified) ?? verdicts[0]!
    if (!verdict.verified) throw signatureError(verdict.step, verdict.reason)
    const manifest = parseManifest(row.manifest)
    // A row under another name or number would let an old version pass for a new one.
    if (
      verdict.statement.name !== row.name ||
      manifest.name !== row.name ||
      manifest.version !== row.version ||
      manifest.digest !== row.digest
    )
      throw signatureError('lineage', 'the signed description belongs to another version')
    // It may have been quarantined while its file was read.
    const { quarantined } = versions.require(version.name, version.version)
    if (!evenQuarantined) refuseQuarantined({ quarantined })
    return new VerifiedModel(versions.current({ ...manifest, signed: true, quarantined }), bytes)
  } catch (cause) {
    if (cause instanceof RedoubtError && cause.code === 'ERR_MODEL_SIGNATURE') await distrust(parts, version, cause, use)
    throw cause
  }
}

async function distrust({ versions, audit }: Parts, version: ModelVersion, error: RedoubtError, use: KeyUse): Promise<void> {
  versions.change({ ...versions.require(version.name, version.version), signed: false })
  await audit.record({
    type: 'model.refusal',
    actor: uidOf(use.principal),
    action: 'verify',
    resource: modelUid(version.name),
    outcome: 'refused',
    code: error.code,
    purpose: use.purpose,
    details: { version: version.version, digest: version.digest, step: error.evidence['step'] ?? null },
    ...(use.requestId === undefined ? {} : { requestId: use.requestId }),
  })
}
