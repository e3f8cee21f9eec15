import { type ErrorCode, RedoubtError } from '#foundation/core'
import { filterJsonText, isJsonDocument } from '../json-text.ts'

/**
 * Looks at one text and returns what may pass. `param` is its place, in OpenAI's notation (`messages[0].content`); `isName` says that it is the name of a member of
 * what is there. It throws to refuse.
 */
export type TextFilter = (text: string, param: string, isName?: true) => string

/** JSON as it was parsed, owned by the codec, changed in place. */
export type Tree = null | boolean | number | string | Tree[] | { [member: string]: Tree }
export type Branch = { [member: string]: Tree }

export function isEmpty(branch: Branch): boolean {
  for (const _ in branch) return false
  return true
}

/** Integers from here on are long enough to be somebody's number, so they are looked at as text. */
const SHORTEST_NUMBER = 1_000_000

/**
 * Member names that are the protocol's, hence not data. Every other name is looked at like a text: free-form objects
 * (metadata, schemas, tool arguments) can carry a person in a member's name.
 */
const PROTOCOL_NAMES: ReadonlySet<string> = new Set(
  (
    'model messages role content name tool_calls tool_call_id function_call function functions arguments id type text refusal index ' +
    'tools tool_choice parameters description strict properties required additionalProperties items enum anyOf allOf oneOf $ref $defs ' +
    'response_format json_schema schema stop prediction user safety_identifier metadata temperature top_p n seed stream stream_options ' +
    'include_usage max_tokens max_completion_tokens logit_bias logprobs top_logprobs presence_penalty frequency_penalty ' +
    'parallel_tool_calls reasoning_effort service_tier store verbosity custom input choices message finish_reason created object usage ' +
    'system_fingerprint reasoning_content reasoning annotations token bytes audio title default examples pattern format const ' +
    'prompt_cache_key extra_body documents ' +
    // completions, embeddings
    'prompt suffix best_of echo encoding_format dimensions data embedding ' +
    // responses
    'instructions output output_text call_id arguments summary status incomplete_details max_output_tokens format include background ' +
    // messages
    'system thinking signature budget_tokens tool_use_id input_schema cache_control ttl stop_sequences stop_sequence stop_reason top_k ' +
    'is_error source media_type user_id citations cited_text'
  ).split(' '),
)

/** Members whose values come from closed sets that the parser has checked, or that only the protocol reads. */
export type Exempt = (holder: Branch, member: string) => boolean

/**
 * Passes every text of a tree through a filter, in document order. What is exempt is said by name; anything unknown is looked at,
 * so that a member invented tomorrow cannot carry data past the filter.
 * @throws {RedoubtError} `blocked` when masking makes two member names of one object the same; and whatever the filter throws.
 */
export function rewriteTree(tree: Branch, filter: TextFilter, exempt: Exempt, blocked: ErrorCode): boolean {
  return new Rewriter(filter, exempt, blocked).branch(tree, '')
}

class Rewriter {
  readonly #filter: TextFilter
  readonly #exempt: Exempt
  readonly #blocked: ErrorCode
  /** Set when something inside of a value that stays the same object was changed. */
  #inside = false

  constructor(filter: TextFilter, exempt: Exempt, blocked: ErrorCode) {
    this.#filter = filter
    this.#exempt = exempt
    this.#blocked = blocked
  }

  branch(branch: Branch, place: string): boolean {
    let changed = false
    for (const member of Object.keys(branch)) {
      const value = branch[member]
      if (value === undefined) continue
      const name = PROTOCOL_NAMES.has(member) ? member : this.#filter(member, place === '' ? 'body' : place, true)
      if (!this.#exempt(branch, member)) {
        // A name that the caller made up could be a person's: it is told to nobody, the record included.
        const known = PROTOCOL_NAMES.has(member) ? member : '*'
        const param = place === '' ? known : `${place}.${known}`
        const next = this.#value(value, param, member === 'arguments')
        if (next !== value) branch[member] = next
        changed ||= next !== value || this.#inside
        this.#inside = false
      }
      if (name !== member) {
        if (Object.hasOwn(branch, name)) throw new RedoubtError(this.#blocked, 'two member names cannot be told apart once masked')
        branch[name] = branch[member] ?? null
        delete branch[member]
        changed = true
      }
    }
    return changed
  }

  #value(value: Tree, param: string, json: boolean): Tree {
    if (typeof value === 'string') return this.#text(value, param, json)
    if (typeof value === 'number') return this.#number(value, param)
    if (Array.isArray(value)) {
      let changed = false
      for (let i = 0; i < value.length; i++) {
        const item = value[i] as Tree
        const next = this.#value(item, `${param}[${i}]`, false)
        changed ||= next !== item || this.#inside
        this.#inside = false
        value[i] = next
      }
      this.#inside = changed
      return value
    }
    if (value !== null && typeof value === 'object') this.#inside = this.branch(value, param)
    return value
  }

  #text(text: string, param: string, json: boolean): string {
    if (text === '') return text
    return json || isJsonDocument(text) ? filterJsonText(text, (plain) => this.#filter(plain, param)) : this.#filter(text, param)
  }

  /** A masked number cannot stay a number. */
  #number(value: number, param: string): Tree {
    if (Math.abs(value) < SHORTEST_NUMBER) return value
    const text = String(value)
    const filtered = this.#filter(text, param)
    return filtered === text ? value : filtered
  }
}
