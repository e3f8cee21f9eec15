import { ORDINARY_REQUEST, RedoubtError, type DecisionQuery, type RowCells } from '#foundation/core'
import { bundledSchema } from './bundled.ts'
import type { Cedar } from './cedar.ts'
import { Engine } from './engine.ts'
import { FILTER_VOCABULARY } from './obligations.ts'
import { randomSource } from './oracle-draws.ts'
import { quote } from './oracle-expressions.ts'
import { type LoadedRule, readRule } from './policy-set.ts'
import { revivedCondition } from './row-condition.ts'
import { readSchema } from './schema.ts'

/**
 * Compares what our residuals say of a row with what Cedar's own engine decides when it is given the row. Policies are written at
 * random, in part ill-typed, overflowing or reading what is absent, so that the error paths are walked too. Used by tests alone.
 */

export interface RowOracleReport {
  readonly pairs: number
  readonly outcomes: Readonly<Record<'yes' | 'no' | 'error', number>>
  /** Pairs in which the row decided: of one decision some rows are admitted and others not. */
  readonly byRow: number
  readonly mismatches: readonly string[]
}

const COLUMN_TYPES = ['text', 'integer', 'real'] as const
type ColumnType = (typeof COLUMN_TYPES)[number]

const POLICIES = 4
const REQUESTS_PER_SET = 3
const ROWS_PER_REQUEST = 10
const MAX_MISMATCHES = 5

const TEXTS: Readonly<Record<string, readonly (string | null)[]>> = {
  region: ['north', 'south', '', null],
  ward: ['a', 'credit-scoring', 'é😀', null],
  __proto__: ['north', null],
}
const INTEGERS: Readonly<Record<string, readonly (number | null)[]>> = {
  age: [0, 17, 18, 41, -1, Number.MAX_SAFE_INTEGER, null],
  visits: [0, 1, 2, null],
}
const REALS: Readonly<Record<string, readonly (number | null)[]>> = {
  income: [0.5, 18.25, -0.0001, 1000.1, 900_719_925_474.0991, null],
  score: [0.1, 0.3, null],
}
type Row = Readonly<Record<string, string | number | null>>

class RowPolicyWriter {
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)] as T
  }

  row(): Row {
    const columns = Object.entries({ ...TEXTS, ...INTEGERS, ...REALS, ['__proto__']: TEXTS['__proto__'] ?? [] })
    return Object.fromEntries(columns.map(([name, values]) => [name, this.pick<string | number | null>(values)]))
  }

  policy(): string {
    const effect = this.pick(['permit', 'permit', 'forbid'])
    const conditions = Array.from({ length: this.pick([1, 1, 2]) }, () => `${this.pick(['when', 'when', 'unless'])} { ${this.#test(3)} }`)
    return `${effect} (principal, action == Action::"view", resource is Dataset) ${conditions.join(' ')};`
  }

  #test(depth: number): string {
    const sub = (): string => this.#test(depth - 1)
    if (depth === 0 || this.#random() < 0.2) return this.#leaf()
    return this.pick([
      () => `(${sub()} && ${sub()})`,
      () => `(${sub()} || ${sub()})`,
      () => `!(${sub()})`,
      () => `(if ${sub()} then ${sub()} else ${sub()})`,
      () => this.#leaf(),
    ])()
  }

  #leaf(): string {
    // One test in so many is ill-typed, absent or unguarded: enough for the error paths, few enough that rows decide.
    if (this.#random() < 0.06) return this.#careless()
    return this.pick([
      () => this.#guarded('text'),
      () => this.#guarded('integer'),
      () => this.#guarded('real'),
      () => this.#guarded(this.pick(COLUMN_TYPES)),
      () => `resource.row.${this.pick(COLUMN_TYPES)}.hasTag(${this.#column(this.pick(COLUMN_TYPES))})`,
      () => this.#chosen(),
      () => `context.hour > ${this.pick([3, 20])}`,
      () => 'principal has mfaLevel',
      () => `resource.sensitivity >= ${this.pick([0, 2, 3])}`,
      () => this.pick(['true', 'false', '1 == 1']),
      () => `principal in Role::"${this.pick(['auditor', 'nobody'])}"`,
    ])()
  }

  /** What the row chooses of two constants, so that values of every kind are left beside it. */
  #chosen(): string {
    const [test, ask] = this.pick([
      ['context.sourceAddress else ip("2001:db8::1")', '.isInRange(ip("10.0.0.0/8"))'],
      ['ip("10.0.0.1/32") else context.sourceAddress', ' == ip("10.0.0.1")'],
      ['context.now else datetime("1969-12-31T23:59:59.999Z")', ' < datetime("2024-05-05T00:00:00+0100")'],
      ['context else {hour: 3}', '.hour > 3'],
      ['duration("1d2h") else duration("-3ms")', ' > duration("0ms")'],
      ['{a: decimal("0.5"), b: [1, 2]} else {a: decimal("-0.0001"), b: [2, 1, 1]}', '.a.lessThan(decimal("0.25"))'],
      ['Role::"auditor" else Role::"nobody"', ' == Role::"nobody"'],
    ] as const)
    return `(if ${this.#guarded(this.pick(COLUMN_TYPES))} then ${test})${ask}`
  }

  #careless(): string {
    return this.pick([
      () => this.#about('text'),
      () => this.#about('integer'),
      () => this.#about('real'),
      () => 'principal.mfaLevel >= 2',
      () => 'context.absent',
      () => '"text"',
      () => 'resource.row.text.getTag("region")',
      () => '(resource.row.text.hasTag("region") && resource.row.text.getTag("region") < 3)',
      () => '(resource.row.integer.hasTag("age") && resource.row.integer.getTag("age") * 9007199254740991 * 1024 > 5)',
    ])()
  }

  #guarded(type: ColumnType): string {
    const column = this.#column(type)
    return `(resource.row.${type}.hasTag(${column}) && ${this.#about(type, column)})`
  }

  #about(type: ColumnType, column = this.#column(type)): string {
    const value = `resource.row.${type}.getTag(${column})`
    if (type === 'text')
      return this.pick([
        `${value} == ${quote(this.pick(['north', 'a', '']))}`,
        `${value} == principal.purpose`,
        `${value} like "${this.pick(['n*', '*', '*th'])}"`,
        `["north", "a", context.purpose].contains(${value})`,
        `[${value}, context.purpose].containsAll(["north"])`,
        `{a: ${value}} == {a: "north"}`,
        `resource.purposes.contains(${value})`,
      ])
    if (type === 'real')
      return this.pick([
        `${value}.greaterThan(decimal("18.2499"))`,
        `${value}.lessThanOrEqual(decimal("0.1"))`,
        `${value} == decimal("0.3")`,
        `[decimal("-0.0001"), ${value}].contains(decimal("0.5"))`,
        `(if ${value}.lessThan(decimal("1000.1")) then resource.sensitivity else context.hour) == 3`,
        `${value} == 18`,
      ])
    return this.pick([
      `${value} >= 18`,
      `${value} + context.hour > 30`,
      `(-${value}) < 0`,
      `${value} == "18"`,
      `[0, 1, context.hour].contains(${value})`,
      `(if ${value} > 17 then resource.sensitivity else context.hour) == 3`,
    ])
  }

  #column(type: ColumnType): string {
    if (this.#random() < 0.05) return this.pick(['principal.purpose', 'context.purpose'])
    return quote(this.pick(Object.keys(type === 'text' ? { ...TEXTS, ['__proto__']: 0 } : type === 'real' ? REALS : INTEGERS)))
  }
}

