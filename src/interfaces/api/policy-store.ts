import { type Decider, type Decision, type DecisionQuery, RedoubtError } from '#foundation/core'
import type { DurableFolder } from '#foundation/storage'
import { PLAIN_SITE, type Planner, plannerFor } from '#gateway/filters'
import { type LoadOptions, type PolicyEngine, type PolicyFile, TABLE_SUFFIX, withDefaultPolicies } from '#trust/policy'
import { HeldInvariants, type Prove } from './held-invariants.ts'
import { type EngineOptions, loadEngine, PLAIN_VOCABULARY } from './policy-engine.ts'
import { layerDigest, merged, operatorLayer, type PolicyLayer } from './policy-layers.ts'
import { changed, type PolicyChange, settleChange, storeChange, storedLayer } from './stored-policies.ts'

/** A policy set is a few pages; more in one file is a mistake. So is a longer table. */
const MAX_POLICY_BYTES = 256 * 1024
/** Files put through the control plane; each change is validated together with all others. */
const MAX_POLICY_FILES = 256
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/
/** What an approval of a change was bound to, and what the change is held to when its turn comes; nothing for one that needed none. */
export interface Approved {
  /** Digest of the policy set in force. */
  readonly policySet?: string
  /** As `folderDigest`. */
  readonly folder?: string | null
}

export interface Activation {
  /** Digests of the policy set before and after. */
  readonly before: string
  readonly after: string
  /** Rows of truth tables that were decided, all as expected. */
  readonly cases: number
  /** Statements over all requests that hold; null where none are asked for. */
  readonly invariants: number | null
}

/**
 * The policies in force: the bundled ones, the operator's folder, and those put through the control plane, which lie in the data
 * directory. A change is validated as a whole, and held to the truth tables and invariants that lie beside the policies, before anything
 * of it is kept; it takes effect for the next decision.
 */
export class PolicyStore implements Decider {
  readonly #folder: DurableFolder
  readonly #operatorPath: string | null
  #engineOptions: EngineOptions
  readonly #invariants: HeldInvariants
  #operator: PolicyLayer
  #engine: PolicyEngine
  #queue: Promise<unknown> = Promise.resolve()

  private constructor(options: OpenOptions, operator: PolicyLayer, engine: PolicyEngine) {
    this.#folder = options.folder
    this.#operatorPath = options.operatorPath ?? null
    this.#invariants = new HeldInvariants(options.prove ?? null)
    this.#engineOptions = engineOptions(options)
    this.#operator = operator
    this.#engine = engine
  }

  /** @throws {RedoubtError} `ERR_POLICY_INVALID`, `ERR_POLICY_TEST`: with policies that do not validate, or fail their tables, nothing starts. */
  static async open(options: OpenOptions): Promise<PolicyStore> {
    settleChange(options.folder)
    const operator = operatorLayer(options.operatorPath ?? null)
    const { engine } = await loadEngine(merged(operator, storedLayer(options.folder)), engineOptions(options))
    return new PolicyStore(options, operator, engine)
  }

  get engine(): PolicyEngine {
    return this.#engine
  }

  decide(query: DecisionQuery): Decision {
    return this.#engine.decide(query)
  }

