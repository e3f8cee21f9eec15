import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import type { RowGroup } from '#assets/datasets'
import { applySteps, type StepTally } from './apply-steps.ts'
import { checkedTransform } from './definition.ts'
import { printed } from './expression/printed.fixtures.ts'
import type { BinaryOperator, Expression } from './expression/syntax.ts'
import { BeyondBounds, naively, type NaiveRow, type NaiveStep, REAL_SUMS, type TypedExpression } from './naive.fixtures.ts'
import { planOf, type SourceFacts } from './plan.ts'
import { columnOf } from './rows.ts'

const SEED = Number(process.env['REDOUBT_SEED'] ?? 134_701)
const CASES = Number(process.env['REDOUBT_CASES'] ?? 3_000)

type Type = TypedExpression['type']
type Column = { readonly name: string; readonly type: 'integer' | 'real' | 'text' }
const OWN: readonly Column[] = [
  { name: 'who', type: 'text' },
  { name: 'i', type: 'integer' },
  { name: 'big `one`', type: 'integer' },
  { name: 'r', type: 'real' },
  { name: 'and', type: 'text' },
]
const OTHER: readonly Column[] = [
  { name: 'k', type: 'integer' },
  { name: 'm', type: 'text' },
  { name: 'v', type: 'real' },
]
const TEXTS = ['', 'a', 'aB', ' a ', 'é😀', '"q"', "it's", '数', 'AB', 'ab']

/** Park and Miller's: the same cases for the same seed. */
function randomOf(seed: number) {
  let state = (seed % 2_147_483_646) + 1
  const below = (most: number): number => Math.floor(((state = (state * 48_271) % 2_147_483_647) / 2_147_483_647) * most)
  const one = <T>(from: readonly T[]): T => from[below(from.length)]!
  return { below, one }
}
type Random = ReturnType<typeof randomOf>

const cellOf = ({ below, one }: Random, { name, type }: Column): number | string | null => {
  if (name !== 'who' && below(6) === 0) return null
  if (type === 'text') return name === 'who' ? `p-${below(9)}` : one(TEXTS)
  if (name.startsWith('big')) return one([0, 1, -1, 94_906_267, -94_906_267, 2 ** 53 - 1])
  return type === 'integer' ? below(12) - 4 : (below(40) - 16) / 4
}
const tableOf = (random: Random, columns: readonly Column[], most: number): readonly NaiveRow[] =>
  Array.from({ length: random.below(most) }, () => Object.fromEntries(columns.map((column) => [column.name, cellOf(random, column)])))

const literal = (value: number | string): Expression =>
  typeof value === 'number' && value < 0
    ? { kind: 'unary', operator: '-', operand: { kind: 'literal', value: -value } }
    : { kind: 'literal', value }
const call = (name: string, ...operands: readonly Expression[]): Expression => ({ kind: 'call', name, operands })
const two = (operator: BinaryOperator, left: Expression, right: Expression): Expression => ({ kind: 'binary', operator, left, right })

function realSum(operator: BinaryOperator, left: Expression, right: Expression): Expression {
  const sum = two(operator, left, right)
  REAL_SUMS.add(sum)
  return sum
}

/** An expression of a type over columns. */
function expressionOf(random: Random, columns: readonly Column[], type: Type, depth: number): Expression {
  const { below, one } = random
  const of = (wanted: Type): Expression => expressionOf(random, columns, wanted, depth - 1)
  const fitting = columns.filter((column) => column.type === type)
  if (depth === 0 || below(5) === 0) {
    if (fitting.length > 0 && below(4) > 0) return { kind: 'column', name: one(fitting).name }
    if (type === 'boolean') return { kind: 'literal', value: below(2) === 0 }
    if (type === 'text') return literal(one(TEXTS))
    return literal(type === 'integer' ? below(9) - 3 : (below(9) - 4) / 2 + 0.25)
  }
  const flow = (): Expression => (below(2) === 0 ? call('if', of('boolean'), of(type), of(type)) : call('coalesce', of(type), of(type)))
  const number = (): Type => one(['integer', 'real'] as const)
  if (type === 'integer')
    return one([
      () => two(one(['+', '-', '*', '%'] as const), of('integer'), of('integer')),
      () => ({ kind: 'unary', operator: '-', operand: of('integer') }) as const,
      () => call('length', of('text')),
      () => call(one(['floor', 'ceil']), of('real')),
      () => call('abs', of('integer')),
      () => call('bucket', of('integer'), literal(1 + below(5))),
      flow,
    ])()
  if (type === 'real')
    return one([
      () => two('/', of(number()), of(number())),
      () => realSum(one(['+', '-'] as const), of(number()), of('real')),
      () => call('bucket', of('real'), literal(0.25)),
      () => call('abs', of('real')),
      flow,
    ])()
  if (type === 'text')
    return one([
      () => call(one(['lower', 'upper', 'trim']), of('text')),
      () => call('concat', of('text'), of('text')),
      () => call('substring', of('text'), literal(1 + below(3)), literal(below(3))),
      () => call('text', of('integer')),
      flow,
    ])()
  return one([
    () => two(one(['and', 'or'] as const), of('boolean'), of('boolean')),
    () => ({ kind: 'unary', operator: 'not', operand: of('boolean') }) as const,
    () => two(one(['=', '!=', '<', '<=', '>', '>='] as const), of(number()), of(number())),
    () => two(one(['=', '!=', '<', '>='] as const), of('text'), of('text')),
    () => ({ kind: 'in', operand: of('integer'), list: [literal(0), literal(-1), literal(3)] }) as const,
    () => call(one(['contains', 'startswith']), of('text'), of('text')),
    () => call('missing', of(one(['integer', 'text', 'real'] as const))),
  ])()
}

