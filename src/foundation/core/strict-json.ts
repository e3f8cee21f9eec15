import type { JsonValue } from './canonical-json.ts'
import { RedoubtError } from './errors.ts'

export interface JsonBounds {
  readonly maxBytes: number
  /** Deepest nesting of arrays and objects; a scalar has depth 0. */
  readonly maxDepth: number
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses one JSON document from attacker-controlled bytes, within bounds that are checked before any structure is built.
 * Member names may appear once per object, and `__proto__` may not appear at all (CWE-1321).
 * @throws {RedoubtError} `ERR_INPUT_TOO_LARGE`, `ERR_INPUT_TOO_DEEP`, `ERR_INPUT_DUPLICATE_KEY`, `ERR_INPUT_MALFORMED`.
 * @see RFC 8259 §4 (names should be unique), RFC 7493 §2.3 (I-JSON: they must be)
 */
export function parseStrictJson(bytes: Uint8Array, bounds: JsonBounds): JsonValue {
  if (bytes.byteLength > bounds.maxBytes) throw new RedoubtError('ERR_INPUT_TOO_LARGE', `the body exceeds ${bounds.maxBytes} bytes`)
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch (cause) {
    throw new RedoubtError('ERR_INPUT_MALFORMED', 'the body is not UTF-8', { cause })
  }
  return parseStrictJsonText(text, bounds)
}

/** As `parseStrictJson`, for text that is decoded already; `maxBytes` then bounds UTF-16 code units. */
export function parseStrictJsonText(text: string, bounds: JsonBounds): JsonValue {
  if (text.length > bounds.maxBytes) throw new RedoubtError('ERR_INPUT_TOO_LARGE', `the body exceeds ${bounds.maxBytes} bytes`)
  checkStructure(text, bounds.maxDepth)
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    // The platform's message quotes the input, which may be a prompt or a secret, so it is not kept as a cause.
    throw new RedoubtError('ERR_INPUT_MALFORMED', 'the body is not JSON')
  }
}

const QUOTE = 34
const COLON = 58
const OPEN_BRACE = 123
const CLOSE_BRACE = 125
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93

/** Names of one object that are compared one by one; of more, a set is made. */
const FEW_NAMES = 16

/** One pass over the text: depth, repeated member names. It trusts nothing about the text; JSON.parse judges the grammar after it. */
function checkStructure(text: string, maxDepth: number): void {
  // Names of all objects that are open, innermost last; a set for each object would cost more than the pass itself.
  const names: string[] = []
  /** Where the names of each open object begin; -1 for an array. */
  const begins: number[] = []
  let many: Set<string>[] | null = null
  let backslash = -1
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === QUOTE) {
      const start = i
      let from = i + 1
      let escaped = false
      // Found by search, not unit by unit: most of a body is the inside of long strings.
      let end = text.indexOf('"', from)
      for (;;) {
        if (backslash < from) backslash = indexOrEnd(text, '\\', from)
        if (end === -1 || backslash > end) break
        escaped = true
        from = backslash + 2
        if (end < from) end = text.indexOf('"', from)
      }
      // A string without an end is refused by JSON.parse.
      if (end === -1) return
      i = end
      const begin = begins.length > 0 ? begins[begins.length - 1]! : -1
      if (begin >= 0 && nextIsColon(text, i + 1)) {
        const name = escaped ? unescape(text.slice(start, i + 1)) : text.slice(start + 1, i)
        if (name === '__proto__') throw new RedoubtError('ERR_INPUT_MALFORMED', 'a member is named `__proto__`')
        if (names.length - begin < FEW_NAMES) {
          for (let at = begin; at < names.length; at++) if (names[at] === name) throw new RedoubtError('ERR_INPUT_DUPLICATE_KEY')
        } else {
          const set = ((many ??= [])[begins.length] ??= new Set(names.slice(begin)))
          if (set.has(name)) throw new RedoubtError('ERR_INPUT_DUPLICATE_KEY')
          set.add(name)
        }
        names.push(name)
      }
    } else if (c === OPEN_BRACE || c === OPEN_BRACKET) {
      if (begins.length >= maxDepth) throw new RedoubtError('ERR_INPUT_TOO_DEEP', `the body is nested deeper than ${maxDepth}`)
      begins.push(c === OPEN_BRACE ? names.length : -1)
    } else if (c === CLOSE_BRACE || c === CLOSE_BRACKET) {
      if (many !== null && many.length > begins.length) many.length = begins.length
      const begin = begins.pop()
      if (begin !== undefined && begin >= 0) names.length = begin
    }
  }
}

function indexOrEnd(text: string, what: string, from: number): number {
  const index = text.indexOf(what, from)
  return index === -1 ? text.length : index
}

function nextIsColon(text: string, from: number): boolean {
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === COLON) return true
    if (c !== 32 && c !== 10 && c !== 13 && c !== 9) return false
  }
  return false
}

function unescape(literal: string): string {
  try {
    return JSON.parse(literal) as string
  } catch {
    throw new RedoubtError('ERR_INPUT_MALFORMED', 'the body is not JSON')
  }
}
