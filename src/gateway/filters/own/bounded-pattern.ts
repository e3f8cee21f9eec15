import { RedoubtError } from '#foundation/core'
import { BOUNDARY, classify, COMMA, GAP, LINE } from '../characters.ts'
import { LONGEST_VALUE } from '../recogniser.ts'

/** Ways in which a pattern may match at one place, at most: what a search that goes back has to try. */
const MAX_WAYS = 1000
const MAX_PATTERN = 512
const MAX_DEPTH = 8

/** What a part of a pattern can match: its length in units, in how many ways, and whether a digit or a sign may be in it. */
interface Bounds {
  readonly least: number
  readonly most: number
  readonly ways: number
  readonly telling: boolean
}

const EMPTY: Bounds = { least: 0, most: 0, ways: 1, telling: false }

/**
 * A subset of regular expressions whose cost is known beforehand: letters, digits and signs, `\d`, `\w`, `\p{L}`, classes, groups,
 * alternatives, `?`, `{n}` and `{n,m}`. Not: `*`, `+`, `{n,}`, `.`, `^`, `$`, back-references, look-around, white space.
 * @returns the expression, for sticky or global search, with flag `u`; at each place it tries at most `MAX_WAYS` ways of at most
 *   `LONGEST_VALUE` units, so that a search takes time linear in the text.
 * @throws {RedoubtError} `ERR_FILTER_RECOGNISER` with the column and what to write instead.
 */
export function boundedPattern(pattern: string): RegExp {
  const { bounds } = new PatternParser(pattern).parse()
  if (bounds.least === 0) throw refusal(0, 'it matches the empty text', 'let at least one sign be required')
  if (bounds.most > LONGEST_VALUE) throw refusal(0, `it matches up to ${bounds.most} units`, `bound it to ${LONGEST_VALUE}`)
  if (bounds.ways > MAX_WAYS)
    throw refusal(0, `it can match in more than ${MAX_WAYS} ways at one place`, 'give fixed lengths, as in `{8}`, or fewer alternatives')
  if (!bounds.telling) throw refusal(0, 'it matches words of letters alone', 'let it hold a digit or one of `@ : - ! # $ & * = ? ^ ~`')
  try {
    return new RegExp(`(?<![\\p{L}\\p{N}])(?:${pattern})(?![\\p{L}\\p{N}])`, 'gu')
  } catch {
    throw refusal(0, 'a backslash stands before a sign that needs none, or a range goes backwards', 'write the sign alone, or `[a-z]`')
  }
}

function refusal(at: number, what: string, next: string): RedoubtError {
  return new RedoubtError('ERR_FILTER_RECOGNISER', `pattern, column ${at + 1}: ${what}; ${next}`, { evidence: { column: at + 1 } })
}

