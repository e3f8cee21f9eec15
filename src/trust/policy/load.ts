import { RedoubtError } from '#foundation/core'
import { defaultPolicyFiles } from './bundled.ts'
import { Engine, type PolicyEngine } from './engine.ts'
import { FILTER_ENTITIES } from './obligations.ts'
import type { PolicyFile } from './policy-file.ts'
import { readPolicySet } from './policy-set.ts'
import { type Mismatch, Shadow } from './shadow.ts'

export interface LoadOptions {
  /** Default: the bundled policies. They are not added to what is given here; see `withDefaultPolicies`. */
  readonly files?: readonly PolicyFile[]
  /** One decision in so many is compared with Cedar's own engine; 0 (default) compares none. */
  readonly shadowRate?: number
  /** Told of each decision on which the two engines differ. That decision is a deny. */
  readonly onMismatch?: (mismatch: Mismatch) => void
  /** Entities that filter annotations may name, one that has some actions only as `ENTITY=allow|block`; default `FILTER_ENTITIES`. */
  readonly filterEntities?: readonly string[]
}

/**
 * Reads, validates (strictly, by Cedar's own validator) and compiles policies. Pure but for loading the validator: nothing is activated.
 * @throws {RedoubtError} `ERR_POLICY_INVALID` with file and line, for the first policy that does not parse, validate or compile.
 */
export async function loadPolicies(options: LoadOptions = {}): Promise<PolicyEngine> {
  const { files = defaultPolicyFiles(), shadowRate = 0, onMismatch, filterEntities = FILTER_ENTITIES } = options
  const { cedar, set, problems } = await readPolicySet(files, filterEntities)
  if (!set) throw problems[0] ?? new RedoubtError('ERR_POLICY_INVALID', 'the policies do not validate')
  const { schema, digest, rules } = set
  const shadow = shadowRate > 0 ? new Shadow(cedar, schema, digest, rules, shadowRate, onMismatch ?? (() => undefined)) : null
  const replace = (next: readonly PolicyFile[]): Promise<PolicyEngine> => loadPolicies({ ...options, files: next })
  return new Engine({ set, shadow, replace })
}
