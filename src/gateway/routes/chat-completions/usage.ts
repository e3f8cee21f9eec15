import type { Branch } from './texts.ts'

export interface TokenUsage {
  readonly promptTokens: number
  readonly completionTokens: number
  readonly totalTokens: number
  /** False when the upstream did not say and the figures are estimated from what was sent. */
  readonly exact: boolean
}

/** Characters of an answer that are taken for one token when the upstream does not count. */
const CHARACTERS_PER_TOKEN = 3

/** @returns what the upstream counted, or null when it did not, or not in whole numbers. */
export function readUsage(usage: unknown): TokenUsage | null {
  if (typeof usage !== 'object' || usage === null) return null
  const { prompt_tokens: prompt, completion_tokens: completion } = usage as Record<string, unknown>
  if (!isCount(prompt) || !isCount(completion)) return null
  return { promptTokens: prompt, completionTokens: completion, totalTokens: prompt + completion, exact: true }
}

/** As `readUsage`, in the words of the responses and messages APIs. What was read from or written to a cache counts as prompt. */
export function readInputOutput(usage: unknown): TokenUsage | null {
  if (typeof usage !== 'object' || usage === null) return null
  const counts = usage as Record<string, unknown>
  const { input_tokens: input, output_tokens: output } = counts
  if (!isCount(input) || !isCount(output)) return null
  const cached = ['cache_creation_input_tokens', 'cache_read_input_tokens'].map((name) => counts[name]).filter(isCount)
  const promptTokens = cached.reduce((sum, count) => sum + count, input)
  return { promptTokens, completionTokens: output, totalTokens: promptTokens + output, exact: true }
}

/** What is charged for an answer that broke off: each piece at least a token, and never less than its length says. */
export function estimateUsage(promptTokens: number, pieces: number, characters: number): TokenUsage {
  const completionTokens = Math.max(pieces, Math.ceil(characters / CHARACTERS_PER_TOKEN))
  return { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens, exact: false }
}

/** Usage as the client may see it: numbers only, so that nothing else can ride along. */
export function numbersOnly(usage: Branch, depth = 2): Branch {
  const kept: Branch = {}
  for (const [name, value] of Object.entries(usage)) {
    if (!/^[a-z_]{1,64}$/.test(name)) continue
    if (typeof value === 'number' || value === null) kept[name] = value
    else if (depth > 0 && typeof value === 'object' && !Array.isArray(value)) kept[name] = numbersOnly(value, depth - 1)
  }
  return kept
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
