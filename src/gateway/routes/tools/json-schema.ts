import type { Branch, Tree } from '../chat-completions/texts.ts'
import { invalid, isBranch } from '../request-members.ts'
import { BOUNDS } from './schema-bounds.ts'
import { canonical, keysOf, MAX_NESTED, TooLong, Work } from './schema-work.ts'

/**
 * The part of JSON Schema (2020-12) that tools are described with, bounded in size, depth and time. It compiles no code and runs no
 * expression of a caller's (`pattern`); a keyword that is not known is refused, for a schema of which a part is passed over checks nothing.
 */
const MAX_NODES = 2_000
const MAX_DEPTH = 32
const MAX_VALUES = 1_000
/** Say something to people and models, and nothing about values. */
const ANNOTATIONS: ReadonlySet<string> = new Set(
  'title description default examples $comment $schema $id deprecated readOnly writeOnly format strict'.split(' '),
)
const TYPES: Readonly<Record<string, (value: Tree) => boolean>> = {
  object: isBranch,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: (value) => typeof value === 'number' && Number.isInteger(value),
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
}

const TYPE_COUNT = Object.keys(TYPES).length

type Check = (value: Tree, work: Work) => boolean

/** A schema that was understood as a whole. */
export class JsonSchema {
  readonly #check: Check

  /** @param at place in the request, for refusals. @throws {RedoubtError} `ERR_INPUT_INVALID` for what is not understood, or too large. */
  constructor(schema: Tree, at: string) {
    this.#check = new SchemaReader(schema, at).root()
  }

  fits(value: Tree, work = new Work()): boolean {
    try {
      return this.#check(value, work)
    } catch (thrown) {
      if (thrown instanceof TooLong) return false
      throw thrown
    }
  }
}

class SchemaReader {
  readonly #schema: Tree
  readonly #at: string
  readonly #definitions = new Map<string, { check: Check | null }>()
  #nodes = 0
  #nested = 0

  constructor(schema: Tree, at: string) {
    this.#schema = schema
    this.#at = at
  }

  root(): Check {
    return this.#named('#', this.#schema)
  }

