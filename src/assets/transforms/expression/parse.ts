import { type BinaryOperator, COMPARISONS, type Expression, MAX_DEPTH, MAX_NODES } from './syntax.ts'
import { type Token, tokensOf, unsound } from './tokens.ts'

const KEYWORDS: ReadonlySet<string> = new Set(['and', 'or', 'not', 'in', 'true', 'false', 'missing'])
/** From the weakest to the strongest; comparisons stand between `not` and sums, and do not follow each other. */
const SUMS: ReadonlySet<string> = new Set(['+', '-'])
const PRODUCTS: ReadonlySet<string> = new Set(['*', '/', '%'])
const COMPARING: ReadonlySet<string> = new Set(COMPARISONS)

/**
 * Reads an expression:
 *
 *     or    = and { "or" and }         sum     = product { ("+" | "-") product }
 *     and   = not { "and" not }        product = sign { ("*" | "/" | "%") sign }
 *     not   = "not" not | compared     sign    = "-" sign | single
 *     compared = sum [ ("=" | "!=" | "<" | "<=" | ">" | ">=") sum | ["not"] "in" "(" sign { "," sign } ")" ]
 *     single   = number | text | "true" | "false" | "missing" | column | name "(" [ or { "," or } ] ")" | "(" or ")"
 *
 * @throws {RedoubtError} `ERR_TRANSFORM_DEFINITION` with the place, from 1.
 */
export function parseExpression(source: string): Expression {
  return new Parser(tokensOf(source)).whole()
}

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0
  #nodes = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  whole(): Expression {
    const expression = this.#or()
    if (this.#next.kind !== 'end') throw this.#unexpected()
    return expression
  }

  get #next(): Token {
    return this.#tokens[this.#at]!
  }

  #or(): Expression {
    return this.#chain(
      () => this.#and(),
      (token) => token.kind === 'name' && token.text === 'or',
    )
  }

  #and(): Expression {
    return this.#chain(
      () => this.#not(),
      (token) => token.kind === 'name' && token.text === 'and',
    )
  }

  #not(): Expression {
    if (!this.#takes('name', 'not')) return this.#compared()
    return this.#deeper(() => this.#node({ kind: 'unary', operator: 'not', operand: this.#not() }))
  }

  #compared(): Expression {
    const left = this.#sum()
    const { kind, text } = this.#next
    if (kind === 'sign' && COMPARING.has(text)) {
      this.#at++
      return this.#node({ kind: 'binary', operator: text as BinaryOperator, left, right: this.#sum() })
    }
    const negated = kind === 'name' && text === 'not' && this.#tokens[this.#at + 1]?.text === 'in'
    if (negated) this.#at++
    if (!this.#takes('name', 'in')) return left
    this.#demand('(')
    const list = this.#list(() => this.#deeper(() => this.#sign()))
    const found = this.#node({ kind: 'in', operand: left, list })
    return negated ? this.#node({ kind: 'unary', operator: 'not', operand: found }) : found
  }

  #sum(): Expression {
    return this.#chain(
      () => this.#product(),
      (token) => token.kind === 'sign' && SUMS.has(token.text),
    )
  }

  #product(): Expression {
    return this.#chain(
      () => this.#sign(),
      (token) => token.kind === 'sign' && PRODUCTS.has(token.text),
    )
  }

  #sign(): Expression {
    if (!this.#takes('sign', '-')) return this.#single()
    return this.#deeper(() => this.#node({ kind: 'unary', operator: '-', operand: this.#sign() }))
  }

  #single(): Expression {
    const token = this.#next
    this.#at++
    if (token.kind === 'number') return this.#node({ kind: 'literal', value: Number(token.text) })
    if (token.kind === 'text') return this.#node({ kind: 'literal', value: token.text })
    if (token.kind === 'column') return this.#node({ kind: 'column', name: token.text })
    if (token.kind === 'sign' && token.text === '(') {
      const inner = this.#deeper(() => this.#or())
      this.#demand(')')
      return inner
    }
    if (token.kind === 'name') return this.#named(token)
    this.#at--
    throw this.#unexpected()
  }

  #named(token: Token): Expression {
    const calls = this.#next.kind === 'sign' && this.#next.text === '('
    if (calls && (token.text === 'missing' || !KEYWORDS.has(token.text))) {
      this.#at++
      if (this.#takes('sign', ')')) return this.#node({ kind: 'call', name: token.text, operands: [] })
      return this.#node({ kind: 'call', name: token.text, operands: this.#list(() => this.#deeper(() => this.#or())) })
    }
    if (token.text === 'true' || token.text === 'false') return this.#node({ kind: 'literal', value: token.text === 'true' })
    if (token.text === 'missing') return this.#node({ kind: 'literal', value: null })
    if (!KEYWORDS.has(token.text)) return this.#node({ kind: 'column', name: token.text })
    this.#at--
    throw this.#unexpected()
  }

  /** What stands between commas, up to the closing parenthesis. */
  #list(one: () => Expression): readonly Expression[] {
    const all = [one()]
    while (this.#takes('sign', ',')) all.push(one())
    this.#demand(')')
    return all
  }

  #chain(one: () => Expression, joins: (token: Token) => boolean): Expression {
    let left = one()
    while (joins(this.#next)) {
      const operator = this.#next.text as BinaryOperator
      this.#at++
      left = this.#node({ kind: 'binary', operator, left, right: one() })
    }
    return left
  }

  #node(expression: Expression): Expression {
    if (++this.#nodes > MAX_NODES) throw unsound(`an expression has at most ${MAX_NODES} operands, operators and calls`)
    return expression
  }

  #deeper(inner: () => Expression): Expression {
    if (++this.#depth > MAX_DEPTH) throw unsound(`an expression is nested at most ${MAX_DEPTH} deep`)
    const expression = inner()
    this.#depth--
    return expression
  }

  #takes(kind: Token['kind'], text: string): boolean {
    const found = this.#next.kind === kind && this.#next.text === text
    if (found) this.#at++
    return found
  }

  #demand(sign: string): void {
    if (!this.#takes('sign', sign)) throw this.#unexpected(`, \`${sign}\` is`)
  }

  #unexpected(instead = ''): Error {
    const { kind, text, at } = this.#next
    const what = kind === 'end' ? 'the end of the expression' : `\`${text.slice(0, 40)}\` at ${at}`
    return unsound(`${what} is not expected here${instead}`)
  }
}