const CLASSES: Readonly<Record<string, boolean>> = { d: true, w: true }
/** Signs that stand for themselves behind a backslash. */
const ESCAPED = /^[-.()[\]{}?*+^$|\\/@:#!&=~_%';]$/u
const isTelling = (sign: string): boolean => !/[\p{L}_./']/u.test(sign)

class PatternParser {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    if (text.length > MAX_PATTERN) throw refusal(MAX_PATTERN, `it is longer than ${MAX_PATTERN} signs`, 'write two recognisers')
    this.#text = text
  }

  parse(): { readonly bounds: Bounds } {
    const bounds = this.#alternatives()
    if (this.#at < this.#text.length) throw refusal(this.#at, 'a `)` closes nothing', 'write `\\)` for the sign')
    return { bounds }
  }

  #alternatives(): Bounds {
    let bounds = this.#sequence()
    while (this.#text[this.#at] === '|') {
      this.#at++
      const other = this.#sequence()
      bounds = {
        least: Math.min(bounds.least, other.least),
        most: Math.max(bounds.most, other.most),
        ways: bounds.ways + other.ways,
        telling: bounds.telling && other.telling,
      }
    }
    return bounds
  }

  #sequence(): Bounds {
    let bounds = EMPTY
    while (this.#at < this.#text.length && this.#text[this.#at] !== '|' && this.#text[this.#at] !== ')') {
      const part = this.#repeated(this.#atom())
      bounds = {
        least: bounds.least + part.least,
        most: bounds.most + part.most,
        ways: bounds.ways * part.ways,
        telling: bounds.telling || part.telling,
      }
    }
    return bounds
  }

  #atom(): Bounds {
    const start = this.#at
    const sign = this.#text[this.#at++]!
    if (sign === '(') return this.#group(start)
    if (sign === '[') return this.#class(start)
    if (sign === '\\') return this.#escape(start)
    if (sign === '.') throw refusal(start, '`.` matches anything', 'write a class such as `[A-Z0-9]`, or `\\.` for the sign')
    if (sign === '^' || sign === '$')
      throw refusal(
        start,
        `\`${sign}\` looks for the end of a text`,
        'leave it out: values are found only where no letter or digit touches them',
      )
    if ('*+?{'.includes(sign)) throw refusal(start, `\`${sign}\` repeats nothing`, `write \`\\${sign}\` for the sign`)
    this.#demandInside(start, sign)
    return { least: sign.length, most: sign.length, ways: 1, telling: isTelling(sign) }
  }

  #group(start: number): Bounds {
    if (++this.#depth > MAX_DEPTH) throw refusal(start, `groups are nested more than ${MAX_DEPTH} deep`, 'write it with fewer groups')
    if (this.#text[this.#at] === '?') {
      if (!this.#text.startsWith('?:', this.#at))
        throw refusal(start, 'look-around and named groups are not read', 'write `(?:…)`; use `context` for what stands around a value')
      this.#at += 2
    }
    const bounds = this.#alternatives()
    if (this.#text[this.#at] !== ')') throw refusal(start, 'a `(` is not closed', 'write `\\(` for the sign')
    this.#at++
    this.#depth--
    return bounds
  }

  #class(start: number): Bounds {
    if (this.#text[this.#at] === '^') throw refusal(start, 'a class says what it leaves out', 'write what it holds')
    let telling = false
    let empty = true
    for (; ; empty = false) {
      const at = this.#at
      const sign = this.#text[this.#at++]
      if (sign === undefined) throw refusal(start, 'a `[` is not closed', 'write `\\[` for the sign')
      if (sign === ']') break
      if (sign === '[') throw refusal(at, 'a class holds a class', 'write `\\[` for the sign')
      if (sign === '\\') telling = this.#escape(at).telling || telling
      else {
        this.#demandInside(at, sign)
        // Of a range such as `0-9`, both ends are looked at; the dash between them stands for what lies between.
        telling ||= sign === '-' ? this.#text[this.#at] === ']' : isTelling(sign)
      }
    }
    if (empty) throw refusal(start, 'a class is empty', 'write what it holds')
    return { least: 1, most: 1, ways: 1, telling }
  }

  #escape(start: number): Bounds {
    const sign = this.#text[this.#at++]
    if (sign === undefined) throw refusal(start, 'a backslash ends it', 'write `\\\\` for the sign')
    if (sign === 'p' && /^\{(?:L|Lu|Ll|N|Nd)\}/u.test(this.#text.slice(this.#at))) {
      const closing = this.#text.indexOf('}', this.#at)
      const telling = this.#text[this.#at + 1] === 'N'
      this.#at = closing + 1
      // A letter outside the first plane takes two units.
      return { least: 1, most: 2, ways: 1, telling }
    }
    if (CLASSES[sign] !== undefined) return { least: 1, most: 1, ways: 1, telling: true }
    if (/\d/u.test(sign)) throw refusal(start, 'it refers back to a group', 'write the group again')
    if (sign === 's' || sign === 'n' || sign === 't')
      throw refusal(start, 'values hold no white space', 'write one recogniser for each part')
    if (!ESCAPED.test(sign)) throw refusal(start, `\`\\${sign}\` is not read`, 'use `\\d`, `\\w`, `\\p{L}` and signs')
    this.#demandInside(start, sign)
    return { least: 1, most: 1, ways: 1, telling: isTelling(sign) }
  }

  /** A value never crosses such a sign, so that a pattern with one would never match. */
  #demandInside(at: number, sign: string): void {
    const kind = classify(sign.charCodeAt(0))
    if (kind === GAP || kind === LINE) throw refusal(at, 'values hold no white space', 'write one recogniser for each part')
    if (kind === BOUNDARY || kind === COMMA) throw refusal(at, `\`${sign}\` ends every value`, 'leave it out')
  }

  #repeated(part: Bounds): Bounds {
    const start = this.#at
    const sign = this.#text[start]
    if (sign === '*') throw refusal(start, '`*` has no bound', 'write `{0,20}`')
    if (sign === '+') throw refusal(start, '`+` has no bound', 'write `{1,20}`')
    let least = 1
    let most = 1
    if (sign === '?') {
      least = 0
      this.#at++
    } else if (sign === '{') {
      const written = /^\{(\d{1,3})(?:(,)(\d{1,3})?)?\}/u.exec(this.#text.slice(start))
      if (!written) throw refusal(start, 'a `{` begins no number of times', 'write `{8}` or `{6,10}`, or `\\{` for the sign')
      if (written[2] && written[3] === undefined) throw refusal(start, `\`${written[0]}\` has no bound`, `write \`{${written[1]},20}\``)
      least = Number(written[1])
      most = written[3] === undefined ? least : Number(written[3])
      if (most < least || most === 0) throw refusal(start, `\`${written[0]}\` is no range`, 'write the smaller number first')
      this.#at += written[0].length
    } else return part
    if ('*+?{'.includes(this.#text[this.#at] ?? ' ')) throw refusal(this.#at, 'a repeat is repeated', 'write one range')
    let ways = 0
    for (let times = least; times <= most && ways <= MAX_WAYS; times++) ways += part.ways ** times
    return { least: part.least * least, most: part.most * most, ways, telling: part.telling && least > 0 }
  }
}
