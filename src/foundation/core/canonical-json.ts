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
      if (!value.isWellFormed()) throw new RedoubtError('ERR_INPUT_INVALID', 'a string holds a lone surrogate')
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw new RedoubtError('ERR_INPUT_INVALID', 'a number is not finite')
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object': {
      if (value === null) return 'null'
      if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`
      const record = value as Record<string, unknown>
      const members: string[] = []
      for (const name of Object.keys(record).sort()) {
        const member = record[name]
        if (member !== undefined) members.push(`${canonicalJson(name)}:${canonicalJson(member)}`)
      }
      return `{${members.join(',')}}`
    }
    default:
      throw new RedoubtError('ERR_INPUT_INVALID', `a ${typeof value} has no JSON form`)
  }
}
