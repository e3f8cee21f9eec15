import { createHash } from 'node:crypto'
import { canonicalJson, type Decider, type Decision, type DecisionQuery, RedoubtError } from '#foundation/core'
import { type DurableFolder, replaceFile } from '#foundation/storage'
import { filterVocabulary, PLAIN_SITE, type Planner, plannerFor } from '#gateway/filters'
import {
  defaultInvariants,
  defaultPolicyFiles,
  demandInvariants,
  demandTables,
  INVARIANTS_SUFFIX,
  type LoadOptions,
  loadPolicies,
  type PolicyEngine,
  type PolicyFile,
  type ProofReport,
  proveInTime,
  readPolicyFolder,
  TABLE_SUFFIX,
  withDefaultInvariants,
  withDefaultPolicies,
} from '#trust/policy'

/** A policy set is a few pages; more in one file is a mistake. So is a longer table. */
const MAX_POLICY_BYTES = 256 * 1024
/** Files put through the control plane; each change is validated together with all others. */
const MAX_POLICY_FILES = 256
const MAX_KNOWN = 64
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/
/** A change on its way: a policy file and its table are two files, and a crash between them must not leave one without the other. */
const PENDING = 'change.pending'

type ShadowOptions = Required<Pick<LoadOptions, 'shadowRate' | 'onMismatch' | 'vocabulary'>> & { readonly plan: Planner }

/** Without a site's own: a filter on an entity that nothing recognises would look like protection and be none. */
const PLAIN_VOCABULARY = filterVocabulary(PLAIN_SITE)

/** Decides invariants of policies, all of which are given. @param proven policies for which they are known to hold. */
export type Prove = (
  files: readonly PolicyFile[],
  invariants: readonly PolicyFile[],
  proven: readonly PolicyFile[] | null,
) => Promise<ProofReport>

interface Proven {
  readonly files: readonly PolicyFile[]
  readonly invariants: readonly PolicyFile[]
}

/** Policies, and what they are held to. */
interface Layer {
  readonly policies: readonly PolicyFile[]
  readonly tables: readonly PolicyFile[]
  /** Of the operator's folder; put nowhere else. */
  readonly invariants: readonly PolicyFile[]
}

