import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JsonSchema } from './json-schema.ts'

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
