import type { UnreadableKind } from '#foundation/core'
import type { Branch, Tree } from '../chat-completions/texts.ts'
import { invalid, isBranch, text } from '../request-members.ts'

const MAX_ITEMS = 4096
const MAX_PARTS = 1024
const MAX_IDENTIFIER_LENGTH = 512
const ANY_LENGTH = Number.MAX_SAFE_INTEGER

const ROLES: ReadonlySet<Tree | undefined> = new Set(['system', 'developer', 'user', 'assistant'])
const OPAQUE_PARTS: ReadonlyMap<string, UnreadableKind> = new Map([
  ['input_image', 'image'],
  ['input_file', 'file'],
  ['input_audio', 'audio'],
])
/** The members of an opaque part that carry, or point to, what cannot be read. */
export const OPAQUE_MEMBERS: ReadonlySet<string> = new Set(['image_url', 'file_data', 'file_url', 'file_id', 'input_audio', 'url'])

/** Is told of each part that no filter can look into. */
export type Opaque = (part: Branch, kind: UnreadableKind, param: string) => void

/** @throws {RedoubtError} `ERR_INPUT_INVALID` for what is neither a text nor items of known types. */
export function checkInput(input: Tree | undefined, opaque: Opaque): void {
  if (input === undefined || input === null) throw invalid('`input` is missing', 'input')
  if (typeof input === 'string') return
  if (!Array.isArray(input)) throw invalid('`input` is neither a text nor an array', 'input')
  if (input.length === 0) throw invalid('`input` is empty', 'input')
  if (input.length > MAX_ITEMS) throw invalid(`there are more than ${MAX_ITEMS} items`, 'input')
  for (const [i, item] of input.entries()) {
    const at = `input[${i}]`
    if (!isBranch(item)) throw invalid('an item is not an object', at)
    checkItem(item, at, opaque)
  }
}

function checkItem(item: Branch, at: string, opaque: Opaque): void {
  switch (item['type'] ?? 'message') {
    case 'message':
      if (!ROLES.has(item['role'])) throw invalid('the role is none of system, developer, user, assistant', `${at}.role`)
      return checkParts(item['content'], `${at}.content`, opaque)
    case 'function_call':
      for (const member of ['call_id', 'name']) text(item[member], `${at}.${member}`, MAX_IDENTIFIER_LENGTH)
      text(item['arguments'], `${at}.arguments`, ANY_LENGTH)
      return undefined
    case 'custom_tool_call':
      for (const member of ['call_id', 'name']) text(item[member], `${at}.${member}`, MAX_IDENTIFIER_LENGTH)
      text(item['input'], `${at}.input`, ANY_LENGTH)
      return undefined
    case 'function_call_output':
    case 'custom_tool_call_output':
      text(item['call_id'], `${at}.call_id`, MAX_IDENTIFIER_LENGTH)
      return checkParts(item['output'], `${at}.output`, opaque)
    case 'reasoning':
      return checkReasoning(item, at)
    case 'web_search_call':
    case 'file_search_call':
    case 'mcp_list_tools':
    case 'mcp_call':
    case 'mcp_approval_request':
      text(item['id'], `${at}.id`, MAX_IDENTIFIER_LENGTH)
      return undefined
    case 'mcp_approval_response':
      text(item['approval_request_id'], `${at}.approval_request_id`, MAX_IDENTIFIER_LENGTH)
      return undefined
    case 'code_interpreter_call':
      text(item['id'], `${at}.id`, MAX_IDENTIFIER_LENGTH)
      return checkCodeOutputs(item['outputs'] ?? null, `${at}.outputs`, opaque)
    case 'item_reference':
      throw invalid('responses are not stored, so no item can be referred to: send the item itself', `${at}.type`)
    default:
      throw invalid('the item is of no known type', `${at}.type`)
  }
}

/** What a program put out: its words, or pictures. */
function checkCodeOutputs(outputs: Tree, place: string, opaque: Opaque): void {
  if (outputs === null) return
  if (!Array.isArray(outputs) || outputs.length > MAX_PARTS) throw invalid(`the outputs are no array of at most ${MAX_PARTS}`, place)
  for (const [i, output] of outputs.entries()) {
    const at = `${place}[${i}]`
    if (!isBranch(output)) throw invalid('an output is not an object', at)
    if (output['type'] === 'image') opaque(output, 'image', `${at}.type`)
    else if (output['type'] === 'logs') text(output['logs'], `${at}.logs`, ANY_LENGTH)
    else throw invalid('the output is of no known type', `${at}.type`)
  }
}

function checkReasoning(item: Branch, at: string): void {
  if ((item['encrypted_content'] ?? null) !== null)
    throw invalid('encrypted reasoning is not accepted, for only text can be filtered', `${at}.encrypted_content`)
  for (const member of ['summary', 'content']) {
    const parts = item[member] ?? null
    if (parts === null) continue
    if (!Array.isArray(parts)) throw invalid(`\`${member}\` is not an array`, `${at}.${member}`)
    for (const [i, part] of parts.entries()) {
      if (!isBranch(part)) throw invalid('a part is not an object', `${at}.${member}[${i}]`)
      text(part['text'], `${at}.${member}[${i}].text`, ANY_LENGTH)
    }
  }
}

function checkParts(content: Tree | undefined, place: string, opaque: Opaque): void {
  if (typeof content === 'string') return
  if (!Array.isArray(content)) throw invalid('the content is neither a text nor an array of parts', place)
  if (content.length > MAX_PARTS) throw invalid(`there are more than ${MAX_PARTS} parts`, place)
  for (const [i, part] of content.entries()) {
    const at = `${place}[${i}]`
    if (!isBranch(part)) throw invalid('a part is not an object', at)
    const { type } = part
    const kind = typeof type === 'string' ? OPAQUE_PARTS.get(type) : undefined
    if (kind !== undefined) opaque(part, kind, `${at}.type`)
    else if (type === 'input_text' || type === 'output_text') text(part['text'], `${at}.text`, ANY_LENGTH)
    else if (type === 'refusal') text(part['refusal'], `${at}.refusal`, ANY_LENGTH)
    else throw invalid('the part is of no known type', `${at}.type`)
  }
}
