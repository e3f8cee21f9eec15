import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { compileExpression } from './compile.ts'
import { FUNCTION_NAMES } from './functions.ts'
import { parseExpression } from './parse.ts'
import { printed } from './printed.fixtures.ts'
import { type Expression, MAX_DEPTH, MAX_EXPRESSION_LENGTH, MAX_NODES } from './syntax.ts'
import { unsound } from './tokens.ts'

/** Long enough for a machine that does other things, and far below what backtracking or a tree without bounds would take. */
const MAX_MS = 1_000
const TYPES = { n: 'integer', r: 'real', t: 'text' } as const

/** Parses and types: a tree, a refusal of its own kind, and nothing else. */
function outcome(text: string): string {
  const started = performance.now()
  let code = 'sound'
  try {
    compileExpression(parseExpression(text), (name) => {
      if (!Object.hasOwn(TYPES, name)) throw unsound(`there is no column ${name}`)
      return { position: 0, type: TYPES[name as keyof typeof TYPES] }
    })
  } catch (thrown) {
    if (!(thrown instanceof RedoubtError)) throw thrown
    code = thrown.code
    expect(thrown.message.length).toBeLessThan(2_000)
  }
  expect(performance.now() - started).toBeLessThan(MAX_MS)
  return code
}
function isTyped(text: string): void {
  expect(['sound', 'ERR_TRANSFORM_DEFINITION']).toContain(outcome(text))
}

const token = fc.constantFrom(
  'and', 'or', 'not', 'in', 'true', 'false', 'missing', '(', ')', ',', '=', '!=', '<', '<=', '>', '>=', '+', '-', '*', '/', '%', '!', '"', "'", '`',
  'n', 'r', 't', '0', '1', '2.5', '1e3', '1e999', '9007199254740993', '"a"', "'b'", '`n`', '__proto__', 'constructor', 'toString',
  ...FUNCTION_NAMES,
) // prettier-ignore

const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 8 })
const { tree } = fc.letrec<{ tree: Expression }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 6, depthIdentifier: 'tree' },
    fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 0.5, 12.25), fc.string({ unit: 'binary', maxLength: 8 }), fc.boolean(), fc.constant(null)).map((value): Expression => ({ kind: 'literal', value })),
    name.map((column): Expression => ({ kind: 'column', name: column })),
    fc.record({ operator: fc.constantFrom('-' as const, 'not' as const), operand: tie('tree') }).map((parts): Expression => ({ kind: 'unary', ...parts })),
    fc.record({ operator: fc.constantFrom('and', 'or', '=', '!=', '<', '<=', '>', '>=', '+', '-', '*', '/', '%'), left: tie('tree'), right: tie('tree') }).map((parts): Expression => ({ kind: 'binary', ...parts })),
    fc.record({ operand: tie('tree'), list: fc.array(fc.nat().map((value): Expression => ({ kind: 'literal', value })), { minLength: 1, maxLength: 3 }) }).map((parts): Expression => ({ kind: 'in', ...parts })),
    fc.record({ name: fc.constantFrom(...FUNCTION_NAMES), operands: fc.array(tie('tree'), { maxLength: 3 }) }).map((parts): Expression => ({ kind: 'call', ...parts })),
  ),
})) // prettier-ignore

