import type { RedoubtError } from '#foundation/core'
import type { Branch, Tree } from '../chat-completions/texts.ts'
import { invalid, isBranch } from '../request-members.ts'
import { anthropicHostedKind, type HostedKind, hostedName, openAiHostedKind, serverToolKind } from './hosted.ts'
import type { AskedTool } from './tool-guard.ts'

const named = (name: Tree | undefined, param: string, schema: Tree | undefined): AskedTool => ({
  // One without a name is matched by no pattern but `*`, and no call can be of it.
  name: typeof name === 'string' ? name : '',
  hosted: false,
  param,
  schema,
})
const hosted = (name: string, kind: HostedKind | null, param: string): AskedTool => ({ name, hosted: true, kind, param, schema: null })
const upstreams = (member: string, param: string): AskedTool => hosted(member, openAiHostedKind(member), param)
const listOf = (value: Tree | undefined): readonly Branch[] => (Array.isArray(value) ? value.filter(isBranch) : [])
/** A function without parameters takes none. */
const parametersOf = ({ parameters }: Branch): Tree => parameters ?? { type: 'object', additionalProperties: false }

/** Where a tool says what it is: `nested` in a member named as its type (chat completions), or `flat` beside the type (responses). */
type ToolForm = 'nested' | 'flat'

/** Members of an open API by which some upstreams search, fetch or run something themselves. */
const UPSTREAM_WORK = ['search_parameters', 'plugins', 'chat_template_kwargs', 'extra_body', 'mcp_servers', 'enable_search'] as const

/**
 * The tools of a request of OpenAI's, of either API.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` for a tool in both forms: an upstream could read the other one.
 */
export function openAiTools(document: Branch, form: ToolForm): readonly AskedTool[] {
  const asked = listOf(document['tools']).map((tool, i) => openAiTool(tool, form, `tools[${i}]`, parametersOf))
  for (const [i, tool] of listOf(document['functions']).entries()) asked.push(named(tool['name'], `functions[${i}]`, parametersOf(tool)))
  // Beside the tools, chat completions have a member for this one.
  if ((document['web_search_options'] ?? null) !== null) asked.push(upstreams('web_search', 'web_search_options'))
  for (const member of UPSTREAM_WORK) if ((document[member] ?? false) !== false) asked.push(upstreams(member, member))
  const { tool_choice: choice, function_call: call } = document
  if (isBranch(choice) && choice['type'] === 'mcp') demandServer(choice, document['tools'])
  else if (isBranch(choice)) asked.push(...openAiChoice(choice, form, document['tools']))
  if (isBranch(call)) asked.push(named(call['name'], 'function_call', null))
  return asked
}

/** One that is chosen is called by its label, and is one of those that are offered. */
function demandServer({ server_label: label }: Branch, tools: Tree | undefined): void {
  if (!listOf(tools).some((tool) => tool['type'] === 'mcp' && tool['server_label'] === label))
    throw invalid('the server of tools is none of those in `tools`', 'tool_choice')
}

function openAiTool(tool: Branch, form: ToolForm, param: string, schemaOf: (holder: Branch) => Tree): AskedTool {
  const { type } = tool
  if (type !== 'function' && type !== 'custom') return hosted(hostedName(tool, param), openAiHostedKind(type), param)
  const nested = tool[type]
  if (isBranch(nested) && ('name' in tool || 'parameters' in tool)) throw twice(param)
  const inner = form === 'flat' ? tool : isBranch(nested) ? nested : {}
  const schema = type === 'function' ? schemaOf(inner) : undefined
  return named(inner['name'], param, schema)
}

const twice = (param: string): RedoubtError => invalid('a tool is described in two places: leave the one of the other API out', param)

function openAiChoice(choice: Branch, form: ToolForm, offered: Tree | undefined): readonly AskedTool[] {
  const only = (tool: Branch): AskedTool => ({ ...openAiTool(tool, form, 'tool_choice', () => null), schema: null })
  if (choice['type'] !== 'allowed_tools') return [only(choice)]
  const nested = choice['allowed_tools']
  if (isBranch(nested) && 'tools' in choice) throw twice('tool_choice')
  const allowed = form === 'flat' ? choice : isBranch(nested) ? nested : {}
  return listOf(allowed['tools']).flatMap((tool) => {
    if (tool['type'] !== 'mcp') return [only(tool)]
    demandServer(tool, offered)
    return []
  })
}

/** The tools of a request of Anthropic's; those of a type that the vendor describes have no schema of their own. */
export function anthropicTools(document: Branch): readonly AskedTool[] {
  const asked = listOf(document['tools']).map(({ type, name, input_schema: schema }, i) => {
    const kind = anthropicHostedKind(type)
    return kind === null ? named(name, `tools[${i}]`, schema) : hosted(String(type), kind, `tools[${i}]`)
  })
  const { tool_choice: choice } = document
  if (!isBranch(choice) || choice['type'] !== 'tool') return asked
  const kind = serverToolKind(choice['name'])
  // The name of a tool that the upstream runs, of the offered ones: a caller's tool could bear it too.
  if (!asked.some((tool) => tool.hosted && tool.kind === kind)) asked.push(named(choice['name'], 'tool_choice', null))
  return asked
}
