import { type FactValue, RedoubtError, type TaggedFact } from '#foundation/core'
import type { Cedar } from './cedar.ts'
import { DateTime } from './datetime.ts'
import { parseDecimal } from './decimal.ts'
import { EMPTY_RECORD, type Entity, NO_TAGS } from './evaluation.ts'
import { parseIpAddress } from './ip-address.ts'
import { entityKey, EntityValue, RecordValue, SetValue, type Value } from './values.ts'

/** Converts a fact to a Cedar value of one type. @returns undefined when the fact is not of that type. */
type Converter = (fact: unknown) => Value | undefined

export interface EntityType {
  readonly attributes: ReadonlyMap<string, { readonly convert: Converter; readonly required: boolean }>
  readonly parents: ReadonlySet<string>
}

export interface ActionType {
  readonly entity: Entity
  readonly principals: ReadonlySet<string>
  readonly resources: ReadonlySet<string>
}

/** The schema in the form that requests are checked against. */
export interface PolicySchema {
  readonly text: string
  readonly entityTypes: ReadonlyMap<string, EntityType>
  readonly actions: ReadonlyMap<string, ActionType>
  /** Actions and action groups by key. */
  readonly actionEntities: ReadonlyMap<string, Entity>
}

interface TypeJson {
  readonly type: string
  readonly element?: TypeJson
  readonly name?: string
  readonly attributes?: Readonly<Record<string, TypeJson & { readonly required?: boolean }>>
}
interface ActionJson {
  readonly memberOf?: readonly { readonly id: string }[]
  readonly appliesTo?: { readonly principalTypes: readonly string[]; readonly resourceTypes: readonly string[] }
}
interface NamespaceJson {
  readonly entityTypes: Readonly<Record<string, { readonly memberOfTypes?: readonly string[]; readonly shape?: TypeJson }>>
  readonly actions: Readonly<Record<string, ActionJson>>
}

/** @throws {RedoubtError} `ERR_POLICY_INVALID` if Cedar refuses the schema or it uses a type that facts cannot carry. */
export function readSchema(cedar: Cedar, text: string): PolicySchema {
  const answer = cedar.schemaToJsonWithResolvedTypes(text)
  if (answer.type === 'failure') throw new RedoubtError('ERR_POLICY_INVALID', `the schema is not valid: ${answer.errors[0]?.message ?? ''}`)
  const namespace = (answer.json as Readonly<Record<string, unknown>>)['']
  if (namespace === undefined) throw new RedoubtError('ERR_POLICY_INVALID', 'the schema has no types outside a namespace')
  const { entityTypes, actions } = namespace as NamespaceJson
  const types = Object.entries(entityTypes).map(([name, json]): [string, EntityType] => [
    name,
    { attributes: attributesOf(json.shape), parents: new Set(json.memberOfTypes) },
  ])
  const entities = Object.keys(actions).map((id): Entity => {
    const uid = new EntityValue('Action', id)
    return { uid, attributes: EMPTY_RECORD, tags: NO_TAGS, ancestors: actionAncestors(actions, id, new Set()) }
  })
  return {
    text,
    entityTypes: new Map(types),
    actionEntities: new Map(entities.map((entity) => [entity.uid.key, entity])),
    actions: new Map(
      entities.map((entity) => {
        const { principalTypes = [], resourceTypes = [] } = actions[entity.uid.id]?.appliesTo ?? {}
        return [entity.uid.id, { entity, principals: new Set(principalTypes), resources: new Set(resourceTypes) }]
      }),
    ),
  }
}

/** The hierarchy is closed once, here, so that `action in Action::"group"` asks a set. Cedar has refused cycles already. */
function actionAncestors(actions: NamespaceJson['actions'], id: string, found: Set<string>): Set<string> {
  for (const { id: parent } of actions[id]?.memberOf ?? []) {
    found.add(entityKey('Action', parent))
    actionAncestors(actions, parent, found)
  }
  return found
}

function attributesOf(shape: TypeJson | undefined): EntityType['attributes'] {
  return new Map(
    Object.entries(shape?.attributes ?? {}).map(([name, type]) => [
      name,
      // A reference (to a row) is never a fact of a request: a caller that gives one is refused.
      type.type === 'Entity'
        ? { convert: () => undefined, required: false }
        : { convert: converterOf(type), required: type.required !== false },
    ]),
  )
}

function tagged(kind: TaggedFact['__fact'], convert: (value: unknown) => Value | undefined): Converter {
  return (fact) => {
    if (typeof fact !== 'object' || fact === null || !Object.hasOwn(fact, '__fact')) return undefined
    const { __fact, value } = fact as { readonly __fact: unknown; readonly value: unknown }
    return __fact === kind ? convert(value) : undefined
  }
}

const SCALARS: Readonly<Record<string, Converter>> = {
  String: (fact) => (typeof fact === 'string' && fact.isWellFormed() ? fact : undefined),
  Long: (fact) => (Number.isSafeInteger(fact) ? (fact as number) + 0 : undefined),
  Bool: (fact) => (typeof fact === 'boolean' ? fact : undefined),
  datetime: tagged('datetime', (value) => (Number.isSafeInteger(value) ? new DateTime(value as number) : undefined)),
  ipaddr: tagged('ipaddr', (value) => (typeof value === 'string' ? parseIpAddress(value) : undefined)),
  decimal: tagged('decimal', (value) => (typeof value === 'string' ? parseDecimal(value) : undefined)),
}

function converterOf(type: TypeJson): Converter {
  const scalar = Object.hasOwn(SCALARS, type.type) ? SCALARS[type.type] : undefined
  if (scalar) return scalar
  if (type.type === 'Set' && type.element) {
    const element = converterOf(type.element)
    return (fact) => {
      if (!Array.isArray(fact)) return undefined
      const values: Value[] = []
      for (const item of fact as readonly unknown[]) {
        const value = element(item)
        if (value === undefined) return undefined
        values.push(value)
      }
      return new SetValue(values)
    }
  }
  if (type.type === 'Record') {
    const attributes = attributesOf(type)
    return (fact) =>
      typeof fact === 'object' && fact !== null && !Array.isArray(fact) && !Object.hasOwn(fact, '__fact')
        ? convertAttributes(fact as Readonly<Record<string, FactValue>>, attributes)
        : undefined
  }
  throw new RedoubtError('ERR_POLICY_INVALID', `the schema uses the type \`${type.type}\`, which facts cannot carry`)
}

/** @returns undefined when an attribute is missing, mistyped or not in the schema. */
export function convertAttributes(
  facts: Readonly<Record<string, FactValue>>,
  attributes: EntityType['attributes'],
): RecordValue | undefined {
  const fields = new Map<string, Value>()
  for (const name of Object.keys(facts)) {
    const value = attributes.get(name)?.convert(facts[name])
    if (value === undefined) return undefined
    fields.set(name, value)
  }
  for (const [name, { required }] of attributes) if (required && !fields.has(name)) return undefined
  return new RecordValue(fields)
}
