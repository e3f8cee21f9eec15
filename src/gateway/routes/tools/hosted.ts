import type { Branch, Tree } from '../chat-completions/texts.ts'
import { invalid, isBranch } from '../request-members.ts'

/**
 * What the upstream runs itself and can be looked at: what it is asked with and what it brings are texts in the answer. Others bring screenshots, pictures
 * or cipher, or run where nothing is told of it, and are refused whatever a policy says.
 */
export type HostedKind = 'web_search' | 'web_fetch' | 'file_search' | 'code_interpreter' | 'code_execution' | 'mcp'

/** Types of OpenAI's tools. Dated ones are the same at another day. */
const OPENAI: readonly (readonly [RegExp, HostedKind])[] = [
  [/^web_search(?:_preview)?(?:_\d{4}_\d\d_\d\d)?$/, 'web_search'],
  [/^file_search$/, 'file_search'],
  [/^code_interpreter$/, 'code_interpreter'],
  [/^mcp$/, 'mcp'],
]
const ANTHROPIC: readonly (readonly [RegExp, HostedKind])[] = [
  [/^web_search_\d{8}$/, 'web_search'],
  [/^web_fetch_\d{8}$/, 'web_fetch'],
  [/^code_execution_\d{8}$/, 'code_execution'],
]
/** Items of a response that such a tool makes. */
const ITEMS: Readonly<Record<string, HostedKind>> = {
  web_search_call: 'web_search',
  file_search_call: 'file_search',
  code_interpreter_call: 'code_interpreter',
  mcp_list_tools: 'mcp',
  mcp_call: 'mcp',
  mcp_approval_request: 'mcp',
}
/** Names that a `server_tool_use` has. */
const SERVER_TOOLS: Readonly<Record<string, HostedKind>> = {
  web_search: 'web_search',
  web_fetch: 'web_fetch',
  code_execution: 'code_execution',
  bash_code_execution: 'code_execution',
  text_editor_code_execution: 'code_execution',
}
/** Blocks that bring their results, whole. */
const RESULTS: Readonly<Record<string, HostedKind>> = {
  web_search_tool_result: 'web_search',
  web_fetch_tool_result: 'web_fetch',
  code_execution_tool_result: 'code_execution',
  bash_code_execution_tool_result: 'code_execution',
  text_editor_code_execution_tool_result: 'code_execution',
}

/** Types of such blocks. */
export const RESULT_BLOCKS: readonly string[] = Object.keys(RESULTS)

const kindIn = (kinds: readonly (readonly [RegExp, HostedKind])[], type: Tree | undefined): HostedKind | null =>
  typeof type === 'string' ? (kinds.find(([pattern]) => pattern.test(type))?.[1] ?? null) : null
const named = (kinds: Readonly<Record<string, HostedKind>>, name: Tree | undefined): HostedKind | null =>
  typeof name === 'string' && Object.hasOwn(kinds, name) ? kinds[name]! : null

export const openAiHostedKind = (type: Tree | undefined): HostedKind | null => kindIn(OPENAI, type)
export const anthropicHostedKind = (type: Tree | undefined): HostedKind | null => kindIn(ANTHROPIC, type)
/** The tool that made an item of a response; null for an item of another kind. */
export const itemHostedKind = (type: Tree | undefined): HostedKind | null => named(ITEMS, type)
/** The tool that a message calls by this name, and the tool whose result a block of this type is. */
export const serverToolKind = (name: Tree | undefined): HostedKind | null => named(SERVER_TOOLS, name)
export const resultKind = (type: Tree | undefined): HostedKind | null => named(RESULTS, type)

/**
 * What a policy calls a tool of OpenAI's that the upstream runs: its type, and for a server of tools where it is, for its label is the caller's to choose.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` for a server that is named in no way, in several, or not by an address.
 */
export function hostedName({ type, server_url: url, connector_id: connector, tunnel_id: tunnel }: Branch, param: string): string {
  if (type !== 'mcp') return typeof type === 'string' ? type : ''
  const given = [url, connector, tunnel].filter((value) => (value ?? null) !== null)
  const [where] = given
  if (given.length !== 1 || typeof where !== 'string' || where === '') throw invalid('a server of tools is named in one way', param)
  if (where !== url) return `mcp/${where}`
  const address = URL.canParse(where) ? new URL(where) : null
  if (address?.protocol !== 'https:' || address.username !== '' || address.password !== '')
    throw invalid('the address of a server of tools is not an https address', param)
  return `mcp/${address.host}`
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID` for a machine that was there before, or one that reaches out: what is on it, or leaves it, is in no text. */
export function checkContainer(container: Tree | undefined, param: string): void {
  if (!isBranch(container) || container['type'] !== 'auto') throw invalid('the container is not `{"type": "auto"}`, a new one', param)
  if (Array.isArray(container['file_ids']) ? container['file_ids'].length > 0 : (container['file_ids'] ?? null) !== null)
    throw invalid('files of the upstream are not laid into a container: no filter has read them', `${param}.file_ids`)
  const network = container['network_policy'] ?? null
  if (network !== null && !(isBranch(network) && network['type'] === 'disabled'))
    throw invalid('a container that reaches the network sends data past the gateway', `${param}.network_policy`)
}
