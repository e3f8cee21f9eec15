import { createRequire } from 'node:module'
import type { Validator } from 'stdnum'

/**
 * One kind of number or code as it is written. A `Form` is a layout, `9` for a digit, `A` for a letter, `X` for either, all else itself,
 * with the score it has without any context: from 0.5 it counts by itself, from 0.3 when it is the whole text, from 0.1 with one
 * of its context words near, below that only directly after one.
 */
export interface Identifier {
  readonly entity: string
  readonly forms: readonly Form[]
  /** Codes without separators that a layout cannot tell: by length and pattern, capital letters. */
  readonly code?: { readonly least: number; readonly most: number; readonly pattern: RegExp; readonly score: number }
  /** Check digits and ranges. @param compact capital letters and digits, separators left out. */
  readonly valid: (compact: string) => boolean
  readonly context: readonly string[]
}

export interface Form {
  readonly layout: string
  readonly score: number
}

/** A code of any shape that counts only directly after its label: `MRN AHC-0933289`. */
export interface Labelled {
  readonly entity: string
  readonly labels: readonly string[]
  /** Longer phrases around its labels that announce another number: `national insurance number` is no `insurance number`. */
  readonly unless?: readonly string[]
  /** On the code as it is written, in capital letters: letters, digits and `-./_`. */
  readonly pattern: RegExp
  readonly score: number
}

const ANY = 'X'

/** `9{5}` is `99999`, `_` is a space, `X` both `9` and `A`. */
function layoutsOf(text: string): readonly string[] {
  const long = text.replaceAll(/([9AX])\{(\d+)\}/gu, (_all, sign: string, times: string) => sign.repeat(Number(times))).replaceAll('_', ' ')
  const at = long.indexOf(ANY)
  if (at < 0) return [long]
  return ['9', 'A'].flatMap((sign) => layoutsOf(long.slice(0, at) + sign + long.slice(at + 1)))
}

/** @param text forms parted by spaces, each `layout:score`, for instance `999.999.999-99:.8 9{11}:.35`. */
export function forms(text: string): readonly Form[] {
  return text
    .trim()
    .split(/\s+/u)
    .flatMap((form) => {
      const cut = form.lastIndexOf(':')
      const score = Number(form.slice(cut + 1))
      return layoutsOf(form.slice(0, cut)).map((layout) => ({ layout, score }))
    })
}

/** Phrases parted by commas. */
export function phrases(text: string): readonly string[] {
  return text.split(',').map((phrase) => phrase.trim())
}

/** One row of a table. @param context phrases parted by commas. */
export function identifier(
  entity: string,
  written: string,
  valid: (compact: string) => boolean,
  context: string,
  code?: Identifier['code'],
): Identifier {
  return { entity, forms: written === '' ? [] : forms(written), valid, context: phrases(context), ...(code ? { code } : {}) }
}

const load = createRequire(import.meta.url)

/**
 * The check of the `stdnum` library for one kind of number, loaded when it is first asked: all of them take longer to load than the rest of
 * the program.
 * @param path country and name, `br/cpf`.
 */
export function stdnum(path: string): (compact: string) => boolean {
  let validator: Validator | null = null
  return (compact) => {
    validator ??= load(`stdnum/lib/cjs/${path}.js`) as Validator
    // It makes an error for each number that is none, and nobody reads where: the stack would cost more than the check.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    try {
      return validator.validate(compact).isValid
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  }
}

/** Where the form alone says enough. */
export const always = (): boolean => true
/** Every digit of the year, month and day of `yymmdd` is possible. */
export function isYymmdd(digits: string): boolean {
  const month = Number(digits.slice(2, 4))
  const day = Number(digits.slice(4, 6))
  return month >= 1 && month <= 12 && day >= 1 && day <= 31
}
