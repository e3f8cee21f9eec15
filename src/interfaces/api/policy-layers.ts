import { createHash } from 'node:crypto'
import { canonicalJson } from '#foundation/core'
import { INVARIANTS_SUFFIX, type PolicyFile, readPolicyFolder, TABLE_SUFFIX } from '#trust/policy'

/** Policies, and what they are held to. */
export interface PolicyLayer {
  readonly policies: readonly PolicyFile[]
  readonly tables: readonly PolicyFile[]
  /** Of the operator's folder; put nowhere else. */
  readonly invariants: readonly PolicyFile[]
}

/** Reads the operator's folder as it is now; nothing where there is none. @throws {RedoubtError} `ERR_POLICY_INVALID` when it cannot be read. */
export function operatorLayer(path: string | null): PolicyLayer {
  if (path === null) return { policies: [], tables: [], invariants: [] }
  return {
    policies: readPolicyFolder(path),
    tables: readPolicyFolder(path, TABLE_SUFFIX),
    invariants: readPolicyFolder(path, INVARIANTS_SUFFIX),
  }
}

/** SHA-256, hex, over names and texts of all files. */
export const layerDigest = (layer: PolicyLayer): string => createHash('sha256').update(canonicalJson(layer)).digest('hex')

/** A file replaces one of the same name of an earlier layer. */
export function merged(operator: PolicyLayer, own: PolicyLayer): PolicyLayer {
  const over = (below: readonly PolicyFile[], above: readonly PolicyFile[]): readonly PolicyFile[] => [
    ...below.filter((file) => !above.some((other) => other.name === file.name)),
    ...above,
  ]
  return { policies: over(operator.policies, own.policies), tables: over(operator.tables, own.tables), invariants: operator.invariants }
}
