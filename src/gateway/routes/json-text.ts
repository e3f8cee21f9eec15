/**
 * Texts that are JSON documents themselves, such as the arguments of a tool call. A detector must see what the document means
 * (`jane\u0040example.com`, a card number after `\n`), and what it changes must stay JSON. So the text is decoded to one plain
 * text, structure included (member names are context for the detectors), and encoded again afterwards.
 *
 * INVARIANT: outside and inside of strings are told apart by `"` alone, in both directions. What would blur that is carried as
 * a Unicode noncharacter (U+FDD0 to U+FDEF are never exchanged, Unicode 16 §23.7); one that arrives from outside becomes U+FFFD.
 */
const QUOTE_IN_STRING = '\uFDD0'
/** A control character that stands raw in a string, which JSON forbids: kept as it is, told apart from an escaped one. */
const RAW_CONTROL = '\uFDD1'
/** A backslash that begins no escape known to JSON. */
const RAW_BACKSLASH = '\uFDD2'
/** Stands on both sides of a bare number: when a detector changes it, it has to become a string. */
const NUMBER = '\uFDD3'

const NUMBER_LITERAL = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/
/** Digits of a bare number that are held back until it ends. A longer one is passed as it is, without marks. */
const MAX_NUMBER_LENGTH = 128

const ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  '/': '/',
  '\\': '\\',
  '"': QUOTE_IN_STRING,
}

function outsider(unit: string): string {
  return unit >= '\uFDD0' && unit <= '\uFDEF' ? '\uFFFD' : unit
}

/** Decodes a JSON text piece by piece; the result does not depend on how it is cut. */
export class JsonTextDecoder {
  #inString = false
  /** An escape that has begun: `\`, `\u`, `\u0`, … */
  #escape = ''
  /** A bare number that may still grow, with the white space after it. */
  #number = ''
  /** A value may begin here: at the start and after `:`, `,` and `[`. */
  #valueMayBegin = true

  push(text: string): string {
    let out = ''
    for (let i = 0; i < text.length; i++) {
      const unit = text.charAt(i)
      out += this.#inString ? this.#string(unit) : this.#bare(unit)
    }
    return out
  }

  flush(): string {
    const rest = this.#endNumber(true) + (this.#escape === '' ? '' : RAW_BACKSLASH + this.#escape.slice(1))
    this.#escape = ''
    return rest
  }

  #string(unit: string): string {
    if (this.#escape !== '') return this.#continueEscape(unit)
    if (unit === '\\') {
      this.#escape = unit
      return ''
    }
    if (unit === '"') this.#inString = false
    return unit < ' ' ? RAW_CONTROL + unit : outsider(unit)
  }

  #continueEscape(unit: string): string {
    const escape = this.#escape + unit
    if (escape.length === 2 && unit !== 'u') {
      this.#escape = ''
      const meant = ESCAPES[unit]
      if (meant !== undefined) return meant
      return RAW_BACKSLASH + this.#string(unit)
    }
    if (escape.length > 2 && !/[0-9a-fA-F]/.test(unit)) {
      this.#escape = ''
      return RAW_BACKSLASH + escape.slice(1, -1) + this.#string(unit)
    }
    if (escape.length < 6) {
      this.#escape = escape
      return ''
    }
    this.#escape = ''
    const meant = String.fromCharCode(Number.parseInt(escape.slice(2), 16))
    return meant === '"' ? QUOTE_IN_STRING : outsider(meant)
  }

  #bare(unit: string): string {
    const space = unit === ' ' || unit === '\n' || unit === '\r' || unit === '\t'
    if (this.#number !== '') {
      const spaced = this.#number.charCodeAt(this.#number.length - 1) <= 32
      const grows = space || (!spaced && /[-+.eE0-9]/.test(unit))
      if (grows && this.#number.length < MAX_NUMBER_LENGTH) {
        this.#number += unit
        return ''
      }
      return this.#endNumber(unit === ',' || unit === '}' || unit === ']') + this.#bare(unit)
    }
    if (space) return unit
    if (this.#valueMayBegin && /[-0-9]/.test(unit)) {
      this.#number = unit
      this.#valueMayBegin = false
      return ''
    }
    if (unit === '"') this.#inString = true
    this.#valueMayBegin = unit === ':' || unit === ',' || unit === '['
    return outsider(unit)
  }

  #endNumber(closed: boolean): string {
    const held = this.#number
    this.#number = ''
    const digits = held.trimEnd()
    return closed && NUMBER_LITERAL.test(digits) ? NUMBER + digits + NUMBER + held.slice(digits.length) : held
  }
}

/** Encodes what a `JsonTextDecoder` decoded, after detectors have changed it. */
export class JsonTextEncoder {
  #inString = false
  #rawControl = false
  #number: string | null = null

  push(text: string): string {
    let out = ''
    for (let i = 0; i < text.length; i++) {
      const unit = text.charAt(i)
      if (this.#number !== null && unit !== NUMBER) this.#number += unit
      else out += this.#unit(unit)
    }
    return out
  }

  /** A number whose closing mark a detector took is given as a string: never as something that was not looked at. */
  flush(): string {
    return this.#number === null ? '' : this.#endNumber(this.#number)
  }

  #unit(unit: string): string {
    if (unit === NUMBER) {
      if (this.#number !== null) return this.#endNumber(this.#number)
      this.#number = ''
      return ''
    }
    if (!this.#inString) {
      if (unit === '"') this.#inString = true
      return unit
    }
    if (unit === '"') {
      this.#inString = false
      return unit
    }
    if (unit === QUOTE_IN_STRING) return '\\"'
    if (unit === RAW_BACKSLASH) return '\\'
    if (unit === RAW_CONTROL) {
      this.#rawControl = true
      return ''
    }
    const raw = this.#rawControl
    this.#rawControl = false
    if (unit === '\\') return '\\\\'
    return unit < ' ' && !raw ? JSON.stringify(unit).slice(1, -1) : unit
  }

  #endNumber(literal: string): string {
    this.#number = null
    return NUMBER_LITERAL.test(literal) ? literal : JSON.stringify(literal)
  }
}

/** Filters a whole JSON text by what it means; unchanged text comes back as the very same string. */
export function filterJsonText(text: string, filter: (plain: string) => string): string {
  const decoder = new JsonTextDecoder()
  const plain = decoder.push(text) + decoder.flush()
  const filtered = filter(plain)
  if (filtered === plain) return text
  const encoder = new JsonTextEncoder()
  return encoder.push(filtered) + encoder.flush()
}

/** True for a text that is a JSON object or array as a whole. */
export function isJsonDocument(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
