import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import type { RowGroup } from '#assets/datasets'
import type { CollectedColumn } from './collection.ts'
import { MAX_BATCH_BYTES, MAX_BATCH_ROWS, rowsOfLines, rowsOfObjects } from './row-batch.ts'

const COLUMNS: readonly CollectedColumn[] = [
  { name: 'who', type: 'text', nullable: false },
  { name: 'count', type: 'integer', nullable: true },
  { name: 'size', type: 'real', nullable: true },
]
const lines = (text: string): RowGroup => rowsOfLines(Buffer.from(text), COLUMNS)
const values = (group: RowGroup): unknown[][] => group.columns.map((column) => [...column.values])
const refusal = (work: () => unknown): RedoubtError => {
  try {
    work()
  } catch (thrown) {
    return thrown as RedoubtError
  }
  throw new Error('it was accepted')
}

describe('rows of a batch', () => {
  it('are typed by the columns, missing ones as missing', () => {
    const group = lines(
      '{"who":"Ada","count":3,"size":-0.0}\r\n\n{"size":null,"who":"Bo"}\n{"who":"Cy","count":-9007199254740991,"size":1e300}',
    )
    expect(values(group)).toEqual([
      ['Ada', 'Bo', 'Cy'],
      [3, Number.NaN, -9007199254740991],
      [0, Number.NaN, 1e300],
    ])
  })

  it.each([
    ['{"count":1}', 'row 0 has no `who`'],
    ['{"who":" "}', 'row 0 has no `who`'],
    ['{"who":null}', 'row 0 has no `who`'],
    ['{"who":7}', 'row 0 has a `who` that is no text'],
    ['{"who":"\\ud800"}', 'row 0 has a `who` that is no text'],
    ['{"who":"a","count":1.5}', 'row 0 has a `count` that is no whole number within 2^53'],
    ['{"who":"a","count":"1"}', 'row 0 has a `count` that is no whole number within 2^53'],
    ['{"who":"a","count":9007199254740992}', 'row 0 has a `count` that is no whole number within 2^53'],
    ['{"who":"a","size":true}', 'row 0 has a `size` that is no number'],
    ['{"who":"a","size":1e999}', 'row 0 has a `size` that is no number'],
    ['{"who":"a","size":[1]}', 'row 0 is no JSON object of plain values'],
    ['{"who":"a","size":{}}', 'row 0 is no JSON object of plain values'],
    ['{"who":"a","more":1}', 'row 0 has `more`, which is no column'],
    ['{"who":"a","toString":1}', 'row 0 has `toString`, which is no column'],
    ['{"who":"a","who":"b"}', 'row 0 names a member twice'],
    ['{"who":"a","__proto__":1}', 'row 0 is no JSON object of plain values'],
    ['["a"]', 'row 0 is no JSON object of plain values'],
    ['null', 'row 0 is no JSON object of plain values'],
    ['{"who":"a"', 'row 0 is no JSON object of plain values'],
    ['{"who":"a"} {"who":"b"}', 'row 0 is no JSON object of plain values'],
  ])('%s is refused by its place', (text, message) => {
    expect(refusal(() => lines(text))).toMatchObject({ code: 'ERR_DATA_ROWS', message })
  })

  it('are refused together, each bad one by its index, no value told (A9)', () => {
    const text = ['{"who":"fine"}', '{"who":"canary-value","count":"canary-count"}', '{"who":"fine"}', '{}'].join('\n')
    const error = refusal(() => lines(text))
    expect(error.message).toBe('row 1 has a `count` that is no whole number within 2^53; row 3 has no `who`')
    expect(error.evidence).toEqual({ rows: 4, refused: 2, named: '1 3' })
    expect(`${error.message}${JSON.stringify(error.evidence)}`).not.toContain('canary')
    const many = refusal(() => lines('{}\n'.repeat(100)))
    expect(many.message).toContain('; and 80 more')
    expect(many.message.length).toBeLessThan(1_000)
    expect(refusal(() => rowsOfObjects([{ who: 'a', [`x${'y'.repeat(9_000)}`]: 1 }], COLUMNS)).message.length).toBeLessThan(200)
  })

  it('are bounded in number, size and cells', () => {
    const wide = Array.from({ length: 512 }, (_, c): CollectedColumn => ({ name: `c${c}`, type: 'real', nullable: true }))
    expect(lines('{"who":"a"}\n'.repeat(MAX_BATCH_ROWS)).rows).toBe(MAX_BATCH_ROWS)
    for (const work of [
      () => lines('{"who":"a"}\n'.repeat(MAX_BATCH_ROWS + 1)),
      () =>
        rowsOfObjects(
          Array.from({ length: MAX_BATCH_ROWS + 1 }, () => ({ who: 'a' })),
          COLUMNS,
        ),
      () => rowsOfLines(new Uint8Array(MAX_BATCH_BYTES + 1).fill(10), COLUMNS),
      () => rowsOfLines(Buffer.from('{}\n'.repeat(2_049)), wide),
    ])
      expect(refusal(work).code).toBe('ERR_INPUT_TOO_LARGE')
    expect(rowsOfLines(Buffer.from('{}\n'.repeat(2_048)), wide).rows).toBe(2_048)
    for (const text of ['', '\n\r\n  \n', '\n']) expect(refusal(() => lines(text)).code).toBe('ERR_INPUT_MALFORMED')
    expect(refusal(() => rowsOfLines(Uint8Array.of(0xff), COLUMNS)).code).toBe('ERR_INPUT_MALFORMED')
    expect(refusal(() => rowsOfObjects([], COLUMNS)).code).toBe('ERR_INPUT_MALFORMED')
  })

  it('whatever bytes come, are taken whole or refused by a code', () => {
    const piece = fc.constantFrom('{', '}', '"', ':', ',', '"who"', '"count"', '1', '-', '1e9', '\n', '\r', '\\', 'null', '"a"', '[', ']', ' ', '\\u0000', '\u{1F600}') // prettier-ignore
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece, { maxLength: 60 }).map((parts) => Buffer.from(parts.join(''))),
          fc.uint8Array({ maxLength: 200 }),
        ),
        (bytes) => {
          try {
            const group = rowsOfLines(bytes, COLUMNS)
            expect(group.columns.map(({ values }) => values.length)).toEqual([group.rows, group.rows, group.rows])
            for (const value of group.columns[0]!.values) expect(typeof value).toBe('string')
          } catch (thrown) {
            if (!(thrown instanceof RedoubtError)) throw thrown
            expect(['ERR_DATA_ROWS', 'ERR_INPUT_MALFORMED']).toContain(thrown.code)
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
