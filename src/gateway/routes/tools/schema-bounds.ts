import type { Tree } from '../chat-completions/texts.ts'
import { isBranch } from '../request-members.ts'
import { keysOf, type Work } from './schema-work.ts'

const onNumber =
  (test: (value: number, bound: number) => boolean) =>
  (value: Tree, bound: number): boolean =>
    typeof value !== 'number' || test(value, bound)
/** In characters, as the specification says. */
const onText =
  (test: (length: number, bound: number) => boolean) =>
  (value: Tree, bound: number, work: Work): boolean =>
    typeof value !== 'string' || test(charactersOf(value, work), bound)
const onArray =
  (test: (length: number, bound: number) => boolean) =>
  (value: Tree, bound: number): boolean =>
    !Array.isArray(value) || test(value.length, bound)
const onObject =
  (test: (length: number, bound: number) => boolean) =>
  (value: Tree, bound: number, work: Work): boolean =>
    !isBranch(value) || test(keysOf(value, work).length, bound)
const atLeast = (value: number, bound: number): boolean => value >= bound
const atMost = (value: number, bound: number): boolean => value <= bound

/** Keywords that hold a number, which bounds a value, a length or a count. */
export const BOUNDS: Readonly<Record<string, (value: Tree, bound: number, work: Work) => boolean>> = {
  minimum: onNumber(atLeast),
  maximum: onNumber(atMost),
  exclusiveMinimum: onNumber((value, bound) => value > bound),
  exclusiveMaximum: onNumber((value, bound) => value < bound),
  multipleOf: onNumber((value, bound) => Number.isInteger(value / bound)),
  minLength: onText(atLeast),
  maxLength: onText(atMost),
  minItems: onArray(atLeast),
  maxItems: onArray(atMost),
  minProperties: onObject(atLeast),
  maxProperties: onObject(atMost),
}

function charactersOf(text: string, work: Work): number {
  work.spendOn(text)
  let count = 0
  for (let at = 0; at < text.length; at += text.codePointAt(at)! > 0xffff ? 2 : 1) count++
  return count
}
