import type { Branch, Tree } from '../chat-completions/texts.ts'
import { isWord, protocol } from '../upstream-answer.ts'

/** What an item begins with, by type: its texts come in pieces, so none may come along with its beginning. */
const ITEMS: Readonly<Record<string, { readonly names: readonly string[]; readonly texts: () => Branch }>> = {
  message: { names: ['id'], texts: () => ({ role: 'assistant', content: [] }) },
  function_call: { names: ['id', 'call_id', 'name'], texts: () => ({ arguments: '' }) },
  custom_tool_call: { names: ['id', 'call_id', 'name'], texts: () => ({ input: '' }) },
  reasoning: { names: ['id'], texts: () => ({ summary: [] }) },
  web_search_call: { names: ['id'], texts: () => ({}) },
  file_search_call: { names: ['id'], texts: () => ({ queries: [], results: null }) },
  code_interpreter_call: { names: ['id', 'container_id'], texts: () => ({ code: '', outputs: null }) },
  mcp_list_tools: { names: ['id', 'server_label'], texts: () => ({ tools: [] }) },
  mcp_call: { names: ['id', 'server_label', 'name'], texts: () => ({ arguments: '', output: null }) },
  mcp_approval_request: { names: ['id', 'server_label', 'name'], texts: () => ({ arguments: '' }) },
}

/** @param once filters a name that arrives whole. @throws {RedoubtError} for an item of no known type: what it will tell cannot be followed. */
export function blankItem(item: Branch, once: (text: string) => string): Branch {
  const { type, status } = item
  const known = typeof type === 'string' && Object.hasOwn(ITEMS, type) ? ITEMS[type] : undefined
  if (known === undefined) throw protocol('an item is of no known type')
  const out: Branch = { type: type as string, status: isWord(status) ? status : 'in_progress', ...known.texts() }
  for (const name of known.names) {
    const value: Tree | undefined = item[name]
    if (typeof value === 'string') out[name] = once(value)
  }
  return out
}

/** A part without its text. @throws {RedoubtError} for a part of no known type. */
export function blankPart({ type }: Branch): Branch {
  switch (type) {
    case 'output_text':
      return { type, text: '', annotations: [], logprobs: [] }
    case 'refusal':
      return { type, refusal: '' }
    case 'summary_text':
    case 'reasoning_text':
      return { type, text: '' }
    default:
      throw protocol('a part is of no known type')
  }
}
