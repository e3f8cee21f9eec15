import type { Branch, Tree } from '../chat-completions/texts.ts'
import { isBranch } from '../request-members.ts'
import type { AskedTool } from './tool-guard.ts'

const named = (name: Tree | undefined, param: string, schema: Tree | undefined): AskedTool => ({
  // One without a name is matched by no pattern but `*`, and no call can be of it.
  name: typeof name === 'string' ? name : '',
  hosted: false,
  param,
  schema,
})
const hosted = (type: Tree | undefined, param: string): AskedTool => ({
  name: typeof type === 'string' ? type : '',
  hosted: true,
  param,
  schema: null,
})
const listOf = (value: Tree | undefined): readonly Branch[] => (Array.isArray(value) ? value.filter(isBranch) : [])
/** A function without parameters takes none. */
const parametersOf = ({ parameters }: Branch): Tree => parameters ?? { type: 'object', additionalProperties: false }

/** The tools of a request of OpenAI's, of either API: chat completions hold what a tool is in a member named as its type, responses beside it. */
export function openAiTools(document: Branch): readonly AskedTool[] {
  const asked = listOf(document['tools']).map((tool, i) => openAiTool(tool, `tools[${i}]`, parametersOf))
  for (const [i, tool] of listOf(document['functions']).entries()) asked.push(named(tool['name'], `functions[${i}]`, parametersOf(tool)))
  // Beside the tools, chat completions have a member for this one.
  if ((document['web_search_options'] ?? null) !== null) asked.push(hosted('web_search', 'web_search_options'))
  const { tool_choice: choice, function_call: call } = document
  if (isBranch(choice)) asked.push(...openAiChoice(choice))
  if (isBranch(call)) asked.push(named(call['name'], 'function_call', null))
  return asked
}

function openAiTool(tool: Branch, param: string, schemaOf: (holder: Branch) => Tree): AskedTool {
  const { type } = tool
  if (type !== 'function' && type !== 'custom') return hosted(type, param)
  const inner = isBranch(tool[type]) ? tool[type] : tool
  const schema = type === 'function' ? schemaOf(inner) : undefined
  return named(inner['name'], param, schema)
}

function openAiChoice(choice: Branch): readonly AskedTool[] {
  const only = (tool: Branch): AskedTool => ({ ...openAiTool(tool, 'tool_choice', () => null), schema: null })
  if (choice['type'] !== 'allowed_tools') return [only(choice)]
  const allowed = isBranch(choice['allowed_tools']) ? choice['allowed_tools'] : choice
  return listOf(allowed['tools']).map(only)
}

/** The tools of a request of Anthropic's; those of a type that the vendor describes have no schema of their own. */
export function anthropicTools(document: Branch): readonly AskedTool[] {
  const asked = listOf(document['tools']).map(({ name, input_schema: schema }, i) => named(name, `tools[${i}]`, schema))
  const { tool_choice: choice } = document
  if (isBranch(choice) && choice['type'] === 'tool') asked.push(named(choice['name'], 'tool_choice', null))
  return asked
}
