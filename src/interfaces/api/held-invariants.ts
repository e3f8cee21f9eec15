import { createHash } from 'node:crypto'
import { canonicalJson } from '#foundation/core'
import {
  defaultInvariants,
  defaultPolicyFiles,
  demandInvariants,
  type PolicyFile,
  type ProofReport,
  proveInTime,
  withDefaultInvariants,
  withDefaultPolicies,
} from '#trust/policy'
import { PLAIN_VOCABULARY } from './policy-engine.ts'
import type { PolicyLayer } from './policy-layers.ts'

const MAX_KNOWN = 64

/** Decides invariants of policies, all of which are given. @param proven policies for which they are known to hold. */
export type Prove = (
  files: readonly PolicyFile[],
  invariants: readonly PolicyFile[],
  proven: readonly PolicyFile[] | null,
) => Promise<ProofReport>

/** Decides in a thread of its own; what takes longer than `timeoutMs` is refused. */
export const proveWithin =
  (timeoutMs: number, vocabulary = () => PLAIN_VOCABULARY): Prove =>
  (files, invariants, proven) =>
    proveInTime({ files, invariants, proven, vocabulary: vocabulary() }, timeoutMs)

interface Proven {
  readonly files: readonly PolicyFile[]
  readonly invariants: readonly PolicyFile[]
}

/** Holds policies to their invariants, and knows what it has decided. */
export class HeldInvariants {
  readonly #prove: Prove | null
  /** The bundled policies were held to the bundled statements when they were made. */
  #proven: Proven = { files: defaultPolicyFiles(), invariants: defaultInvariants() }
  /** Sets of policies and statements that were held, with the number of statements: what is taken back is not decided again. */
  readonly #known = new Map<string, number>()

  /** @param prove null where nothing is asked for. */
  constructor(prove: Prove | null) {
    this.#prove = prove
  }

  /** @returns how many statements hold; null where nothing is asked for. @throws as `demandInvariants`. */
  async hold({ policies, invariants }: Pick<PolicyLayer, 'policies' | 'invariants'>): Promise<number | null> {
    if (this.#prove === null) return null
    const next: Proven = { files: withDefaultPolicies(policies), invariants: withDefaultInvariants(invariants) }
    const key = createHash('sha256').update(canonicalJson(next)).digest('hex')
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const sameStatements = canonicalJson(next.invariants) === canonicalJson(this.#proven.invariants)
    const report = demandInvariants(await this.#prove(next.files, next.invariants, sameStatements ? this.#proven.files : null))
    this.#proven = next
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    this.#known.set(key, report.proofs.length)
    return report.proofs.length
  }
}