interface Case {
  readonly written: object
  readonly steps: readonly NaiveStep[]
  readonly columns: readonly Column[]
}

function caseOf(random: Random): Case {
  const { below, one } = random
  let columns: readonly Column[] = OWN
  let made = 0
  const steps: NaiveStep[] = []
  const written: object[] = []
  const typed = (type: Type): TypedExpression => ({ type, tree: expressionOf(random, columns, type, 1 + below(3)) })
  for (let left = 1 + below(5); left > 0; left--) {
    const kind = below(4)
    if (kind === 0) {
      const filter = typed('boolean')
      steps.push({ filter })
      written.push({ filter: printed(filter.tree) })
    } else if (kind === 1) {
      const more = Array.from({ length: 1 + below(2) }, () => [`d${++made}`, typed(one(['integer', 'real', 'text'] as const))] as const)
      steps.push({ derive: Object.fromEntries(more) })
      written.push({ derive: Object.fromEntries(more.map(([name, { tree }]) => [name, printed(tree)])) })
      columns = [...columns, ...more.map(([name, { type }]) => ({ name, type: type as Column['type'] }))]
    } else if (kind === 2) {
      const subject = columns.find(({ name }) => name.startsWith('who'))!
      const kept = columns.filter((column) => column === subject || below(3) > 0)
      const named = kept.map((column) => [column.name, below(4) === 0 ? `${column.name === subject.name ? 'who' : 's'}${++made}` : column.name] as const) // prettier-ignore
      steps.push({ select: named })
      written.push({ select: named.map(([column, as]) => (column === as ? column : { column, as })) })
      columns = kept.map(({ type }, i) => ({ name: named[i]![1], type }))
    } else {
      const there = one(OTHER)
      const here = columns.filter(({ type }) => (type === 'text') === (there.type === 'text'))
      if (here.length === 0) continue
      const take = OTHER.filter(() => below(2) === 0).map(({ name }) => [name, `j${++made}`] as const)
      const join = { on: { [one(here).name]: there.name }, take, left: below(2) === 0 }
      steps.push({ join })
      written.push({ join: { with: 'other', on: join.on, kind: join.left ? 'left' : 'inner', take: take.map(([column, as]) => ({ column, as })) } }) // prettier-ignore
      columns = [...columns, ...take.map(([name, as]) => ({ name: as, type: OTHER.find((column) => column.name === name)!.type }))]
    }
  }
  if (written.length === 0) return caseOf(random)
  return { written: { from: 'own', steps: written, to: { dataset: 'made' } }, steps, columns }
}

/** Cut anywhere: where a group ends must not matter. */
async function* groupsOf({ below }: Random, columns: readonly Column[], rows: readonly NaiveRow[]): AsyncGenerator<RowGroup> {
  for (let from = 0; from < rows.length;) {
    const cut = rows.slice(from, (from += 1 + below(7)))
    yield { rows: cut.length, columns: columns.map(({ name, type }) => columnOf(name, type, cut.map((row) => row[name]!))) } // prettier-ignore
  }
}

const facts = (name: string, columns: readonly Column[], subject: string | null): SourceFacts => ({ name, columns, masked: [], subject, sensitivity: 'internal', purposes: ['care'], legalBasis: 'contract', scan: null }) // prettier-ignore

describe(`transforms beside a naive evaluator (seed ${SEED})`, () => {
  it(
    `give the same rows in the same order, of ${CASES} random transforms of random tables (A9, property)`,
    { timeout: 60_000 },
    async () => {
      const seen = { rows: 0, beyond: 0, joined: 0 }
      for (let number = 0; number < CASES; number++) {
        const random = randomOf(SEED * 7_919 + number * 104_729)
        const [own, other] = [tableOf(random, OWN, 30), tableOf(random, OTHER, 12)]
        const { written, steps, columns } = caseOf(random)
        const definition = checkedTransform(JSON.parse(JSON.stringify(written)))
        const joins = steps.filter((step) => 'join' in step).length
        const plan = planOf(definition, [facts('own', OWN, 'who'), ...Array.from({ length: joins }, () => facts('other', OTHER, null))])
        expect([number, plan.columns.map(({ name, type }) => ({ name, type }))]).toEqual([number, columns])
        let expected: unknown = 'ERR_TRANSFORM_VALUE'
        try {
          expected = naively(own, steps, other).map((row) => columns.map(({ name }) => row[name]))
        } catch (thrown) {
          if (!(thrown instanceof BeyondBounds)) throw thrown
          seen.beyond++
        }
        const tally: StepTally[] = []
        let found: unknown = []
        try {
          const sources = [groupsOf(random, OWN, own), ...Array.from({ length: joins }, () => groupsOf(random, OTHER, other))]
          for await (const group of applySteps(plan, sources, tally))
            for (let row = 0; row < group.rows; row++)
              (found as unknown[]).push(group.columns.map(({ values }) => (Number.isNaN(values[row]) ? null : values[row])))
          seen.rows += (found as unknown[]).length
          seen.joined += joins
          expect([number, tally.at(-1)?.rowsOut ?? 0]).toEqual([number, (found as unknown[]).length])
        } catch (thrown) {
          if (!(thrown instanceof RedoubtError)) throw thrown
          found = thrown.code
        }
        expect([number, written, found]).toEqual([number, written, expected])
      }
      // Or it would compare nothing with nothing.
      expect(seen.rows).toBeGreaterThan(CASES)
      expect(seen.beyond).toBeGreaterThan(CASES / 500)
      expect(seen.joined).toBeGreaterThan(CASES / 10)
    },
  )
})
