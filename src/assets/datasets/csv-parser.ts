import { RedoubtError } from '#foundation/core'

export interface CsvBounds {
  readonly maxColumns: number
  /** UTF-16 code units of one field. */
  readonly maxFieldLength: number
  /** UTF-16 code units of one row, its fields together. */
  readonly maxRowLength: number
}

export const CSV_BOUNDS: CsvBounds = { maxColumns: 4096, maxFieldLength: 2 ** 16, maxRowLength: 2 ** 20 }

export interface CsvRow {
  /** Line on which the row begins; the first line of the file is 1. */
  readonly line: number
  readonly fields: readonly string[]
}

const QUOTE = 34
const COMMA = 44
const LF = 10
const CR = 13

type State = 'field-start' | 'plain' | 'quoted' | 'quote-seen' | 'return-seen'

/**
 * Reads comma-separated values as they come, in any chunks, holding one row. Records end with LF or CRLF; the last may lack
 * it; an empty line is no record. A byte order mark is dropped. Rows may differ in length: the caller judges that.
 * @throws {RedoubtError} `ERR_DATA_MALFORMED` (not UTF-8, NUL, stray quote or carriage return, quote never closed),
 *   `ERR_INPUT_TOO_LARGE` past a bound; both with the line as evidence.
 * @see RFC 4180 §2
 */
export class CsvParser {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  readonly #bounds: CsvBounds
  #state: State = 'field-start'
  #line = 1
  #rowLine = 1
  #row: string[] = []
  #rowLength = 0
  /** What earlier chunks held of the field in work. */
  #held = ''

  constructor(bounds: CsvBounds = CSV_BOUNDS) {
    this.#bounds = bounds
  }

  /** The rows that this chunk completes, one at a time: what is wrong with the header is told before what is wrong further down. */
  *push(chunk: Uint8Array): Generator<CsvRow> {
    yield* this.#scan(this.#decode(chunk, true))
  }

  /** The last row when the file does not end with a line end. */
  *end(): Generator<CsvRow> {
    yield* this.#scan(this.#decode(new Uint8Array(), false))
    if (this.#state === 'quoted') throw this.#malformed('a quoted field is never closed', this.#rowLine)
    if (this.#state === 'return-seen') throw this.#malformed('a carriage return stands alone')
    if (this.#row.length > 0 || this.#held !== '' || this.#state !== 'field-start') {
      const last = this.#endRow()
      if (last) yield last
    }
  }

  #decode(chunk: Uint8Array, stream: boolean): string {
    try {
      return this.#decoder.decode(chunk, { stream })
    } catch {
      throw this.#malformed('the file is not UTF-8')
    }
  }

  *#scan(text: string): Generator<CsvRow> {
    let from = 0
    let ended: CsvRow | null = null
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i)
      if (c === 0) throw this.#malformed('the file holds a NUL character')
      if (this.#state === 'field-start') {
        if (c === QUOTE) {
          this.#state = 'quoted'
          from = i + 1
          continue
        }
        // The first character of a plain field may end it, so it is looked at below.
        this.#state = 'plain'
        from = i
      }
      switch (this.#state) {
        case 'plain':
          if (c === COMMA) {
            this.#endField(text.slice(from, i))
            from = i + 1
          } else if (c === LF) {
            this.#hold(text.slice(from, i))
            ended = this.#endRow()
            this.#nextLine()
            from = i + 1
          } else if (c === CR) {
            this.#hold(text.slice(from, i))
            this.#state = 'return-seen'
            from = i + 1
          } else if (c === QUOTE) throw this.#malformed('a quote stands inside a field that does not begin with one')
          break
        case 'quoted':
          if (c === QUOTE) {
            this.#hold(text.slice(from, i))
            this.#state = 'quote-seen'
            from = i + 1
          } else if (c === LF) this.#line++
          break
        case 'quote-seen':
          if (c === QUOTE) {
            // A doubled quote is one; it begins the next stretch.
            this.#state = 'quoted'
            from = i
          } else if (c === COMMA) {
            this.#endField('')
            from = i + 1
          } else if (c === LF) {
            ended = this.#endRow()
            this.#nextLine()
            from = i + 1
          } else if (c === CR) {
            this.#state = 'return-seen'
            from = i + 1
          } else throw this.#malformed('a closing quote is followed by text')
          break
        case 'return-seen':
          if (c !== LF) throw this.#malformed('a carriage return stands alone')
          ended = this.#endRow()
          this.#nextLine()
          from = i + 1
          break
      }
      if (ended !== null) {
        yield ended
        ended = null
      }
    }
    if (this.#state === 'plain' || this.#state === 'quoted') this.#hold(text.slice(from))
  }

  #hold(part: string): void {
    this.#held += part
    this.#rowLength += part.length
    if (this.#held.length > this.#bounds.maxFieldLength)
      throw this.#tooLarge(`a field has more than ${this.#bounds.maxFieldLength} characters`)
    if (this.#rowLength > this.#bounds.maxRowLength) throw this.#tooLarge(`a row has more than ${this.#bounds.maxRowLength} characters`)
  }

  #endField(part: string): void {
    this.#hold(part)
    this.#row.push(this.#held)
    if (this.#row.length > this.#bounds.maxColumns) throw this.#tooLarge(`a row has more than ${this.#bounds.maxColumns} columns`)
    this.#held = ''
    this.#state = 'field-start'
  }

  /** Null for an empty line. */
  #endRow(): CsvRow | null {
    const quoted = this.#state === 'quote-seen'
    this.#endField('')
    const empty = this.#row.length === 1 && this.#row[0] === '' && !quoted
    const row = { line: this.#rowLine, fields: this.#row }
    this.#row = []
    this.#rowLength = 0
    return empty ? null : row
  }

  #nextLine(): void {
    this.#line++
    this.#rowLine = this.#line
  }

  #malformed(message: string, line = this.#line): RedoubtError {
    return new RedoubtError('ERR_DATA_MALFORMED', `${message}, in line ${line}`, { evidence: { line } })
  }

  #tooLarge(message: string): RedoubtError {
    return new RedoubtError('ERR_INPUT_TOO_LARGE', `${message}, in line ${this.#rowLine}`, { evidence: { line: this.#rowLine } })
  }
}
