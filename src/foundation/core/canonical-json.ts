import { RedoubtError } from './errors.ts'

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [member: string]: JsonValue
}

/**
 * Serialises as RFC 8785 (JSON Canonicalization Scheme): members sorted by UTF-16 code units, no white space,
 * ECMAScript numbers and strings. Members whose value is `undefined` are left out.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` for a value JSON cannot carry exactly (NaN, infinity, lone surrogate, function, bigint).
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return canonicalString(value)
    case 'number':
      if (!Number.isFinite(value)) throw new RedoubtError('ERR_INPUT_INVALID', 'a number is not finite')
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object': {
      if (value === null) return 'null'
      return Array.isArray(value) ? canonicalArray(value) : canonicalObject(value as Record<string, unknown>)
    }
    default:
      throw new RedoubtError('ERR_INPUT_INVALID', `a ${typeof value} has no JSON form`)
  }
}

/** A string on its own. @throws as `canonicalJson`. */
export function canonicalString(text: string): string {
  // Most strings of a record are names and digests.
  if (UNESCAPED.test(text)) return `"${text}"`
  if (!text.isWellFormed()) throw new RedoubtError('ERR_INPUT_INVALID', 'a string holds a lone surrogate')
  return JSON.stringify(text)
}

/** ASCII that JSON writes as it is. */
const UNESCAPED = /^[ !#-[\]-~]*$/

function canonicalArray(items: readonly unknown[]): string {
  let text = '['
  for (let i = 0; i < items.length; i++) text += i === 0 ? canonicalJson(items[i]) : `,${canonicalJson(items[i])}`
  return `${text}]`
}

function canonicalObject(record: Readonly<Record<string, unknown>>): string {
  let text = ''
  for (const name of sorted(Object.keys(record))) {
    const member = record[name]
    if (member !== undefined) text += `${text === '' ? '' : ','}${canonicalString(name)}:${canonicalJson(member)}`
  }
  return `{${text}}`
}

function sorted(names: string[]): readonly string[] {
  for (let i = 1; i < names.length; i++) if (names[i - 1]! > names[i]!) return names.sort()
  return names
}
