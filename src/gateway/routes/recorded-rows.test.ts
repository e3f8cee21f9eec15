import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { InferTensor, TensorSpec } from '#gateway/serving'
import { readRecordedRow, recordedRows } from './recorded-rows.ts'

const specs: readonly TensorSpec[] = [
  { name: 'age', datatype: 'INT64', shape: [-1, 1], nullable: true },
  { name: 'income', datatype: 'FP32', shape: [-1, 1], nullable: true },
  { name: 'job', datatype: 'BYTES', shape: [-1, 1], nullable: true },
]
const row = fc.tuple(
  fc.option(fc.maxSafeInteger()),
  fc.option(fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value))),
  fc.option(fc.string({ minLength: 1, maxLength: 20 })),
)
const tensors = (rows: readonly (readonly (string | number | null)[])[]): readonly InferTensor[] =>
  specs.map(({ name, datatype }, i) => ({ name, datatype, shape: [rows.length, 1], data: rows.map((values) => values[i]!) }))

describe('rows in the record (D2)', () => {
  it('are read back as they were sent, through JSON', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 20 }), (rows) => {
        const kept: unknown = JSON.parse(JSON.stringify(recordedRows(tensors(rows))))
        rows.forEach((values, i) => expect(readRecordedRow(kept, specs, i)).toEqual(values))
        expect(readRecordedRow(kept, specs, rows.length)).toBeNull()
      }),
    )
  })

  it('keep what a binary wire sends, missing values too', () => {
    const data = [BigInt64Array.of(5n, -(2n ** 63n)), Float32Array.of(1.5, Number.NaN), ['a', '']] as const
    const kept = recordedRows(
      specs.map(({ name, datatype }, i) => ({ name, datatype, shape: [2, 1], data: data[i]! as InferTensor['data'] })),
    )
    expect([readRecordedRow(kept, specs, 0), readRecordedRow(kept, specs, 1)]).toEqual([
      [5, 1.5, 'a'],
      [null, null, null],
    ])
  })

  it('are bounded in number and length', () => {
    expect(recordedRows(tensors(Array.from({ length: 667 }, () => [1, 1, 'a'])))).toBeNull()
    expect(recordedRows(tensors([[1, 1, 'a'.repeat(40_000)]]))).toBeNull()
  })

  it('are not read from anything else, which is never an error', () => {
    fc.assert(fc.property(fc.anything(), (kept) => readRecordedRow(kept, specs, 0) === null))
    const kept = recordedRows(tensors([[1, 1, 'a']]))
    expect(readRecordedRow(kept, [...specs].reverse(), 0)).toBeNull()
    expect(readRecordedRow(kept, specs.slice(1), 0)).toBeNull()
  })
})