  list(): readonly PolicyFile[] {
    return withDefaultPolicies(merged(this.#operator, storedLayer(this.#folder)).policies)
  }

  /** Truth tables that every change is held to. */
  tables(): readonly PolicyFile[] {
    return merged(this.#operator, storedLayer(this.#folder)).tables
  }

  /**
   * @param tests the truth table beside the file: text puts it, null takes it away, undefined leaves the one that is there.
   * @throws {RedoubtError} `ERR_POLICY_INVALID`, `ERR_POLICY_TEST`, `ERR_POLICY_INVARIANT`, `ERR_POLICY_ENUMERATION`,
   *   `ERR_POLICY_PROOF_TIME`, `ERR_APPROVAL_DIGEST` when it is not what was approved; nothing is activated.
   */
  put(name: string, text: string, tests?: string | null, approved: Approved = {}): Promise<Activation> {
    return this.#inTurn(() => {
      this.#demandApproved(approved)
      return this.#put(name, text, tests)
    })
  }

  /** Removes a file that was put here, and its table. @throws as `put`. */
  remove(name: string, approved: Approved = {}): Promise<Activation> {
    return this.#inTurn(() => {
      this.#demandApproved(approved)
      return this.#remove(name)
    })
  }

  /** SHA-256, hex, over all that `reload` would read now; null when it cannot be read. */
  folderDigest(): string | null {
    try {
      return layerDigest(operatorLayer(this.#operatorPath))
    } catch (thrown) {
      if (thrown instanceof RedoubtError) return null
      throw thrown
    }
  }

  /** Reads the operator's folder again: all of it is put in force, or nothing. @throws as `put`. */
  reload(approved: Approved = {}): Promise<Activation> {
    return this.#inTurn(async () => {
      this.#demandApproved(approved)
      const operator = operatorLayer(this.#operatorPath)
      // Of what was read to be put in force, not of a second reading.
      if (approved.folder !== undefined && layerDigest(operator) !== approved.folder)
        throw new RedoubtError('ERR_APPROVAL_DIGEST', 'the folder of policies is not what was approved; ask for approval of it as it is')
      const next = await this.#held(operator, storedLayer(this.#folder))
      this.#operator = operator
      return this.#activate(next)
    })
  }

  /**
   * Has the policies in force read again with another vocabulary of filters: all of them fit it, or nothing changes.
   * @param use is called at the moment from which it holds.
   * @throws {RedoubtError} `ERR_POLICY_INVALID`, `ERR_POLICY_TEST`, `ERR_FILTER_ENTITY`.
   */
  refit(vocabulary: EngineOptions['vocabulary'], plan: Planner, use: () => void): Promise<Activation> {
    return this.#inTurn(async () => {
      const wanted = { ...this.#engineOptions, vocabulary, plan }
      const next = await loadEngine(merged(this.#operator, storedLayer(this.#folder)), wanted)
      this.#engineOptions = wanted
      use()
      return this.#activate({ ...next, invariants: null })
    })
  }

  #demandApproved({ policySet }: Approved): void {
    if (policySet !== undefined && policySet !== this.#engine.digest)
      throw new RedoubtError('ERR_APPROVAL_DIGEST', 'the policies have changed since this was approved; ask for approval of it as they are')
  }

  /** One change after another: two at a time would each be validated without the other, and the last would undo the first. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => undefined)
    return result
  }

  async #put(name: string, text: string, tests: string | null | undefined): Promise<Activation> {
    checkName(name)
    for (const part of [text, tests ?? ''])
      if (Buffer.byteLength(part) > MAX_POLICY_BYTES)
        throw new RedoubtError('ERR_INPUT_TOO_LARGE', `a policy file, and a table, has at most ${MAX_POLICY_BYTES} bytes`)
    const own = storedLayer(this.#folder)
    if (own.policies.filter((file) => file.name !== `${name}.cedar`).length >= MAX_POLICY_FILES)
      throw new RedoubtError('ERR_CONFLICT', `there are ${MAX_POLICY_FILES} policy files already; remove one`)
    const kept = own.tables.find((table) => table.name === `${name}${TABLE_SUFFIX}`)
    return this.#change({ name, text, tests: tests === undefined ? (kept?.text ?? null) : tests })
  }

  async #remove(name: string): Promise<Activation> {
    checkName(name)
    if (!this.#folder.exists(`${name}.cedar`))
      throw new RedoubtError('ERR_NOT_FOUND', `there is no policy file \`${name}\` that was put here`)
    return this.#change({ name, text: null, tests: null })
  }

  async #change(change: PolicyChange): Promise<Activation> {
    const next = await this.#held(this.#operator, changed(storedLayer(this.#folder), change))
    storeChange(this.#folder, change)
    return this.#activate(next)
  }

  /** What holds its tables and invariants. @throws as `put`. */
  async #held(operator: PolicyLayer, own: PolicyLayer): Promise<Loaded> {
    const layer = merged(operator, own)
    const next = await loadEngine(layer, this.#engineOptions)
    return { ...next, invariants: await this.#invariants.hold(layer) }
  }

  /**
   * Of the policies in force, for a start: those of the folder and of the data directory were put there by someone with the disk, and
   * nothing held them to the invariants since.
   * @throws {RedoubtError} `ERR_POLICY_INVARIANT`, `ERR_POLICY_PROOF_TIME`, `ERR_POLICY_INVALID`, `ERR_POLICY_ENUMERATION`.
   */
  demandInvariants(): Promise<void> {
    return this.#inTurn(async () => {
      const own = storedLayer(this.#folder)
      if (own.policies.length + this.#operator.policies.length + this.#operator.invariants.length > 0)
        await this.#invariants.hold(merged(this.#operator, own))
    })
  }

  #activate({ engine, cases, invariants }: Loaded): Activation {
    const before = this.#engine.digest
    this.#engine = engine
    return { before, after: engine.digest, cases, invariants }
  }
}

interface OpenOptions {
  readonly folder: DurableFolder
  /** The operator's folder of `.cedar` files. */
  readonly operatorPath?: string | undefined
  readonly shadowRate: number
  /** Told of each decision on which Cedar's own engine differs: the policies cannot be relied on until it is understood. */
  readonly onMismatch: EngineOptions['onMismatch']
  /** What filter annotations may name; what is built in unless given. */
  readonly vocabulary?: LoadOptions['vocabulary']
  /** Makes the plans of the filters; by what is built in unless given. */
  readonly plan?: Planner
  /** Asked before a change takes effect; none unless given. */
  readonly prove?: Prove
}

interface Loaded {
  readonly engine: PolicyEngine
  readonly cases: number
  readonly invariants: number | null
}

const engineOptions = ({
  shadowRate,
  onMismatch,
  vocabulary = PLAIN_VOCABULARY,
  plan = plannerFor(PLAIN_SITE),
}: OpenOptions): EngineOptions => ({ shadowRate, onMismatch, vocabulary, plan })

function checkName(name: string): void {
  if (!NAME.test(name)) throw new RedoubtError('ERR_INPUT_INVALID', 'a policy file is named in lower case letters, digits and dashes')
}
