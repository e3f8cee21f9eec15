import type { TextOrigin } from '#gateway/pipeline'
import type { UntrustedOrigin } from '#foundation/core'
import { isBranch } from './request-members.ts'
import type { Branch, Tree } from './chat-completions/texts.ts'

/** Members of a request that hold what was said or brought along, with whose it is unless it says more; everything beside them is the application's own. */
const CONVERSATION: ReadonlyMap<string, TextOrigin> = new Map([
  ['messages', 'user'],
  ['input', 'user'],
  ['prompt', 'user'],
  ['suffix', 'user'],
  ['documents', 'document'],
])
const OF_ROLE: Readonly<Record<string, TextOrigin>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool_result',
  function: 'tool_result',
}
const OF_TYPE: Readonly<Record<string, TextOrigin>> = {
  tool_result: 'tool_result',
  function_call_output: 'tool_result',
  custom_tool_call_output: 'tool_result',
  document: 'document',
  search_result: 'document',
  web_search_call: 'tool_result',
  file_search_call: 'tool_result',
  code_interpreter_call: 'tool_result',
  mcp_list_tools: 'tool_result',
  mcp_call: 'tool_result',
  mcp_approval_request: 'tool_result',
  web_search_tool_result: 'tool_result',
  web_fetch_tool_result: 'tool_result',
  code_execution_tool_result: 'tool_result',
  bash_code_execution_tool_result: 'tool_result',
  text_editor_code_execution_tool_result: 'tool_result',
  function_call: 'assistant',
  custom_tool_call: 'assistant',
  reasoning: 'assistant',
}
/** Members that are the text itself, not an id or a name beside it. */
const TEXT_MEMBERS: ReadonlySet<string> = new Set(['content', 'text', 'output', 'data', 'refusal', 'thinking', 'logs', 'stdout', 'stderr'])
/** As those, of a document or a search result; a document that only the upstream describes has any of them. */
const DOCUMENT_MEMBERS: ReadonlySet<string> = new Set(['title', 'context', 'snippet', 'body'])
/** Parts that are read as text. */
const TEXT_PARTS: ReadonlySet<Tree | undefined> = new Set([undefined, 'text', 'input_text', 'output_text'])
/** Parts whose text has their own name. */
const NAMED_PARTS: ReadonlySet<string> = new Set(['refusal', 'thinking', 'logs', 'stdout', 'stderr'])

const isUntrusted = (origin: TextOrigin): origin is UntrustedOrigin => origin === 'tool_result' || origin === 'document'

/** What a branch of the conversation says of where its texts come from. What a tool or a document brought is nobody else's, whatever stands inside. */
function within(branch: Branch, origin: TextOrigin, isMessage: boolean): TextOrigin {
  const { role, type } = branch
  const ofType = typeof type === 'string' && Object.hasOwn(OF_TYPE, type) ? OF_TYPE[type]! : undefined
  if (isUntrusted(origin)) return ofType !== undefined && isUntrusted(ofType) ? ofType : origin
  const ofRole = isMessage && typeof role === 'string' && Object.hasOwn(OF_ROLE, role) ? OF_ROLE[role]! : undefined
  // A type beside a role makes it nobody's who is trusted more: upstreams go by the role.
  if (ofType !== undefined && (ofRole === undefined || isUntrusted(ofType))) return ofType
  return ofRole ?? origin
}

/**
 * Where a text of a request comes from, by its role and the type of its part. What a caller writes outside of a conversation (system prompts, tools) is the application's.
 * @param place as the filter is told: `messages[2].content[0].text`.
 */
export function originOf(tree: Branch, place: string): TextOrigin {
  let at: Tree | undefined = tree
  let origin: TextOrigin = 'system'
  let depth = 0
  for (const [, member, index] of place.matchAll(/([^.[\]]+)|\[(\d+)\]/g)) {
    if (member !== undefined) at = isBranch(at) && Object.hasOwn(at, member) ? at[member] : undefined
    else at = Array.isArray(at) ? at[Number(index)] : undefined
    if (depth++ === 0) {
      const whose = member === undefined ? undefined : CONVERSATION.get(member)
      if (whose === undefined) return 'system'
      origin = whose
    }
    if (at === undefined) break
    if (isBranch(at)) origin = within(at, origin, depth === 2)
  }
  return origin
}

