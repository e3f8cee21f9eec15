const NOTHING: readonly RegExpExecArray[] = []

/**
 * All matches of a global expression. `matchAll` makes a copy of the expression and an iterator for each text,
 * which costs more than the search of a short one that holds nothing.
 * @throws {RangeError} for an expression that matches the empty text.
 */
export function everyMatch(pattern: RegExp, text: string): readonly RegExpExecArray[] {
  pattern.lastIndex = 0
  let match = pattern.exec(text)
  if (match === null) return NOTHING
  const found: RegExpExecArray[] = []
  for (; match !== null; match = pattern.exec(text)) {
    if (match[0] === '') throw new RangeError('an expression that matches the empty text has no end')
    found.push(match)
  }
  return found
}
