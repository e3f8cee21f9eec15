import type { Action, DecisionContext, DecisionQuery, EntityFacts, EntityUid, FactValue } from '#foundation/core'
import { ORDINARY_REQUEST, RedoubtError } from '#foundation/core'
import type { Entity } from '../evaluation.ts'
import { ContextConverter, convertEntity, PolicyRequest } from '../request.ts'
import type { PolicySchema } from '../schema.ts'
import type { RecordValue } from '../values.ts'
import type { Assignment } from './reads.ts'
import type { Kinds } from './simplify.ts'

/** Values of what no policy of the group reads: any would do. */
const CONTEXT: DecisionContext = {
  now: Date.UTC(2026, 0, 5, 12),
  hour: 12,
  weekday: 1,
  purpose: 'some-purpose',
  legalBasis: 'contract',
  sourceAddress: '192.0.2.1',
  profile: 'production',
  mfaLevel: 2,
  risk: 0,
  ...ORDINARY_REQUEST,
}
const ATTRIBUTES: Readonly<Record<string, FactValue>> = {
  purpose: 'some-purpose',
  legalBasis: 'contract',
  sensitivity: 1,
  purposes: ['some-purpose'],
  legalBases: ['contract'],
  signed: true,
  quarantined: false,
  foreign: false,
  sandbox: false,
  author: 'User::someone-else',
  builtIn: false,
  upstream: 'some-upstream',
  vendor: 'some-vendor',
  region: 'some-region',
  agreement: true,
}

/** The part of a request that a variable belongs to. */
export type Part = 'principal' | 'resource' | 'context'
export const partOf = (variable: string): Part => /^[a-z]+/.exec(variable)?.[0] as Part

export function contextOf(assignment: Assignment): DecisionContext {
  return { ...CONTEXT, ...attributesOf('context', assignment) }
}

/** An entity of the schema: what is assigned, and for what is required beside it any value. */
export function entityOf(part: 'principal' | 'resource', kinds: Kinds, assignment: Assignment, schema: PolicySchema): EntityFacts {
  const required = [...(schema.entityTypes.get(kinds[part])?.attributes ?? [])].filter(([, attribute]) => attribute.required)
  const base = Object.fromEntries(required.map(([name]) => [name, ATTRIBUTES[name] ?? '']))
  const parents = (assignment.get(`${part}#parents`) ?? []) as readonly string[]
  return {
    type: kinds[part],
    id: (assignment.get(`${part}#id`) ?? 'any') as string,
    attributes: { ...base, ...attributesOf(part, assignment) },
    parents: parents.map(uidOf),
  }
}

function uidOf(text: string): EntityUid {
  const cut = text.indexOf('::')
  return { type: text.slice(0, cut), id: text.slice(cut + 2) }
}

function attributesOf(part: Part, assignment: Assignment): Readonly<Record<string, FactValue>> {
  const own = [...assignment].filter(([variable, value]) => variable.startsWith(`${part}.`) && value !== null)
  return Object.fromEntries(own.map(([variable, value]) => [variable.slice(part.length + 1), value as FactValue]))
}

export function queryOf(kinds: Kinds, assignment: Assignment, schema: PolicySchema): DecisionQuery {
  return {
    principal: entityOf('principal', kinds, assignment, schema),
    action: kinds.action as Action,
    resource: entityOf('resource', kinds, assignment, schema),
    context: contextOf(assignment),
  }
}

/** Makes requests for evaluation, converting anew only the parts that change. */
export class RequestMaker {
  readonly #kinds: Kinds
  readonly #schema: PolicySchema
  readonly #converter = new ContextConverter()
  readonly #base: { readonly principal: Entity; readonly resource: Entity; readonly context: RecordValue }

  constructor(kinds: Kinds, schema: PolicySchema) {
    this.#kinds = kinds
    this.#schema = schema
    const nothing: Assignment = new Map()
    this.#base = {
      principal: this.#entity('principal', nothing),
      resource: this.#entity('resource', nothing),
      context: this.#context(nothing),
    }
  }

  make(assignment: Assignment, parts: ReadonlySet<Part>): PolicyRequest {
    const action = this.#schema.actions.get(this.#kinds.action)?.entity
    if (!action) throw unfit()
    return new PolicyRequest(
      parts.has('principal') ? this.#entity('principal', assignment) : this.#base.principal,
      action,
      parts.has('resource') ? this.#entity('resource', assignment) : this.#base.resource,
      parts.has('context') ? this.#context(assignment) : this.#base.context,
      this.#schema.actionEntities,
    )
  }

  #entity(part: 'principal' | 'resource', assignment: Assignment): Entity {
    const entity = convertEntity(entityOf(part, this.#kinds, assignment, this.#schema), this.#schema)
    if (!entity) throw unfit()
    return entity
  }

  #context(assignment: Assignment): RecordValue {
    const context = this.#converter.convert(contextOf(assignment))
    if (!context) throw unfit()
    return context
  }
}

const unfit = (): RedoubtError => new RedoubtError('ERR_INTERNAL', 'an enumerated request does not fit the schema')
