import { RedoubtError } from '#foundation/core'
import { MAX_EXPRESSION_LENGTH } from './syntax.ts'

export interface Token {
  readonly kind: 'number' | 'text' | 'name' | 'column' | 'sign' | 'end'
  readonly text: string
  /** Place in the expression, from 1. */
  readonly at: number
}

const SIGNS = ['!=', '<=', '>=', '=', '<', '>', '+', '-', '*', '/', '%', '(', ')', ','] as const
const SPACE = /\s/
const NAME_START = /[A-Za-z_]/
const NAME_PART = /[A-Za-z0-9_]/
const NUMBER_PART = /[0-9.eE]/
/** Decimal, with at most one point and one exponent; no sign of its own. */
const NUMBER = /^(?:0|[1-9][0-9]{0,308})(?:\.[0-9]{1,308})?(?:[eE][0-9]{1,3})?$/

/**
 * Cuts an expression into tokens: numbers; texts in `"` or `'`, where a doubled quote stands for itself; names; columns of any name in backticks.
 * @throws {RedoubtError} `ERR_TRANSFORM_DEFINITION`.
 */
export function tokensOf(source: string): readonly Token[] {
  if (source.length > MAX_EXPRESSION_LENGTH) throw unsound(`an expression has at most ${MAX_EXPRESSION_LENGTH} characters`)
  const tokens: Token[] = []
  let at = 0
  const while_ = (part: RegExp): string => {
    const from = at
    while (at < source.length && part.test(source[at]!)) at++
    return source.slice(from, at)
  }
  while (at < source.length) {
    const char = source[at]!
    const place = at + 1
    const add = (kind: Token['kind'], text: string): number => tokens.push({ kind, text, at: place })
    if (SPACE.test(char)) at++
    else if (NAME_START.test(char)) add('name', while_(NAME_PART))
    else if (/[0-9]/.test(char)) {
      const text = while_(NUMBER_PART)
      if (!NUMBER.test(text) || !Number.isFinite(Number(text))) throw unsound(`\`${text.slice(0, 40)}\` at ${place} is no number`)
      add('number', text)
    } else if (char === '"' || char === "'" || char === '`') {
      const text = quoted(source, at)
      at = text.end
      add(char === '`' ? 'column' : 'text', text.value)
    } else {
      const sign = SIGNS.find((one) => source.startsWith(one, at))
      if (sign === undefined) throw unsound(`\`${String.fromCodePoint(source.codePointAt(at)!)}\` at ${place} is not understood`)
      at += sign.length
      add('sign', sign)
    }
  }
  tokens.push({ kind: 'end', text: '', at: source.length + 1 })
  return tokens
}

function quoted(source: string, from: number): { readonly value: string; readonly end: number } {
  const quote = source[from]!
  let value = ''
  for (let at = from + 1; at < source.length; at++) {
    if (source[at] !== quote) value += source[at]
    else if (source[at + 1] === quote) {
      value += quote
      at++
    } else {
      if (!value.isWellFormed()) throw unsound(`what is quoted at ${from + 1} is no well-formed text`)
      return { value, end: at + 1 }
    }
  }
  throw unsound(`the quote at ${from + 1} is not closed`)
}

export function unsound(message: string): RedoubtError {
  return new RedoubtError('ERR_TRANSFORM_DEFINITION', message)
}
