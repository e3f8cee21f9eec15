/** What a tool is called by that the upstream runs itself, before its type. */
export const HOSTED = 'hosted:'

/** What policies say of tools; either is left out where no policy speaks of it. */
export interface ToolRules {
  /** Lists of patterns, each of which has to allow a tool: a name, or the beginning of one with `*`. */
  readonly tools?: readonly (readonly string[])[]
  /** Arguments of calls have to fit the schemas of their tools. */
  readonly toolArguments?: 'check'
}

/**
 * Whether a tool may be offered to a model and called by it. What the upstream runs itself reads and sends data past every decision, so it
 * has to be named; a caller's tool is allowed where no policy speaks of tools.
 * @param name as the caller names it. @param hosted whether `name` is a type of tools that the upstream runs itself.
 */
export function isToolAllowed({ tools }: ToolRules, name: string, hosted: boolean): boolean {
  if (tools === undefined) return !hosted
  return tools.every((list) => list.some((pattern) => matches(pattern, name, hosted)))
}

function matches(pattern: string, name: string, hosted: boolean): boolean {
  if (pattern.startsWith(HOSTED) !== hosted) return false
  const wanted = hosted ? pattern.slice(HOSTED.length) : pattern
  return wanted.endsWith('*') ? name.startsWith(wanted.slice(0, -1)) : name === wanted
}

/** Whether rules that hold now let through less than rules that a request went through. */
export function asksMoreOfTools(now: ToolRules, before: ToolRules): boolean {
  if (now.toolArguments !== undefined && before.toolArguments === undefined) return true
  if (now.tools === undefined) return before.tools?.some((list) => list.some((pattern) => pattern.startsWith(HOSTED))) === true
  const known = new Set(before.tools?.map((list) => list.join(',')))
  return now.tools.some((list) => !known.has(list.join(',')))
}