/** What is to be in place of one policy file and its table; null is nothing. */
interface Change {
  readonly name: string
  readonly text: string | null
  readonly tests: string | null
}

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
  #shadow: ShadowOptions
  readonly #prove: Prove | null
  /** The bundled policies were held to the bundled statements when they were made. */
  #proven: Proven = { files: defaultPolicyFiles(), invariants: defaultInvariants() }
  /** Sets of policies and statements that were held, with the number of statements: what is taken back is not decided again. */
  readonly #known = new Map<string, number>()
  #operator: Layer
  #engine: PolicyEngine
  #queue: Promise<unknown> = Promise.resolve()

  private constructor(options: OpenOptions, operator: Layer, engine: PolicyEngine) {
    this.#folder = options.folder
    this.#operatorPath = options.operatorPath ?? null
    this.#prove = options.prove ?? null
    this.#shadow = shadowOptions(options)
    this.#operator = operator
    this.#engine = engine
  }

  /** @throws {RedoubtError} `ERR_POLICY_INVALID`, `ERR_POLICY_TEST`: with policies that do not validate, or fail their tables, nothing starts. */
  static async open(options: OpenOptions): Promise<PolicyStore> {
    settle(options.folder)
    const operator = operatorLayer(options.operatorPath ?? null)
    const { engine } = await loaded(operator, stored(options.folder), shadowOptions(options))
    return new PolicyStore(options, operator, engine)
  }

  get engine(): PolicyEngine {
    return this.#engine
  }

  decide(query: DecisionQuery): Decision {
    return this.#engine.decide(query)
  }

  list(): readonly PolicyFile[] {
    return withDefaultPolicies(merged(this.#operator, stored(this.#folder)).policies)
  }

  /** Truth tables that every change is held to. */
  tables(): readonly PolicyFile[] {
    return merged(this.#operator, stored(this.#folder)).tables
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
      return digestOf(operatorLayer(this.#operatorPath))
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
      if (approved.folder !== undefined && digestOf(operator) !== approved.folder)
        throw new RedoubtError('ERR_APPROVAL_DIGEST', 'the folder of policies is not what was approved; ask for approval of it as it is')
      const next = await this.#held(operator, stored(this.#folder))
      this.#operator = operator
      return this.#activate(next)
    })
  }

  /**
   * Has the policies in force read again with another vocabulary of filters: all of them fit it, or nothing changes.
   * @param use is called at the moment from which it holds.
   * @throws {RedoubtError} `ERR_POLICY_INVALID`, `ERR_POLICY_TEST`, `ERR_FILTER_ENTITY`.
   */
  refit(vocabulary: ShadowOptions['vocabulary'], plan: Planner, use: () => void): Promise<Activation> {
    return this.#inTurn(async () => {
      const shadow = { ...this.#shadow, vocabulary, plan }
      const next = await loaded(this.#operator, stored(this.#folder), shadow)
      this.#shadow = shadow
      use()
      return this.#activate(next)
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
    const own = stored(this.#folder)
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

  async #change(change: Change): Promise<Activation> {
    const next = await this.#held(this.#operator, changed(stored(this.#folder), change))
    replaceFile(this.#folder, PENDING, Buffer.from(JSON.stringify(change)))
    settle(this.#folder)
    return this.#activate(next)
  }

  /** What holds its tables and invariants. @throws as `put`. */
  async #held(operator: Layer, own: Layer): Promise<Loaded> {
    const next = await loaded(operator, own, this.#shadow)
    return { ...next, invariants: await this.#hold(operator, own) }
  }

  /** @returns how many statements hold; null where nothing is asked for. @throws as `demandInvariants`. */
  async #hold(operator: Layer, own: Layer): Promise<number | null> {
    if (this.#prove === null) return null
    const layer = merged(operator, own)
    const next: Proven = { files: withDefaultPolicies(layer.policies), invariants: withDefaultInvariants(layer.invariants) }
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

  /**
   * Of the policies in force, for a start: those of the folder and of the data directory were put there by someone with the disk, and
   * nothing held them to the invariants since.
   * @throws {RedoubtError} `ERR_POLICY_INVARIANT`, `ERR_POLICY_PROOF_TIME`, `ERR_POLICY_INVALID`, `ERR_POLICY_ENUMERATION`.
   */
  demandInvariants(): Promise<void> {
    return this.#inTurn(async () => {
      const own = stored(this.#folder)
      if (own.policies.length + this.#operator.policies.length + this.#operator.invariants.length > 0) await this.#hold(this.#operator, own)
    })
  }

  #activate({ engine, cases, invariants }: Loaded): Activation {
    const before = this.#engine.digest
    this.#engine = engine
    return { before, after: engine.digest, cases, invariants }
  }
}

/** Decides in a thread of its own; what takes longer than `timeoutMs` is refused. */
export const proveWithin =
  (timeoutMs: number, vocabulary = () => PLAIN_VOCABULARY): Prove =>
  (files, invariants, proven) =>
    proveInTime({ files, invariants, proven, vocabulary: vocabulary() }, timeoutMs)

interface OpenOptions {
  readonly folder: DurableFolder
  /** The operator's folder of `.cedar` files. */
  readonly operatorPath?: string | undefined
  readonly shadowRate: number
  /** Told of each decision on which Cedar's own engine differs: the policies cannot be relied on until it is understood. */
  readonly onMismatch: ShadowOptions['onMismatch']
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

const shadowOptions = ({
  shadowRate,
  onMismatch,
  vocabulary = PLAIN_VOCABULARY,
  plan = plannerFor(PLAIN_SITE),
}: OpenOptions): ShadowOptions => ({ shadowRate, onMismatch, vocabulary, plan })

async function loaded(operator: Layer, own: Layer, { shadowRate, onMismatch, vocabulary, plan }: ShadowOptions): Promise<Loaded> {
  const { policies, tables } = merged(operator, own)
  const engine = await loadPolicies({ files: withDefaultPolicies(policies), shadowRate, onMismatch, vocabulary })
  // What the filters need, the weights of names among it, is read before the policies are in force, not by the first request.
  for (const { annotations } of engine.set.rules) {
    plan(annotations.obligations.filterInput, false)
    plan(annotations.obligations.filterOutput, false)
  }
  return { engine, cases: demandTables(engine, tables).cases, invariants: null }
}

function checkName(name: string): void {
  if (!NAME.test(name)) throw new RedoubtError('ERR_INPUT_INVALID', 'a policy file is named in lower case letters, digits and dashes')
}

function operatorLayer(path: string | null): Layer {
  if (path === null) return { policies: [], tables: [], invariants: [] }
  return {
    policies: readPolicyFolder(path),
    tables: readPolicyFolder(path, TABLE_SUFFIX),
    invariants: readPolicyFolder(path, INVARIANTS_SUFFIX),
  }
}

const digestOf = (layer: Layer): string => createHash('sha256').update(canonicalJson(layer)).digest('hex')

function stored(folder: DurableFolder): Layer {
  const ending = (suffix: string): readonly PolicyFile[] =>
    folder
      .list('')
      .filter((name) => name.endsWith(suffix))
      .map((name) => ({ name, text: new TextDecoder().decode(folder.read(name) ?? new Uint8Array()) }))
  return { policies: ending('.cedar'), tables: ending(TABLE_SUFFIX), invariants: [] }
}

function changed({ policies, tables, invariants }: Layer, { name, text, tests }: Change): Layer {
  const replaced = (files: readonly PolicyFile[], file: string, by: string | null): readonly PolicyFile[] => [
    ...files.filter((other) => other.name !== file),
    ...(by === null ? [] : [{ name: file, text: by }]),
  ]
  return { policies: replaced(policies, `${name}.cedar`, text), tables: replaced(tables, `${name}${TABLE_SUFFIX}`, tests), invariants }
}

/** Carries out the change that is on its way, if there is one; doing so twice is doing so once. */
function settle(folder: DurableFolder): void {
  const bytes = folder.read(PENDING)
  if (bytes === null) return
  const { name, text, tests } = JSON.parse(new TextDecoder().decode(bytes)) as Change
  for (const [file, content] of [
    [`${name}.cedar`, text],
    [`${name}${TABLE_SUFFIX}`, tests],
  ] as const) {
    if (content !== null) replaceFile(folder, file, Buffer.from(content))
    else if (folder.exists(file)) folder.remove(file)
  }
  folder.syncFolder('')
  folder.remove(PENDING)
  folder.syncFolder('')
}

/** A file replaces one of the same name of an earlier layer. */
function merged(operator: Layer, own: Layer): Layer {
  const over = (below: readonly PolicyFile[], above: readonly PolicyFile[]): readonly PolicyFile[] => [
    ...below.filter((file) => !above.some((other) => other.name === file.name)),
    ...above,
  ]
  return { policies: over(operator.policies, own.policies), tables: over(operator.tables, own.tables), invariants: operator.invariants }
}
