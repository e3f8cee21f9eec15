import { isToolAllowed, parseStrictJson, RedoubtError, type ToolRules } from '#foundation/core'
import { Blocked } from '../chat-completions/text-channel.ts'
import type { Branch, Tree } from '../chat-completions/texts.ts'
import { invalid, isBranch } from '../request-members.ts'
import type { HostedKind } from './hosted.ts'
import { JsonSchema } from './json-schema.ts'

const MAX_ARGUMENT_BYTES = 1_048_576
const MAX_DEPTH = 64

/** A tool that a request offers to the model, or tells it to call. */
export interface AskedTool {
  /** The name; of a tool that the upstream runs itself, what policies call it. */
  readonly name: string
  readonly hosted: boolean
  /** What shows in an answer of a tool that the upstream runs itself, where that is known. */
  readonly kind?: HostedKind | null
  /** Its place in the request. */
  readonly param: string
  /** What its arguments have to fit; undefined when nothing is said, null for one that is only named. */
  readonly schema: Tree | undefined
}

/** A call in an answer. */
export interface ToolCallMade {
  /** Null when it has none; of a tool that the upstream runs itself, its kind. */
  readonly name: string | null
  readonly hosted?: boolean
  /** JSON as a text, or as it was parsed. */
  readonly arguments: Tree
}

/**
 * What the upstream runs, it was asked to run: also where no policy speaks of tools.
 * @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL`.
 */
export function demandAsked(calls: readonly ToolCallMade[], asked: readonly AskedTool[]): void {
  if (calls.some(({ name, hosted }) => hosted === true && !asked.some(({ kind }) => kind === name && name !== null)))
    throw new RedoubtError('ERR_UPSTREAM_PROTOCOL', 'the upstream ran a tool that it was not asked to run')
}

/** What policies let a model do with tools, for one request. Owned by one call. */
export class ToolGuard {
  readonly #rules: ToolRules
  readonly #schemas = new Map<string, JsonSchema>()
  /** Kinds of tools that the upstream was asked to run, and may. */
  readonly #hosted = new Set<string>()
  #refused: RedoubtError | null = null

  /**
   * @throws {RedoubtError} `ERR_POLICY_TOOL` for a tool that may not be offered; `ERR_INPUT_INVALID` for one whose arguments have to be
   * checked and cannot be.
   */
  constructor(rules: ToolRules, asked: readonly AskedTool[]) {
    this.#rules = rules
    for (const { name, hosted, kind = null, param, schema } of asked) {
      if (!isToolAllowed(rules, name, hosted))
        throw new RedoubtError('ERR_POLICY_TOOL', `no policy lets the tool in \`${param}\` be used here`, { evidence: { param } })
      if (kind !== null) this.#hosted.add(kind)
      if (rules.toolArguments === undefined || hosted || schema === null) continue
      if (schema === undefined) throw invalid('the policies ask for arguments to be checked, and this tool has no schema', param)
      if (this.#schemas.has(name)) throw invalid('two tools have one name, and the policies ask for arguments to be checked', param)
      this.#schemas.set(name, new JsonSchema(schema, param))
    }
  }

  /** Whether nothing of an argument may leave before all of it was checked. */
  get holdsArguments(): boolean {
    return this.#rules.toolArguments !== undefined
  }

  /** Why a call was blocked; null while none was. */
  get refused(): RedoubtError | null {
    return this.#refused
  }

  /** A call begins. @throws {Blocked} when the model may not call this tool. */
  called(name: string | null, hosted = false): void {
    // What the upstream runs shows as its kind alone, which it was asked for under its whole name.
    const allowed = name !== null && (hosted ? this.#hosted.has(name) : isToolAllowed(this.#rules, name, false))
    if (!allowed) this.#block('the answer calls a tool that may not be called')
    else if (this.holdsArguments && !hosted && !this.#schemas.has(name)) this.#block('the answer calls a tool that was not offered')
  }

  /** The arguments of a call are whole. @throws {Blocked} when they do not fit. */
  checked(name: string, value: Tree): void {
    const schema = this.#schemas.get(name)
    if (!this.holdsArguments) return
    const parsed = typeof value === 'string' ? parsedArguments(value) : value
    if (schema === undefined || !isBranch(parsed) || !schema.fits(parsed)) this.#block('the arguments of a call do not fit its tool')
  }

  /** Calls that are whole. @throws {Blocked} */
  made(calls: readonly ToolCallMade[]): void {
    for (const { name, hosted = false, arguments: value } of calls) {
      this.called(name, hosted)
      if (name !== null && !hosted) this.checked(name, value)
    }
  }

  /** The calls of a whole answer. @throws {RedoubtError} `ERR_FILTER_TOOL_CALL`. */
  checkAll(calls: readonly ToolCallMade[]): void {
    try {
      this.made(calls)
    } catch (thrown) {
      throw thrown instanceof Blocked ? (this.#refused ?? thrown) : thrown
    }
  }

  #block(message: string): never {
    this.#refused = new RedoubtError('ERR_FILTER_TOOL_CALL', message)
    throw new Blocked()
  }
}

/** A call without arguments is one with none. */
function parsedArguments(text: string): Branch | null {
  if (text.trim() === '') return {}
  try {
    const value = parseStrictJson(Buffer.from(text), { maxBytes: MAX_ARGUMENT_BYTES, maxDepth: MAX_DEPTH }) as Tree
    return isBranch(value) ? value : null
  } catch {
    return null
  }
}