describe('expressions', () => {
  it('of whatever text are a tree or are refused with a reason, in bounded time (fuzz)', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), isTyped), { numRuns: 2_000 })
    fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), isTyped), { numRuns: 500 })
    // Halves of characters of two units.
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xff_ff }), { maxLength: 60 }), (units) => isTyped(String.fromCharCode(...units))),
      { numRuns: 500 },
    )
  })

  it('of whatever tokens are a tree or are refused with a reason, in bounded time (fuzz)', () => {
    let sound = 0
    fc.assert(
      fc.property(fc.array(token, { minLength: 1, maxLength: 40 }), fc.constantFrom('', ' '), (tokens, between) => {
        isTyped(tokens.join(between))
        if (outcome(tokens.slice(0, 3).join(' ')) === 'sound') sound++
      }),
      { numRuns: 4_000 },
    )
    // Or it would be a test of refusals alone.
    expect(sound).toBeGreaterThan(20)
  })

  it('that are printed and parsed are the tree that they were (property)', () => {
    let parsed = 0
    fc.assert(
      fc.property(tree, (one) => {
        const text = printed(one)
        if (text.length > MAX_EXPRESSION_LENGTH || !text.isWellFormed()) return
        expect(parseExpression(text)).toEqual(one)
        parsed++
      }),
      { numRuns: 2_000 },
    )
    expect(parsed).toBeGreaterThan(1_000)
  })

  it.each([
    ['1 + 2 * 3', '1 + (2 * 3)'],
    ['1 - 2 - 3', '(1 - 2) - 3'],
    ['8 / 4 / 2', '(8 / 4) / 2'],
    ['-n + 1', '(-n) + 1'],
    ['- -n', '-(-n)'],
    ['not n = 1 and r > 2 or t = "x"', '((not (n = 1)) and (r > 2)) or (t = "x")'],
    ['n + 1 in (1, -2)', '(n + 1) in (1, -2)'],
    ['n not in (1)', 'not (n in (1))'],
    ["'it''s'", '"it\'s"'],
  ])('read %s as %s', (text, same) => expect(parseExpression(text)).toEqual(parseExpression(same)))

  it('are bounded in length, nodes and depth, however they nest', () => {
    const at = (text: string): string => {
      try {
        parseExpression(text)
        return 'sound'
      } catch (thrown) {
        return (thrown as RedoubtError).message
      }
    }
    const nested = (open: string, close: string, depth: number): string => `${open.repeat(depth)}n${close.repeat(depth)}`
    for (const [open, close] of [['(', ')'], ['-', ''], ['not ', ''], ['abs(', ')'], ['(n + ', ')'], ['1 in (-', ')']] as const) {
      if (!open.startsWith('1')) expect([open, at(nested(open, close, MAX_DEPTH))]).toEqual([open, 'sound'])
      expect([open, at(nested(open, close, MAX_DEPTH + 1))]).not.toEqual([open, 'sound'])
      for (const depth of [500, 2_000, 100_000]) expect(at(nested(open, close, depth))).not.toBe('sound')
    } // prettier-ignore
    expect(at(nested('(', ')', MAX_DEPTH + 1))).toBe(`an expression is nested at most ${MAX_DEPTH} deep`)
    const sum = (terms: number): string => Array.from({ length: terms }, () => 'n').join('+')
    expect(at(sum(MAX_NODES / 2))).toBe('sound')
    expect(at(sum(MAX_NODES / 2 + 1))).toBe(`an expression has at most ${MAX_NODES} operands, operators and calls`)
    expect(at(`n${' '.repeat(MAX_EXPRESSION_LENGTH)}`)).toBe(`an expression has at most ${MAX_EXPRESSION_LENGTH} characters`)
    expect(at(`"${'a'.repeat(MAX_EXPRESSION_LENGTH - 2)}"`)).toBe('sound')
    expect(at('1'.repeat(4_000))).toContain('is no number')
  })

  it.each([
    ['n >', 'the end of the expression is not expected here'],
    ['(n', 'the end of the expression is not expected here, `)` is'],
    ['n n', '`n` at 3 is not expected here'],
    ['n # 1', '`#` at 3 is not understood'],
    ['"open', 'the quote at 1 is not closed'],
    ['01', '`01` at 1 is no number'],
    ['1e999', '`1e999` at 1 is no number'],
    ['n < 1 < 2', '`<` at 7 is not expected here'],
    ['eval("x")', 'there is no function `eval`'],
    ['constructor("x")', 'there is no function `constructor`'],
    ['__proto__', 'there is no column __proto__'],
    ['n + t', '`+` needs numbers, and was given text'],
    ['n = "1"', '`=` compares integer with text'],
    ['n and true', '`and` needs truth values, and was given integer'],
    ['not n', '`not` needs a truth value, and was given integer'],
    ['true < false', '`<` compares numbers or texts, and was given a truth value'],
    ['if(n, 1, 2)', '`if` needs a truth value here, and was given integer'],
    ['if(true, 1, "a")', '`if` gives integer or text, which are not of one type'],
    ['n in (r)', 'a value is expected here, not a column or something computed'],
    ['n in (missing)', '`in` lists values'],
    ['lower()', '`lower` takes 1 operands, and was given 0'],
    ['bucket(n, 0)', '`bucket` takes a width above 0'],
    ['bucket(n, r)', 'a value is expected here'],
    ['round(r, 16)', '`round` takes 0 to 15 digits'],
  ])('refuse %s: %s', (text, message) => {
    expect(outcome(text)).toBe('ERR_TRANSFORM_DEFINITION')
    expect(() => compileExpression(parseExpression(text), (column) => {
      if (!Object.hasOwn(TYPES, column)) throw unsound(`there is no column ${column}`)
      return { position: 0, type: TYPES[column as keyof typeof TYPES] }
    })).toThrow(message) // prettier-ignore
  })
})