/** What stands beside texts: of the protocol, or for programs. */
const BESIDE: ReadonlySet<string> = new Set([
  'type', 'role', 'id', 'name', 'call_id', 'tool_call_id', 'tool_use_id', 'status', 'detail', 'media_type', 'ttl', 'phase', 'index', 'signature',
]) // prettier-ignore
const UTTERANCE = /^([^.[\]]+)(?:\[\d+\])?/
/** The last name of a place. It is sought from where names begin only: from each character of a long one it costs the square of its length. */
const LAST_MEMBER = /(?:^|[.[\]])([^.[\]]+)(?:\[\d+\])*$/

/** The message, item or document that a text is said in; null for what is not said, but stands beside. @param place as of `originOf`. */
export function saidIn(place: string): string | null {
  const utterance = UTTERANCE.exec(place)
  if (utterance === null || !CONVERSATION.has(utterance[1]!)) return null
  const member = LAST_MEMBER.exec(place)?.[1] ?? ''
  return BESIDE.has(member) ? null : utterance[0]
}

/** Members of an answer that hold what the model says, thinks or calls a tool with. */
const ANSWERED =
  /(?:^|[.\]])(?:content|text|refusal|thinking|reasoning|reasoning_content|arguments|input|output|summary|logs|stdout|stderr)(?![^.[\]])/
const CHOICE = /^choices\[\d+\]/

/** As `saidIn`, of an answer: its parts, items and blocks are shown one after another, its choices side by side. */
export function answeredIn(place: string): string | null {
  const member = LAST_MEMBER.exec(place)?.[1] ?? ''
  if (BESIDE.has(member) || !ANSWERED.test(place)) return null
  return CHOICE.exec(place)?.[0] ?? ANSWER
}
const ANSWER = 'answer'

/** Passes each text of these origins through `mark`, in place. Names, ids and what stands beside a text are left as they are. */
export function markTexts(tree: Branch, origins: readonly UntrustedOrigin[], mark: (text: string) => string): void {
  const visit = (value: Tree, origin: TextOrigin, isMessage: boolean): void => {
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) {
        if (typeof item !== 'string') visit(item, origin, isMessage)
        // Whole documents, or lines of one.
        else if (origin === 'document' && origins.includes(origin)) value[i] = mark(item)
      }
      return
    }
    if (!isBranch(value)) return
    const here = within(value, origin, isMessage)
    const marked = isUntrusted(here) && origins.includes(here)
    for (const member of Object.keys(value)) {
      const inner = value[member]!
      if (typeof inner !== 'string') visit(inner, here, false)
      else if (marked && isText(value, member, here)) value[member] = mark(inner)
    }
  }
  for (const [member, whose] of CONVERSATION) {
    if (!Object.hasOwn(tree, member)) continue
    const value = tree[member]!
    if (typeof value !== 'string') visit(value, whose, true)
    else if (whose === 'document' && origins.includes(whose)) tree[member] = mark(value)
  }
}

/** Of `content` and `output` whatever holds them; of `text` and `data` where the part says that it is text; of others where it is named so. */
function isText(holder: Branch, member: string, origin: UntrustedOrigin): boolean {
  const { type } = holder
  if (DOCUMENT_MEMBERS.has(member)) return origin === 'document'
  if (!TEXT_MEMBERS.has(member)) return false
  if (NAMED_PARTS.has(member)) return true
  return member === 'content' || member === 'output' || TEXT_PARTS.has(type)
}

/**
 * Adds a line to the end of the system prompt: to each of the members that hold one, and to the last message of the system.
 * @returns whether there is a system prompt.
 */
export function endSystemPrompt(tree: Branch, line: string): boolean {
  let planted = false
  const end = (holder: Branch, member: string): void => {
    const value = holder[member]
    if (typeof value === 'string') holder[member] = value + line
    else if (Array.isArray(value)) {
      const last = value.findLast((part) => isBranch(part) && typeof part['text'] === 'string' && TEXT_PARTS.has(part['type']))
      if (!isBranch(last) || typeof last['text'] !== 'string') return
      last['text'] += line
    } else return
    planted = true
  }
  for (const member of ['system', 'instructions']) if (Object.hasOwn(tree, member)) end(tree, member)
  for (const member of ['messages', 'input']) {
    const items = tree[member]
    if (!Array.isArray(items)) continue
    const last = items.findLast((item) => isBranch(item) && (item['role'] === 'system' || item['role'] === 'developer'))
    if (isBranch(last)) end(last, 'content')
  }
  return planted
}
