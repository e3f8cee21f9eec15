import type { Branch, Tree } from './chat-completions/texts.ts'
import { invalid, isBranch } from './request-members.ts'

/** What asks for texts as numbers, or brings them so: no filter can read these. */
const ASKED = [
  'return_token_ids', 'prompt_logprobs', 'prompt_embeds', 'prompt_token_ids', 'token_ids', 'input_ids', 'input_embeds',
] as const // prettier-ignore
const TOLD: ReadonlySet<string> = new Set(['token_ids', 'prompt_token_ids', 'prompt_logprobs'])
/** Looked at by themselves, what a tool is called with, or what says how it is called. */
const KNOWN: ReadonlySet<string> = new Set(['logprobs', 'arguments', 'input', 'usage', 'parameters', 'schema', 'input_schema'])

/** @throws {RedoubtError} `ERR_INPUT_INVALID` for a request that asks for its texts, or brings them, as numbers. */
export function refuseTokenIds(document: Branch): void {
  for (const member of ASKED)
    if ((document[member] ?? false) !== false)
      throw invalid(`\`${member}\` is not accepted: tokens and vectors that stand for a text cannot be filtered, leave it out`, member)
}

/** Takes lists of numbers out of an answer, in place: they spell its texts, or the prompt, past every filter. */
export function dropTokenIds(tree: Branch): void {
  for (const member of Object.keys(tree)) {
    const value = tree[member]
    if (value === undefined || KNOWN.has(member)) continue
    if (TOLD.has(member) || isNumbers(value)) delete tree[member]
    else if (isBranch(value)) dropTokenIds(value)
    else if (Array.isArray(value)) for (const item of value) if (isBranch(item)) dropTokenIds(item)
  }
}

/** A list of numbers, or of such lists. */
const isNumbers = (value: Tree): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number' || isNumbers(item))
