import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import type { RowGroup } from './dataset-version.ts'
import { decodeRowGroup, encodeRowGroup, MAX_GROUP_ROWS } from './row-group-codec.ts'

const describeColumns = (group: RowGroup): { name: string; type: 'integer' | 'real' | 'text'; nullable: boolean }[] =>
  group.columns.map(({ name, type }) => ({ name, type, nullable: true }))
const encode = (group: RowGroup): Buffer => Buffer.concat(encodeRowGroup(group))

const SAMPLE: RowGroup = {
  rows: 3,
  columns: [
    { name: 'i', type: 'integer', values: Float64Array.of(1, Number.NaN, -5) },
    { name: 't', type: 'text', values: ['a', null, '数😀'] },
    { name: 'r', type: 'real', values: Float64Array.of(0.5, 1e300, Number.NaN) },
  ],
}

const group = fc.integer({ min: 1, max: 20 }).chain((rows) =>
  fc
    .array(
      fc.oneof(
        fc
          .array(fc.option(fc.string({ unit: 'grapheme' }), { nil: null }), { minLength: rows, maxLength: rows })
          .map((values) => ({ name: 't', type: 'text' as const, values })),
        fc
          .array(fc.oneof(fc.maxSafeInteger(), fc.constant(Number.NaN)), { minLength: rows, maxLength: rows })
          .map((values) => ({ name: 'i', type: 'integer' as const, values: Float64Array.from(values) })),
        fc
          .array(fc.double({ noDefaultInfinity: true }), { minLength: rows, maxLength: rows })
          .map((values) => ({ name: 'r', type: 'real' as const, values: Float64Array.from(values) })),
      ),
      { maxLength: 5 },
    )
    .map((columns): RowGroup => ({ rows, columns })),
)

describe('row groups', () => {
  it('decode to what was encoded, at any offset in memory (property)', () => {
    fc.assert(
      fc.property(group, fc.integer({ min: 0, max: 9 }), (value, shift) => {
        const shifted = Buffer.concat([Buffer.alloc(shift), encode(value)]).subarray(shift)
        expect(decodeRowGroup(shifted, value.rows, describeColumns(value))).toEqual(value)
      }),
    )
  })

  it('refuse every truncation and every extension', () => {
    const bytes = encode(SAMPLE)
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeRowGroup(bytes.subarray(0, length), 3, describeColumns(SAMPLE))).toThrow(RedoubtError)
    expect(() => decodeRowGroup(Buffer.concat([bytes, Buffer.alloc(1)]), 3, describeColumns(SAMPLE))).toThrow('longer')
  })

  it('refuse other rows, columns or types than the manifest says', () => {
    const bytes = encode(SAMPLE)
    const columns = describeColumns(SAMPLE)
    expect(() => decodeRowGroup(bytes, 4, columns)).toThrow('number of rows')
    expect(() => decodeRowGroup(bytes, 3, columns.slice(1))).toThrow('number of columns')
    expect(() => decodeRowGroup(bytes, 3, columns.toReversed())).toThrow('another type')
    expect(() => decodeRowGroup(encode({ ...SAMPLE, rows: MAX_GROUP_ROWS + 1 }), MAX_GROUP_ROWS + 1, columns)).toThrow('number of rows')
  })

  it('refuse numbers that are out of range for their type', () => {
    const real = (value: number): RowGroup => ({ rows: 1, columns: [{ name: 'r', type: 'real', values: Float64Array.of(value) }] })
    const integer = (value: number): RowGroup => ({ rows: 1, columns: [{ name: 'i', type: 'integer', values: Float64Array.of(value) }] })
    for (const bad of [real(Infinity), integer(0.5), integer(2 ** 53)])
      expect(() => decodeRowGroup(encode(bad), 1, describeColumns(bad))).toThrow('out of range')
  })

  it('answer any change of bytes with a group of the stated shape or a refusal, quickly (fuzz)', () => {
    const bytes = encode(SAMPLE)
    const change = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.constantFrom(0, 1, 2, 3, 127, 128, 254, 255)), {
      minLength: 1,
      maxLength: 6,
    })
    fc.assert(
      fc.property(change, (changes) => {
        const changed = Buffer.from(bytes)
        for (const [at, value] of changes) changed[at] = value
        try {
          const decoded = decodeRowGroup(changed, 3, describeColumns(SAMPLE))
          expect(decoded.columns.map((column) => column.values.length)).toEqual([3, 3, 3])
          for (const column of decoded.columns) expect([...column.values]).not.toContain(undefined)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_STORAGE_CORRUPT' })
        }
      }),
      { numRuns: 2000 },
    )
  })
})
