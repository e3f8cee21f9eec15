export type PatternElement = 'Wildcard' | { readonly Literal: string }

/**
 * Compiles a Cedar `like` pattern, whose only special sign `*` stands for any run of characters.
 * Linear for a given pattern length: each literal run is searched once, leftmost, so no pattern can make it backtrack.
 */
export function compileLike(pattern: readonly PatternElement[]): (text: string) => boolean {
  const runs: string[] = ['']
  for (const element of pattern) {
    if (element === 'Wildcard') runs.push('')
    else runs[runs.length - 1] += element.Literal
  }
  const first = runs[0] ?? ''
  if (runs.length === 1) return (text) => text === first
  const last = runs[runs.length - 1] ?? ''
  const middle = runs.slice(1, -1).filter((run) => run !== '')
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last)) return false
    let from = first.length
    for (const run of middle) {
      const at = text.indexOf(run, from)
      if (at < 0) return false
      from = at + run.length
    }
    return from <= text.length - last.length
  }
}
