import { type EntityUid, RedoubtError, SENSITIVITIES, type Sensitivity } from '#foundation/core'
import { keyUse, registration } from './model-facts.ts'
import {
  type Lineage,
  lineageSchema,
  MODEL_NAME,
  type ModelManifest,
  type ModelVersion,
  parseManifest,
  purposesSchema,
  sha256,
  writeManifest,
} from './model-version.ts'
import { signModel } from './oms/sign-model.ts'
import { admitOnnx } from './onnx/admit-onnx.ts'
import { type Parts, record, resourcesOf } from './parts.ts'

export interface RegisterAsk {
  readonly name: string
  readonly file: Uint8Array
  /** Made elsewhere: it will run in a process without keys. */
  readonly foreign: boolean
  readonly sensitivity: Sensitivity
  readonly purposes: readonly string[]
  readonly lineage: Lineage
  readonly by: EntityUid
  readonly requestId?: string
}

/** To be called in turn. @param file a copy of the ask's: the caller's buffer could change between the check and the signature. */
export async function registerModel(parts: Parts, ask: RegisterAsk, file: Uint8Array): Promise<ModelVersion> {
  const { tables, files, versions, keys, clock } = parts
  const admitted = admitOnnx(file, ask.foreign)
  const digest = sha256(admitted.file)
  if (versions.get(ask.name)?.digest === digest) throw new RedoubtError('ERR_CONFLICT', 'the latest version of this model is the same file')
  const use = keyUse(ask.by, 'model-registration', ask.name, ask.requestId)
  const version = tables.nextVersion(ask.name)
  const manifest: ModelManifest = {
    name: ask.name,
    version,
    digest,
    bytes: admitted.file.byteLength,
    foreign: ask.foreign,
    sensitivity: ask.sensitivity,
    purposes: [...new Set(ask.purposes)].sort(),
    lineage: admitted.derivation === null ? ask.lineage : derivedLineage(ask.lineage, sha256(file), admitted.derivation),
    createdAt: clock.now(),
    inputs: admitted.inputs,
    outputs: admitted.outputs,
  }
  const text = writeManifest(manifest)
  const stored: string[] = []
  try {
    stored.push(await files.store(ask.name, admitted.file, digest, use))
    if (admitted.derivation !== null) stored.push(await files.store(ask.name, file, sha256(file), use))
    const signer = await keys.signer('model-signing', use)
    const bundle = await signModel({ name: ask.name, resources: resourcesOf(digest, text), signer })
    tables.insertVersion({
      name: ask.name,
      version,
      digest,
      manifest: text,
      bundle,
      object_path: stored[0] ?? '',
      source_path: stored[1] ?? null,
    })
    await record(parts, 'model.register', 'register', ask.by, ask.name, registration(manifest), ask.requestId)
    tables.confirmVersion(ask.name, version)
  } catch (cause) {
    tables.removeVersion(ask.name, version)
    for (const path of stored) files.remove(path)
    throw cause
  }
  return versions.change({ ...parseManifest(text), signed: true, quarantined: false })
}

export function checkAsk(ask: RegisterAsk): void {
  if (!MODEL_NAME.test(ask.name))
    throw new RedoubtError(
      'ERR_INPUT_INVALID',
      'a model name has 1 to 64 of a-z, 0-9, dot, dash and underscore, and begins and ends with a letter or digit',
    )
  if (!SENSITIVITIES.includes(ask.sensitivity)) throw new RedoubtError('ERR_INPUT_INVALID', 'the sensitivity is not known')
  if (!purposesSchema.safeParse(ask.purposes).success) throw new RedoubtError('ERR_INPUT_INVALID', 'a model has at most 64 purposes')
  if (!ask.foreign && ask.purposes.length === 0)
    throw new RedoubtError('ERR_INPUT_INVALID', 'a model that was trained here serves the purposes of its data')
  if (!lineageSchema.safeParse(ask.lineage).success) throw new RedoubtError('ERR_INPUT_INVALID', 'the lineage does not fit its schema')
  if (!ask.foreign && ask.lineage.codeDigest === '')
    throw new RedoubtError('ERR_INPUT_INVALID', 'a model that was trained here names the code that made it')
}

/** A derivation puts the original between the file that is served and what the original itself derives from. */
function derivedLineage(lineage: Lineage, original: string, derivation: string): Lineage {
  const parameters = lineage.parent === null ? lineage.parameters : { ...lineage.parameters, parentOfOriginal: lineage.parent }
  return { ...lineage, parameters, parent: original, derivation }
}
