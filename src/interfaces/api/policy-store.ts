import { type Decider, type Decision, type DecisionQuery, RedoubtError } from '#foundation/core'
import { type DurableFolder, replaceFile } from '#foundation/storage'
import { RECOGNISERS } from '#gateway/filters'
import { type LoadOptions, loadPolicies, type PolicyEngine, type PolicyFile, withDefaultPolicies } from '#trust/policy'

/** A policy set is a few pages; more in one file is a mistake. */
const MAX_POLICY_BYTES = 256 * 1024
/** Files put through the control plane; each change is validated together with all others. */
const MAX_POLICY_FILES = 256
/** What an annotation may name: a filter on an entity that nothing recognises would look like protection and be none. */
const filterEntities = RECOGNISERS.map((recogniser) => recogniser.entity)
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/

type ShadowOptions = Required<Pick<LoadOptions, 'shadowRate' | 'onMismatch'>>

/**
 * The policies in force: the bundled ones, the operator's folder, and those put through the control plane, which lie in the data
 * directory. A change is validated as a whole before anything of it is kept, and takes effect for the next decision.
 */
export class PolicyStore implements Decider {
  readonly #folder: DurableFolder
  readonly #operator: readonly PolicyFile[]
  readonly #shadow: ShadowOptions
  #engine: PolicyEngine
  #queue: Promise<unknown> = Promise.resolve()

  private constructor(folder: DurableFolder, operator: readonly PolicyFile[], shadow: ShadowOptions, engine: PolicyEngine) {
    this.#folder = folder
    this.#operator = operator
    this.#shadow = shadow
    this.#engine = engine
  }

  /** @throws {RedoubtError} `ERR_POLICY_INVALID`: with policies that do not validate nothing starts. */
  static async open(options: {
    readonly folder: DurableFolder
    readonly operator: readonly PolicyFile[]
    readonly shadowRate: number
    /** Told of each decision on which Cedar's own engine differs: the policies cannot be relied on until it is understood. */
    readonly onMismatch: ShadowOptions['onMismatch']
  }): Promise<PolicyStore> {
    const { folder, operator, shadowRate, onMismatch } = options
    const shadow = { shadowRate, onMismatch }
    const engine = await loadPolicies({ files: merged(operator, stored(folder)), ...shadow, filterEntities })
    return new PolicyStore(folder, operator, shadow, engine)
  }

  get engine(): PolicyEngine {
    return this.#engine
  }

  decide(query: DecisionQuery): Decision {
    return this.#engine.decide(query)
  }

  list(): readonly PolicyFile[] {
    return merged(this.#operator, stored(this.#folder))
  }

  put(name: string, text: string): Promise<void> {
    return this.#inTurn(() => this.#put(name, text))
  }

  remove(name: string): Promise<void> {
    return this.#inTurn(() => this.#remove(name))
  }

  /** One change after another: two at a time would each be validated without the other, and the last would undo the first. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => undefined)
    return result
  }

  async #put(name: string, text: string): Promise<void> {
    checkName(name)
    if (Buffer.byteLength(text) > MAX_POLICY_BYTES)
      throw new RedoubtError('ERR_INPUT_TOO_LARGE', `a policy file has at most ${MAX_POLICY_BYTES} bytes`)
    const others = stored(this.#folder).filter((file) => file.name !== `${name}.cedar`)
    if (others.length >= MAX_POLICY_FILES)
      throw new RedoubtError('ERR_CONFLICT', `there are ${MAX_POLICY_FILES} policy files already; remove one`)
    const engine = await this.#load([...others, { name: `${name}.cedar`, text }])
    replaceFile(this.#folder, `${name}.cedar`, Buffer.from(text))
    this.#engine = engine
  }

  async #remove(name: string): Promise<void> {
    checkName(name)
    if (!this.#folder.exists(`${name}.cedar`))
      throw new RedoubtError('ERR_NOT_FOUND', `there is no policy file \`${name}\` that was put here`)
    const engine = await this.#load(stored(this.#folder).filter((file) => file.name !== `${name}.cedar`))
    this.#folder.remove(`${name}.cedar`)
    this.#folder.syncFolder('')
    this.#engine = engine
  }

  #load(own: readonly PolicyFile[]): Promise<PolicyEngine> {
    return loadPolicies({ files: merged(this.#operator, own), ...this.#shadow, filterEntities })
  }
}

function checkName(name: string): void {
  if (!NAME.test(name)) throw new RedoubtError('ERR_INPUT_INVALID', 'a policy file is named in lower case letters, digits and dashes')
}

const stored = (folder: DurableFolder): readonly PolicyFile[] =>
  folder
    .list('')
    .filter((name) => name.endsWith('.cedar'))
    .map((name) => ({ name, text: new TextDecoder().decode(folder.read(name) ?? new Uint8Array()) }))

/** A file replaces one of the same name of an earlier layer. */
const merged = (operator: readonly PolicyFile[], own: readonly PolicyFile[]): readonly PolicyFile[] =>
  withDefaultPolicies([...operator.filter((file) => !own.some((other) => other.name === file.name)), ...own])