function cells(row: Row): RowCells {
  const cell = (name: string): string | number | null => (Object.hasOwn(row, name) ? (row[name] ?? null) : null)
  const text = (name: string): string | null => (typeof cell(name) === 'string' ? (cell(name) as string) : null)
  const number = (names: object) => (name: string) => (Object.hasOwn(names, name) ? (cell(name) as number | null) : null)
  return { text, integer: number(INTEGERS), real: number(REALS) }
}

export function runRowOracle(cedar: Cedar, seed: number, pairs: number): RowOracleReport {
  const writer = new RowPolicyWriter(randomSource(seed))
  const schema = readSchema(cedar, bundledSchema())
  const outcomes = { yes: 0, no: 0, error: 0 }
  const mismatches: string[] = []
  let [done, byRow] = [0, 0]
  while (done < pairs && mismatches.length < MAX_MISMATCHES) {
    const texts = Array.from({ length: POLICIES }, () => writer.policy())
    const rules = new Map<string, LoadedRule>()
    texts.forEach((text, n) =>
      readRule({ cedar, schema, vocabulary: FILTER_VOCABULARY }, { file: 'rows.cedar', line: 1, text }, n + 1, rules),
    )
    const replace = (): Promise<never> => Promise.reject(new RedoubtError('ERR_INTERNAL'))
    const engine = new Engine({ set: { schema, rules: [...rules.values()], digest: '', warnings: [] }, shadow: null, replace })
    const setId = `rows-${seed}`
    const prepared = cedar.preparsePolicySet(setId, {
      staticPolicies: Object.fromEntries([...rules.values()].map(({ id, text }) => [id, text])),
    })
    if (prepared.type === 'failure') throw new Error(`Cedar does not parse ${texts.join('\n')}`)
    for (let request = 0; request < REQUESTS_PER_SET; request++) {
      const query = queryOf(writer)
      const decision = engine.decide(query)
      // As a thread has it that reads rows elsewhere: it must say the same.
      const elsewhere = !decision.rows ? null : revivedCondition(structuredClone(decision.rows.portable))
      const seen = new Set<string>()
      for (let n = 0; n < ROWS_PER_REQUEST && done < pairs; n++, done++) {
        const row = writer.row()
        const ours = decision.rows
          ? ({ true: 'yes', false: 'no', null: 'error' } as const)[String(decision.rows.admits(cells(row))) as 'true' | 'false' | 'null']
          : decision.effect === 'allow'
            ? 'yes'
            : decision.code === 'ERR_POLICY_ERROR'
              ? 'error'
              : 'no'
        if (elsewhere !== null && decision.rows && elsewhere.admits(cells(row)) !== decision.rows.admits(cells(row)))
          mismatches.push(
            `another thread says ${elsewhere.admits(cells(row))}, ours ${ours}\n${texts.join('\n')}\n${JSON.stringify({ row, query })}`,
          )
        outcomes[ours]++
        seen.add(ours)
        const theirs = askCedar(cedar, setId, query, row)
        // Where all rows are denied, whether a policy would fail for one of them is not asked any more.
        const denied = ours === 'no' && !decision.rows && theirs === 'error'
        if (ours !== theirs && !denied && mismatches.length < MAX_MISMATCHES)
          mismatches.push(`ours ${ours}, Cedar's ${theirs}\n${texts.join('\n')}\n${JSON.stringify({ row, query })}`)
      }
      if (seen.size > 1) byRow += ROWS_PER_REQUEST
    }
  }
  return { pairs: done, outcomes, byRow, mismatches }
}

