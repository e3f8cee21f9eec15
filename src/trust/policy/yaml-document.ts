import { LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import type { PolicyFile } from './policy-file.ts'
import { invalid } from './policy-text.ts'

const MAX_CHARACTERS = 256 * 1024
/** Aliases can grow a small file without bound. */
const MAX_ALIASES = 50
/** Problems told at once; a person corrects a few and runs again. */
const MAX_PROBLEMS = 5

/**
 * Reads a YAML file that lies beside policies and checks it against a strict schema.
 * @returns the document, and the line on which the node at a path begins.
 * @throws {RedoubtError} `ERR_POLICY_INVALID` with file and line.
 */
export function readYaml<S extends z.ZodType>(
  { name, text }: PolicyFile,
  schema: S,
): { readonly value: z.output<S>; readonly lineOf: (path: readonly PropertyKey[]) => number } {
  if (text.length > MAX_CHARACTERS) throw invalid(name, 1, `the file exceeds ${MAX_CHARACTERS} characters`)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, strict: true, uniqueKeys: true })
  const [error] = document.errors
  if (error) throw invalid(name, error.linePos?.[0].line ?? 1, 'this is not YAML', error)
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length >= 0; length--) {
      const node = document.getIn(path.slice(0, length), true) as { readonly range?: readonly number[] | null } | undefined
      const offset = node?.range?.[0]
      if (offset !== undefined) return lines.linePos(offset).line
    }
    return 1
  }
  let parsed: unknown
  try {
    parsed = document.toJS({ maxAliasCount: MAX_ALIASES })
  } catch (cause) {
    throw invalid(name, 1, 'the file uses too many aliases', cause)
  }
  const result = schema.safeParse(parsed)
  if (result.success) return { value: result.data, lineOf }
  const [first] = result.error.issues
  const words = result.error.issues.slice(0, MAX_PROBLEMS).map((issue) => `\`${issue.path.join('.') || '(top)'}\`: ${issue.message}`)
  throw invalid(name, lineOf(first?.path ?? []), words.join('; '))
}
