import { RedoubtError } from '#foundation/core'

/** One policy cut out of a file. */
export interface PolicyText {
  readonly file: string
  /** Line of its first sign that is neither white space nor comment; 1-based. */
  readonly line: number
  readonly text: string
}

// Measured on the WASM: beyond roughly three times these it exhausts its stack, and then answers nothing more until the process ends.
export const MAX_FILE_CHARACTERS = 256 * 1024
export const MAX_POLICY_CHARACTERS = 16 * 1024
const MAX_NESTING = 24
const MAX_OPERATORS = 1000
const MAX_BRANCHES = 48
const MAX_MEMBER_CHAIN = 64
export const MAX_POLICIES = 2000

// Comment, string, word, operator of two signs, any other sign; white space is skipped.
const TOKEN = /\/\/[^\n\r]*|"(?:[^"\\]|\\[^])*"|[A-Za-z_0-9]+|&&|\|\||[=!<>]=|::|[^\s]/gy
const SPACE = /\s*/y
// Signs that reorder or hide what a reader sees (CVE-2021-42574); no policy needs one.
const INVISIBLE = /[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/

/**
 * Cuts a file into policies at each `;`, with bounds that keep Cedar's recursive parser within its stack. Judges no grammar: Cedar does.
 * @throws {RedoubtError} `ERR_POLICY_INVALID` with file and line.
 */
export function splitPolicies(file: string, text: string): readonly PolicyText[] {
  if (text.length > MAX_FILE_CHARACTERS) throw invalid(file, 1, `the file exceeds ${MAX_FILE_CHARACTERS} characters`)
  if (!text.isWellFormed()) throw invalid(file, 1, 'the file is not well-formed Unicode')
  const hidden = INVISIBLE.exec(text)
  if (hidden) throw invalid(file, lineAt(text, hidden.index), 'the file holds an invisible or direction-changing character')
  const policies: PolicyText[] = []
  let position = 0
  for (;;) {
    const cut = readPolicy(file, text, position)
    if (cut === null) return policies
    policies.push(cut.policy)
    position = cut.end
    if (policies.length > MAX_POLICIES) throw invalid(file, cut.policy.line, `there are more than ${MAX_POLICIES} policies`)
  }
}

function readPolicy(file: string, text: string, from: number): { readonly policy: PolicyText; readonly end: number } | null {
  let start = -1
  let [nesting, operators, branches, chain] = [0, 0, 0, 0]
  let position = from
  for (;;) {
    SPACE.lastIndex = position
    SPACE.test(text)
    position = SPACE.lastIndex
    if (position >= text.length) break
    TOKEN.lastIndex = position
    const token = TOKEN.exec(text)?.[0] ?? text.charAt(position)
    const at = position
    position += token.length
    if (token.startsWith('//')) continue
    if (start < 0) start = at
    if (token === ';') return { policy: { file, line: lineAt(text, start), text: text.slice(start, position) }, end: position }
    if (token === '"') throw invalid(file, lineAt(text, at), 'a string is not closed')
    if (position - start > MAX_POLICY_CHARACTERS)
      throw invalid(file, lineAt(text, start), `a policy exceeds ${MAX_POLICY_CHARACTERS} characters`)
    if ('([{'.includes(token)) nesting++
    else if (')]}'.includes(token)) nesting--
    else if (token === '.') chain++
    else if (token === 'if') branches++
    if (SEPARATORS.has(token)) {
      operators++
      chain = 0
    }
    if (nesting > MAX_NESTING || branches > MAX_BRANCHES || operators > MAX_OPERATORS || chain > MAX_MEMBER_CHAIN) {
      throw invalid(file, lineAt(text, at), 'a policy is nested too deeply or has too many operators')
    }
  }
  if (start < 0) return null
  throw invalid(file, lineAt(text, start), 'a policy does not end with `;`')
}

const SEPARATORS: ReadonlySet<string> = new Set([
  '&&',
  '||',
  '==',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
  '+',
  '-',
  '*',
  '!',
  ',',
  '{',
  '}',
  'in',
  'like',
  'is',
  'has',
  'then',
  'else',
])

export function lineAt(text: string, index: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at >= 0 && at < index; at = text.indexOf('\n', at + 1)) line++
  return line
}

export function invalid(file: string, line: number, reason: string, cause?: unknown): RedoubtError {
  return new RedoubtError('ERR_POLICY_INVALID', `${file}:${line}: ${reason}`, {
    evidence: { file, line },
    ...(cause === undefined ? {} : { cause }),
  })
}