function queryOf(writer: RowPolicyWriter): DecisionQuery {
  const mfa = writer.pick([{}, { mfaLevel: 1 }, { mfaLevel: 2 }])
  return {
    principal: {
      type: 'User',
      id: 'u',
      attributes: { purpose: writer.pick(['credit-scoring', 'north', 'region']), legalBasis: 'contract', ...mfa },
      parents: writer.pick([[], [{ type: 'Role', id: 'auditor' }]]),
    },
    action: 'view',
    resource: {
      type: 'Dataset',
      id: 'd',
      attributes: { sensitivity: writer.pick([0, 3]), purposes: ['credit-scoring', 'a'], legalBases: ['contract'] },
      parents: [],
    },
    context: {
      now: 1_795_000_000_000,
      hour: writer.pick([0, 14, 23]),
      weekday: 3,
      purpose: writer.pick(['credit-scoring', 'north', 'ward']),
      legalBasis: 'contract',
      sourceAddress: '10.0.0.1',
      profile: 'production',
      mfaLevel: 2,
      risk: 0,
      ...ORDINARY_REQUEST,
    },
  }
}

type Call = Parameters<Cedar['statefulIsAuthorized']>[0]

function askCedar(cedar: Cedar, preparsedPolicySetId: string, query: DecisionQuery, row: Row): 'yes' | 'no' | 'error' {
  const { principal, resource, context } = query
  const tags = (names: object, write: (value: string | number) => unknown = (value) => value): object =>
    Object.fromEntries(
      Object.entries(row).flatMap(([name, value]) => (Object.hasOwn(names, name) && value !== null ? [[name, write(value)]] : [])),
    )
  const decimal = (value: string | number): unknown => ({ __extn: { fn: 'decimal', arg: Number(value).toFixed(4) } })
  const entity = (type: string): { type: string; id: string } => ({ type, id: 'r' })
  const bare = (type: string, attrs: object, tagged: object): object => ({ uid: entity(type), attrs, tags: tagged, parents: [] })
  const { now, sourceAddress, ...rest } = context
  const answer = cedar.statefulIsAuthorized({
    principal: { type: principal.type, id: principal.id },
    action: { type: 'Action', id: query.action },
    resource: { type: resource.type, id: resource.id },
    context: {
      ...rest,
      now: { __extn: { fn: 'datetime', arg: new Date(now).toISOString() } },
      sourceAddress: { __extn: { fn: 'ip', arg: sourceAddress } },
    },
    preparsedPolicySetId,
    entities: [
      { uid: { type: principal.type, id: principal.id }, attrs: principal.attributes, parents: principal.parents },
      { uid: { type: resource.type, id: resource.id }, attrs: { ...resource.attributes, row: { __entity: entity('Row') } }, parents: [] },
      bare(
        'Row',
        {
          text: { __entity: entity('TextColumns') },
          integer: { __entity: entity('IntegerColumns') },
          real: { __entity: entity('RealColumns') },
        },
        {},
      ),
      bare('TextColumns', {}, tags({ ...TEXTS, ['__proto__']: 0 })),
      bare('IntegerColumns', {}, tags(INTEGERS)),
      bare('RealColumns', {}, tags(REALS, decimal)),
    ] as unknown as Call['entities'],
  })
  if (answer.type === 'failure') throw new Error(answer.errors[0]?.message)
  const { decision, diagnostics } = answer.response
  if (diagnostics.errors.length > 0) return 'error'
  return decision === 'allow' ? 'yes' : 'no'
}
