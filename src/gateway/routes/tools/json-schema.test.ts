import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JsonSchema } from './json-schema.ts'
import { Work } from './schema-work.ts'

const fits = (schema: unknown, value: unknown): boolean => new JsonSchema(schema as never, 'tools[0]').fits(value as never)

describe('a schema of a tool', () => {
  it.each([
    [{ type: 'object' }, {}, []],
    [{ type: ['string', 'null'] }, null, 1],
    [{ type: 'integer' }, 3, 3.5],
    [{ enum: [{ a: 1, b: [2] }, 'x'] }, { b: [2], a: 1 }, { a: 1 }],
    [{ const: 1 }, 1, true],
    [{ properties: { a: { type: 'string' } } }, { a: 'x', b: 1 }, { a: 1 }],
    [{ properties: { toString: { type: 'string' } } }, {}, { toString: 1 }],
    [{ required: ['a'] }, { a: null }, {}],
    [{ required: ['toString'] }, { toString: 1 }, {}],
    [{ properties: { a: {} }, additionalProperties: false }, { a: 1 }, { b: 1 }],
    [{ additionalProperties: { type: 'number' } }, { a: 1 }, { a: 'x' }],
    [{ items: { type: 'number' } }, [1, 2], [1, 'x']],
    [{ prefixItems: [{ type: 'string' }], items: false }, ['x'], ['x', 1]],
    [{ allOf: [{ minimum: 1 }, { maximum: 3 }] }, 2, 4],
    [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, null, 1],
    [{ oneOf: [{ minimum: 1 }, { maximum: 3 }] }, 4, 2],
    [{ exclusiveMinimum: 1, exclusiveMaximum: 3 }, 2, 3],
    [{ multipleOf: 5 }, 10, 7],
    [{ minLength: 2, maxLength: 2 }, '😀x', 'x'],
    [{ minItems: 1, maxItems: 2 }, [1], []],
    [{ minProperties: 1, maxProperties: 1 }, { a: 1 }, {}],
    [
      { uniqueItems: true },
      [{ a: 1 }, { a: 2 }],
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
    ],
    [{ $defs: { a: { type: 'string' } }, $ref: '#/$defs/a' }, 'x', 1],
    [{ properties: { next: { $ref: '#' } }, additionalProperties: false }, { next: { next: {} } }, { next: { other: 1 } }],
    [{ title: 'x', description: 'y', default: 1, format: 'date', type: 'string' }, 'x', 1],
    [true, 1, undefined],
  ])('%j fits %j and not %j', (schema, good, bad) => {
    expect(fits(schema, good)).toBe(true)
    if (bad !== undefined) expect(fits(schema, bad)).toBe(false)
  })

  const deep = (levels: number): unknown => (levels === 0 ? {} : { items: deep(levels - 1) })
  it.each([
    [{ pattern: '(a+)+$' }],
    [{ if: {}, else: false }],
    [{ patternProperties: {} }],
    [{ tomorrow: 1 }],
    [{ properties: { a: { unevaluatedProperties: false } } }],
    [{ $ref: 'https://example.com/schema' }],
    [{ $ref: '#/properties/a' }],
    [{ $ref: '#/$defs/__proto__', $defs: {} }],
    [{ type: 'date' }],
    [{ type: [] }],
    [{ enum: [] }],
    [{ required: 'a' }],
    [{ minimum: '1' }],
    [{ multipleOf: 0 }],
    [{ anyOf: [] }],
    ['string'],
    [null],
    [deep(40)],
    [{ anyOf: Array.from({ length: 2_001 }, () => ({})) }],
  ])('that is not understood as a whole is refused, with its place: %j', (schema) => {
    expect(() => fits(schema, {})).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID', evidence: { param: 'tools[0]' } }))
  })

  it('that would take for ever lets nothing through (C6)', () => {
    expect(fits({ $defs: { a: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }, {})).toBe(false)
    const doubling = {
      anyOf: [
        { items: { $ref: '#' }, minItems: 1 },
        { items: { $ref: '#' }, minItems: 1 },
      ],
    }
    let value: unknown = 'x'
    for (let i = 0; i < 60; i++) value = [value, 1]
    const startedAt = performance.now()
    expect(fits({ ...doubling, type: 'array' }, value)).toBe(false)
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })

  it('looks at no more than its bound, and lets nothing larger through (C6)', () => {
    expect(
      fits(
        { items: { type: 'number' } },
        Array.from({ length: 1_000 }, () => 1),
      ),
    ).toBe(true)
    expect(
      fits(
        { items: { type: 'number' } },
        Array.from({ length: 250_000 }, () => 1),
      ),
    ).toBe(false)
  })

  const long = 'x'.repeat(40_000)
  const names = Array.from({ length: 1_000 }, (_, i) => `n${i}`)
  it.each([
    [{ minLength: 1 }, long],
    [{ maxLength: 1e9 }, long],
    [{ const: long }, long],
    [{ enum: [long, 1] }, long],
    [{ uniqueItems: true }, [long]],
    [{ uniqueItems: true }, [{ [long]: 1 }]],
    [{ required: names }, Object.fromEntries(names.map((name) => [name, 1]))],
    [{ maxProperties: 1e9 }, Object.fromEntries(names.map((name) => [name, 1]))],
    [{ additionalProperties: true }, Object.fromEntries(names.map((name) => [name, 1]))],
    [{ properties: Object.fromEntries(names.map((name) => [name, true])) }, {}],
    [{ items: true }, names],
  ])('counts what a step looks at, however often it is asked to look (C6): %.60j', (leaf, value) => {
    const work = new Work()
    expect(new JsonSchema(leaf as never, 'tools[0]').fits(value as never, work)).toBe(true)
    expect(work.steps).toBeGreaterThanOrEqual(1_000)
    const $defs: Record<string, unknown> = { d0: leaf }
    for (let i = 1; i <= 12; i++) $defs[`d${i}`] = { allOf: [{ $ref: `#/$defs/d${i - 1}` }, { $ref: `#/$defs/d${i - 1}` }] }
    // Every one of the 4,096 fits, so only the bound can say no.
    expect(fits({ $defs, $ref: '#/$defs/d12' }, value)).toBe(false)
  })

  it('takes the longest text that a call may have (C6)', () => {
    expect(fits({ minLength: 1, maxLength: 2_000_000 }, 'x'.repeat(1_048_576))).toBe(true)
  })

  it('refuses a chain of references that would overflow the stack, before and while it is checked (C6)', () => {
    const chain = (length: number): object => ({
      $defs: Object.fromEntries(Array.from({ length }, (_, i) => [`d${i}`, i + 1 < length ? { $ref: `#/$defs/d${i + 1}` } : {}])),
      $ref: '#/$defs/d0',
    })
    expect(fits(chain(100), 1)).toBe(true)
    for (const length of [500, 1_900]) expect(() => fits(chain(length), 1)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }))
    let inner: object = { $ref: '#/$defs/a' }
    for (let i = 0; i < 12; i++) inner = { allOf: [inner] }
    expect(fits({ $defs: { a: inner }, $ref: '#/$defs/a' }, 1)).toBe(false)
  })

  it('gives an answer or its own refusal for whatever it is', () => {
    const keyword = fc.constantFrom('type', 'properties', 'items', 'anyOf', 'enum', 'required', '$ref', '$defs', 'minimum', 'const', 'x')
    const { schema } = fc.letrec((tie) => ({
      schema: fc.dictionary(
        keyword,
        fc.oneof({ maxDepth: 4 }, fc.jsonValue({ maxDepth: 1 }), tie('schema'), fc.array(tie('schema'), { maxLength: 2 })),
        {
          maxKeys: 4,
        },
      ),
    }))
    fc.assert(
      fc.property(schema, fc.jsonValue({ maxDepth: 3 }), (one, value) => {
        try {
          expect(typeof fits(one, value)).toBe('boolean')
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'ERR_INPUT_INVALID' })
        }
      }),
      { numRuns: 500 },
    )
  })
})