  /** A definition may speak of itself. */
  #named(reference: string, schema: Tree): Check {
    const known = this.#definitions.get(reference)
    if (known !== undefined) return (value, work) => known.check?.(value, work) === true
    const own: { check: Check | null } = { check: null }
    this.#definitions.set(reference, own)
    own.check = this.#read(schema, 0)
    return own.check
  }

  #read(schema: Tree, depth: number): Check {
    if (++this.#nodes > MAX_NODES || depth > MAX_DEPTH || this.#nested > MAX_NESTED)
      throw invalid('the schema of a tool is too large to be checked', this.#at)
    if (typeof schema === 'boolean') {
      return (_value, work) => {
        work.spend(1)
        return schema
      }
    }
    if (!isBranch(schema)) throw invalid('the schema of a tool is neither an object nor a truth value', this.#at)
    const checks: Check[] = []
    this.#nested++
    for (const keyword of Object.keys(schema)) {
      if (ANNOTATIONS.has(keyword)) continue
      const check = this.#keyword(keyword, schema[keyword] as Tree, schema, depth + 1)
      if (check !== null) checks.push(check)
    }
    this.#nested--
    return (value, work) => {
      work.spend(1 + checks.length)
      work.enter()
      const fits = checks.every((check) => check(value, work))
      work.leave()
      return fits
    }
  }

  #keyword(keyword: string, said: Tree, schema: Branch, depth: number): Check | null {
    switch (keyword) {
      case '$defs':
      case 'definitions':
        // Read where they are referred to.
        this.#object(said)
        return null
      case '$ref':
        return this.#reference(said)
      case 'type':
        return this.#type(said)
      case 'enum':
        return this.#values(this.#array(said))
      case 'const':
        return this.#values([said])
      case 'properties':
        return this.#properties(said, depth)
      case 'required':
        return this.#required(said)
      case 'additionalProperties':
        return this.#additional(said, schema, depth)
      case 'items':
        return this.#items(said, schema, depth)
      case 'prefixItems': {
        const places = this.#array(said).map((one) => this.#read(one, depth))
        return (value, work) => !Array.isArray(value) || places.every((check, i) => i >= value.length || check(value[i] as Tree, work))
      }
      case 'allOf':
      case 'anyOf':
      case 'oneOf':
        return this.#choice(keyword, said, depth)
      case 'uniqueItems':
        if (said === false) return null
        return (value, work) => !Array.isArray(value) || new Set(value.map((item) => canonical(item, work))).size === value.length
      default:
        return this.#bound(keyword, said)
    }
  }

  #reference(said: Tree): Check {
    const [, holder, name] = (typeof said === 'string' && /^#(?:\/(\$defs|definitions)\/([\w.-]{1,128}))?$/.exec(said)) || []
    if (said === '#') return this.#named('#', this.#schema)
    const held = holder !== undefined && isBranch(this.#schema) ? this.#schema[holder] : undefined
    if (name === undefined || !isBranch(held) || !Object.hasOwn(held, name))
      throw invalid('a schema of a tool refers to what is not in its definitions', this.#at)
    return this.#named(said as string, held[name] as Tree)
  }

  #type(said: Tree): Check {
    const names = Array.isArray(said) ? said : [said]
    const tests = names.map((name) => (typeof name === 'string' && Object.hasOwn(TYPES, name) ? TYPES[name] : undefined))
    if (tests.length === 0 || tests.length > TYPE_COUNT || tests.some((test) => test === undefined))
      throw invalid('a schema of a tool names an unknown type', this.#at)
    return (value) => tests.some((test) => test?.(value) === true)
  }

  #values(said: readonly Tree[]): Check {
    if (said.length === 0 || said.length > MAX_VALUES) throw invalid('a schema of a tool lists no values, or too many', this.#at)
    const wanted = new Set(said.map((one) => canonical(one, null)))
    return (value, work) => wanted.has(canonical(value, work))
  }

  #properties(said: Tree, depth: number): Check {
    const known = Object.entries(this.#object(said)).map(([name, one]) => [name, this.#read(one, depth)] as const)
    return (value, work) => {
      work.spend(known.length)
      return !isBranch(value) || known.every(([name, check]) => !Object.hasOwn(value, name) || check(value[name] as Tree, work))
    }
  }

  #required(said: Tree): Check {
    const names = this.#array(said)
    if (names.length > MAX_VALUES || !names.every((name) => typeof name === 'string'))
      throw invalid('a schema of a tool requires what is no name', this.#at)
    return (value, work) => {
      work.spend(names.length)
      return !isBranch(value) || names.every((name) => Object.hasOwn(value, name))
    }
  }

  #additional(said: Tree, { properties }: Branch, depth: number): Check {
    const check = this.#read(said, depth)
    const known = new Set(isBranch(properties) ? Object.keys(properties) : [])
    return (value, work) => !isBranch(value) || keysOf(value, work).every((name) => known.has(name) || check(value[name] as Tree, work))
  }

  #items(said: Tree, { prefixItems }: Branch, depth: number): Check {
    const check = this.#read(said, depth)
    const from = Array.isArray(prefixItems) ? prefixItems.length : 0
    return (value, work) => {
      work.spend(from)
      return !Array.isArray(value) || value.every((item, i) => i < from || check(item, work))
    }
  }

  #choice(keyword: 'allOf' | 'anyOf' | 'oneOf', said: Tree, depth: number): Check {
    const checks = this.#array(said).map((one) => this.#read(one, depth))
    if (checks.length === 0) throw invalid(`\`${keyword}\` in a schema of a tool is empty`, this.#at)
    if (keyword === 'allOf') return (value, work) => checks.every((check) => check(value, work))
    if (keyword === 'anyOf') return (value, work) => checks.some((check) => check(value, work))
    return (value, work) => checks.filter((check) => check(value, work)).length === 1
  }

  #bound(keyword: string, said: Tree): Check {
    const measure = Object.hasOwn(BOUNDS, keyword) ? BOUNDS[keyword] : undefined
    if (measure === undefined) throw invalid('a schema of a tool has a keyword that is not checked here: leave it out', this.#at)
    if (typeof said !== 'number' || !Number.isFinite(said) || (keyword === 'multipleOf' && said <= 0))
      throw invalid(`\`${keyword}\` in a schema of a tool is no number`, this.#at)
    return (value, work) => measure(value, said, work)
  }

  #array(said: Tree): readonly Tree[] {
    if (!Array.isArray(said)) throw invalid('a keyword of a schema of a tool takes a list', this.#at)
    return said
  }

  #object(said: Tree): Branch {
    if (!isBranch(said)) throw invalid('a keyword of a schema of a tool takes an object', this.#at)
    return said
  }
}
