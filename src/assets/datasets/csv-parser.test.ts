import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RedoubtError } from '#foundation/core'
import { kindOf, numberOf } from './column-type.ts'
import { CsvParser, type CsvBounds } from './csv-parser.ts'

function parse(input: string | Uint8Array, chunk = Infinity, bounds?: CsvBounds): { line: number; fields: readonly string[] }[] {
  const bytes = typeof input === 'string' ? Buffer.from(input, 'utf8') : input
  const parser = new CsvParser(bounds)
  const rows = []
  for (let at = 0; at < bytes.byteLength; at += chunk) rows.push(...parser.push(bytes.subarray(at, Math.min(bytes.byteLength, at + chunk))))
  return [...rows, ...parser.end()]
}

const fields = (text: string): (readonly string[])[] => parse(text).map((row) => row.fields)
const codeOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return (error as RedoubtError).code
  }
  return 'accepted'
}

describe('CSV (RFC 4180 §2)', () => {
  it.each([
    [
      'LF, CRLF and no last line end',
      'a,b\n1,2\r\n3,4',
      [
        ['a', 'b'],
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    ['quotes, commas and line ends in quotes', '"a,""b""\r\nc",d\n', [['a,"b"\r\nc', 'd']]],
    [
      'empty fields at every place',
      ',\n"",x\n,"",\n',
      [
        ['', ''],
        ['', 'x'],
        ['', '', ''],
      ],
    ],
    ['empty lines', 'a\n\n\r\nb\n', [['a'], ['b']]],
    ['a quoted empty field alone in its line', 'a\n""\n', [['a'], ['']]],
    ['spaces as part of a field', ' a , b \n', [[' a ', ' b ']]],
    ['a byte order mark', '\uFEFFa,b', [['a', 'b']]],
    [
      'a trailing comma at the end of the file',
      'a,b\n1,',
      [
        ['a', 'b'],
        ['1', ''],
      ],
    ],
  ])('reads %s', (_, text, expected) => {
    expect(fields(text)).toEqual(expected)
    for (const size of [1, 2, 3, 5]) expect(parse(text, size).map((row) => row.fields)).toEqual(expected)
  })

  it('counts physical lines', () => {
    expect(parse('h\n"a\nb\r\nc"\n\nd\n').map((row) => row.line)).toEqual([1, 2, 6])
  })

  it.each([
    ['a stray quote', 'a"b\n'],
    ['text after a closing quote', '"a"b\n'],
    ['a quote never closed', 'x\n"a\n\n'],
    ['a lone carriage return', 'a\rb\n'],
    ['a carriage return at the end', 'a\r'],
    ['NUL', 'a\0b\n'],
    ['bytes that are not UTF-8', Uint8Array.of(97, 0xff, 10)],
    ['UTF-8 cut off at the end', Uint8Array.of(97, 0xe2, 0x82)],
  ])('refuses %s', (_, text) => {
    for (const size of [1, Infinity]) expect(codeOf(() => parse(text, size))).toBe('ERR_DATA_MALFORMED')
  })

  it('refuses rows, fields and columns past their bounds, quoted or not, before they end', () => {
    const bounds = { maxColumns: 4, maxFieldLength: 10, maxRowLength: 30 }
    for (const text of ['a,b,c,d,e', 'x'.repeat(11), `"${'x'.repeat(11)}`, `"${'""'.repeat(11)}`, '123456789,123456789,123456789,1234'])
      for (const size of [1, 4, Infinity]) expect(codeOf(() => parse(text, size, bounds))).toBe('ERR_INPUT_TOO_LARGE')
    expect(fields('1234567890')).toEqual([['1234567890']])
  })

  it('gives back whatever was written, for every chunking (property)', () => {
    const field = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r\n', ' ', 'é', '数', '😀') })
    const table = fc.integer({ min: 2, max: 4 }).chain((width) => fc.array(fc.array(field, { minLength: width, maxLength: width })))
    fc.assert(
      fc.property(table, fc.integer({ min: 1, max: 9 }), fc.constantFrom('\n', '\r\n'), (rows, size, eol) => {
        const text = rows
          .map((row) => row.map((value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)).join(',') + eol)
          .join('')
        expect(parse(text, size).map((row) => row.fields)).toEqual(rows)
      }),
    )
  })

  it('answers any bytes with rows or one of its refusals (fuzz)', () => {
    const noise = fc
      .array(fc.constantFrom(34, 44, 10, 13, 0, 97, 0xc3, 0xa9, 0xff), { maxLength: 60 })
      .map((bytes) => Uint8Array.from(bytes))
    fc.assert(
      fc.property(noise, fc.integer({ min: 1, max: 7 }), (bytes, size) => {
        const whole = codeOf(() => parse(bytes))
        expect(['accepted', 'ERR_DATA_MALFORMED']).toContain(whole)
        expect(codeOf(() => parse(bytes, size))).toBe(whole)
        if (whole === 'accepted') expect(parse(bytes, size)).toEqual(parse(bytes))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('kinds of values', () => {
  it.each([
    ['', 'missing'],
    ['  ', 'missing'],
    ['0', 'integer'],
    ['-12', 'integer'],
    ['+7', 'integer'],
    [' 39 ', 'integer'],
    ['9007199254740991', 'integer'],
    ['9007199254740993', 'digits'],
    ['4111111111111111222', 'digits'],
    ['007', 'digits'],
    ['00', 'digits'],
    ['1.5', 'real'],
    ['.5', 'real'],
    ['5.', 'real'],
    ['1e5', 'real'],
    ['-1E-3', 'real'],
    ['.', 'text'],
    ['-', 'text'],
    ['1e', 'text'],
    ['1e999', 'text'],
    ['NaN', 'text'],
    ['Infinity', 'text'],
    ['0x10', 'text'],
    ['1,5', 'text'],
    ['1 2', 'text'],
    ['?', 'text'],
    ['1_000', 'text'],
    ['١', 'text'],
  ])('%j is %s', (field, kind) => expect(kindOf(field)).toBe(kind))

  it('reads numbers as JavaScript does, and never gives −0 (property)', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(kindOf(String(value))).not.toBe('text')
        expect(numberOf(String(value))).toBe(value + 0)
      }),
    )
    expect(Object.is(numberOf('-0'), 0)).toBe(true)
  })
})
