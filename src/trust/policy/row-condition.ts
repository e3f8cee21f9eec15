import { createHash } from 'node:crypto'
import { canonicalJson, type JsonValue, type ReadColumn, RedoubtError, type RowCells, type RowCondition } from '#foundation/core'
import { exactDecimal } from './decimal.ts'
import { asBoolean, compileExpression, type Compiled, CONSTANT, type Expression, FAILURE, operatorOf } from './compile-expression.ts'
import { EvaluationFailure } from './evaluation-failure.ts'
import { EMPTY_RECORD, type Entity, type EntityStore, type Evaluation, NO_TAGS, type Tags } from './evaluation.ts'
import { writtenResidual } from './residual.ts'
import type { OpenDecision, OpenRule } from './open-decision.ts'
import { openOf, portableOf } from './portable-condition.ts'
import { isRowPath, operandsOf } from './row-reads.ts'
import { EntityValue, RecordValue, type Value } from './values.ts'

/**
 * The condition under which Cedar would allow the request with the row given, and no policy fail.
 * @throws {EvaluationFailure} when a policy names a column by what is known of no request: which it reads could not be said beforehand.
 */
export function rowConditionOf(open: OpenDecision, request: Evaluation): RowCondition {
  const written = (rules: readonly OpenRule[]): JsonValue =>
    rules.map(({ id, expression }) => [id, writtenResidual(expression) as JsonValue])
  const text = canonicalJson({ permitted: open.permitted, forbids: written(open.forbids), permits: written(open.permits) })
  const digest = createHash('sha256').update(text).digest('hex')
  return { ...conditionOn(open, request, digest), portable: portableOf(open, digest) }
}

/** As `rowConditionOf`, of what is known to be left. */
function conditionOn(open: OpenDecision, request: Evaluation, digest: string): RowCondition {
  const columns = new Map<string, ReadColumn>()
  for (const { expression } of [...open.forbids, ...open.permits]) collectColumns(expression, columns)
  const compiledOf = (rules: readonly OpenRule[]): readonly Compiled[] => rules.map(({ expression }) => compileExpression(expression))
  const [forbids, permits] = [compiledOf(open.forbids), compiledOf(open.permits)]
  const evaluation = new RowEvaluation(request)
  return {
    digest,
    columns: [...columns.values()],
    admits(row) {
      evaluation.row = row
      try {
        // All are asked, as Cedar asks all: one that cannot be evaluated leaves the row out even where another has decided.
        let [forbidden, permitted] = [false, open.permitted]
        for (const forbid of forbids) if (asBoolean(forbid(evaluation))) forbidden = true
        for (const permit of permits) if (asBoolean(permit(evaluation))) permitted = true
        return permitted && !forbidden
      } catch {
        // INVARIANT: whatever goes wrong, the row is not shown.
        return null
      }
    },
  }
}

/**
 * The condition that another thread made portable. What is left reads nothing but the row, so it needs no request.
 * @throws {RedoubtError} `ERR_INTERNAL` for what is no condition.
 */
export function revivedCondition(portable: unknown): RowCondition {
  const { digest, open } = openOf(portable)
  const nobody = new EntityValue('', '')
  const known = bare(nobody, EMPTY_RECORD, NO_TAGS)
  const entities = { find: (key: string) => (key === nobody.key ? known : undefined) }
  return conditionOn(open, { principal: nobody, action: nobody, resource: nobody, context: EMPTY_RECORD, entities }, digest)
}

function collectColumns(expression: Expression, columns: Map<string, ReadColumn>): void {
  const [name, operand] = operatorOf(expression)
  if (name === 'hasTag' || name === 'getTag') {
    const { left, right } = operand as { readonly left: Expression; readonly right: Expression }
    if (isRowPath(left)) {
      const column: unknown = right[CONSTANT] ?? right['Value']
      if (typeof column !== 'string') throw new EvaluationFailure('a column of a row is named by what another column holds')
      const type = (left['.'] as { readonly attr: ReadColumn['type'] }).attr
      columns.set(`${type} ${column}`, { name: column, type })
      return
    }
  }
  if (name === CONSTANT || name === FAILURE) return
  for (const [, part] of operandsOf(name, operand)) collectColumns(part as Expression, columns)
}

// One row at a time is looked at, so their entities need no ids of their own.
const ROW = new EntityValue('Row', '')
const TEXT = new EntityValue('TextColumns', '')
const INTEGER = new EntityValue('IntegerColumns', '')
const REAL = new EntityValue('RealColumns', '')
const NO_ANCESTORS: ReadonlySet<string> = new Set()
const bare = (uid: EntityValue, attributes: RecordValue, tags: Tags): Entity => ({ uid, attributes, tags, ancestors: NO_ANCESTORS })
const rowEntity = bare(
  ROW,
  new RecordValue(
    new Map<string, Value>([
      ['text', TEXT],
      ['integer', INTEGER],
      ['real', REAL],
    ]),
  ),
  NO_TAGS,
)

/** A request of which the row is known too. */
class RowEvaluation implements Evaluation, EntityStore {
  readonly principal: EntityValue
  readonly action: EntityValue
  readonly resource: EntityValue
  readonly context: RecordValue
  readonly entities: EntityStore
  row: RowCells = NO_CELLS
  readonly #known: EntityStore
  readonly #own: ReadonlyMap<string, Entity>

  constructor(request: Evaluation) {
    const resource = request.entities.find(request.resource.key)
    if (!resource) throw new RedoubtError('ERR_INTERNAL', 'a row is looked at without its data set')
    this.principal = request.principal
    this.action = request.action
    this.resource = request.resource
    this.context = request.context
    this.entities = this
    this.#known = request.entities
    const attributes = new RecordValue(new Map<string, Value>([...resource.attributes.fields, ['row', ROW]]))
    const tags = (read: (name: string) => Value | null): Tags => ({
      has: (name) => read(name) !== null,
      get: (name) => read(name) ?? undefined,
    })
    this.#own = new Map([
      [resource.uid.key, { ...resource, attributes }],
      [ROW.key, rowEntity],
      [
        TEXT.key,
        bare(
          TEXT,
          EMPTY_RECORD,
          tags((name) => this.row.text(name)),
        ),
      ],
      [
        INTEGER.key,
        bare(
          INTEGER,
          EMPTY_RECORD,
          tags((name) => this.row.integer(name)),
        ),
      ],
      [
        REAL.key,
        bare(REAL, EMPTY_RECORD, {
          has: (name) => this.row.real(name) !== null,
          get: (name) => {
            const value = this.row.real(name)
            return value === null ? undefined : exactDecimal(value)
          },
        }),
      ],
    ])
  }

  find(key: string): Entity | undefined {
    return this.#own.get(key) ?? this.#known.find(key)
  }
}

const NO_CELLS: RowCells = { text: () => null, integer: () => null, real: () => null }
