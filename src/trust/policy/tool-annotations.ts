import type { ToolRules } from '#foundation/core'

const MAX_PATTERNS = 64
const PATTERN = /^(?:hosted:)?(?:[A-Za-z0-9_.-]{1,128}\*?|\*)$/
/** What a permit that does not speak of tools says: every tool of the caller's, none of the upstream's. */
const UNSAID: readonly string[] = Object.freeze(['*'])

/** Reads `@tools` and `@tool_arguments`. @throws {Error} with the reason; the caller adds file and line. */
export function readTools(tools: string | null | undefined, toolArguments: string | null | undefined): ToolRules {
  if (toolArguments && toolArguments !== 'check') throw new Error('`@tool_arguments` knows only "check"')
  const checked = toolArguments ? { toolArguments: 'check' as const } : {}
  if (!tools) return checked
  const patterns = tools === 'none' ? [] : tools.split(',').map((part) => part.trim())
  if (patterns.length > MAX_PATTERNS) throw new Error(`\`@tools\` has more than ${MAX_PATTERNS} items`)
  for (const [i, pattern] of patterns.entries())
    if (pattern === 'none' || !PATTERN.test(pattern) || patterns.indexOf(pattern) !== i)
      throw new Error('`@tools` is "none", or a list of `NAME`, `BEGINNING*` and `hosted:TYPE`, each named once')
  return { tools: Object.freeze([Object.freeze(patterns.toSorted())]), ...checked }
}

/** A tool has to be allowed by every permit, and arguments are checked where one asks for it: one more permit never loosens another. */
export function mergeTools(all: readonly ToolRules[]): ToolRules {
  const checked = all.some(({ toolArguments }) => toolArguments !== undefined) ? { toolArguments: 'check' as const } : {}
  if (all.every(({ tools }) => tools === undefined)) return checked
  const lists = new Map(all.flatMap(({ tools }) => tools ?? [UNSAID]).map((list) => [list.join(','), list]))
  return { tools: Object.freeze([...lists].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, list]) => list)), ...checked }
}
