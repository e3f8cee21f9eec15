import type { DecisionContext, EntityFacts } from '#foundation/core'
import { DateTime } from './datetime.ts'
import { type Entity, type EntityStore, type Evaluation, NO_TAGS } from './evaluation.ts'
import { type IpAddress, parseIpAddress } from './ip-address.ts'
import { convertAttributes, type PolicySchema } from './schema.ts'
import { entityKey, EntityValue, RecordValue, type Value } from './values.ts'

const MAX_ID_LENGTH = 1024
const MAX_PARENTS = 256
// Ten thousand callers' addresses; beyond them the text is parsed anew.
const MAX_ADDRESSES = 10_000
// 9999-12-31, the last day of the datetime literals; no request is older than the epoch.
const MAX_NOW = 253_402_300_799_999

/** @returns null when the facts do not fit the schema: unknown type, missing, mistyped or unknown attribute, parent of a wrong type. */
export function convertEntity(facts: EntityFacts, schema: PolicySchema): Entity | null {
  const type = schema.entityTypes.get(facts.type)
  if (!type || !isId(facts.id) || facts.parents.length > MAX_PARENTS) return null
  const attributes = convertAttributes(facts.attributes, type.attributes)
  if (!attributes) return null
  const ancestors = new Set<string>()
  for (const parent of facts.parents) {
    if (!type.parents.has(parent.type) || !isId(parent.id)) return null
    ancestors.add(entityKey(parent.type, parent.id))
  }
  return { uid: new EntityValue(facts.type, facts.id), attributes, tags: NO_TAGS, ancestors }
}

function isId(id: unknown): boolean {
  return typeof id === 'string' && id.length <= MAX_ID_LENGTH && id.isWellFormed()
}

/**
 * Converts contexts, keeping parsed addresses. One per engine. Every field is checked; those that no policy reads are then left out,
 * which no policy can tell.
 */
export class ContextConverter {
  readonly #addresses = new Map<string, IpAddress>()
  readonly #read: ReadonlySet<string>

  /** @param read names of the fields that are read. */
  constructor(read: ReadonlySet<string> = CONTEXT_FIELDS) {
    this.#read = read
  }

  /** @returns null when a field is missing, mistyped or unknown. @throws {EvaluationFailure} for an address Cedar refuses. */
  convert(context: DecisionContext): RecordValue | null {
    let count = 0
    for (const name in context) {
      if (!CONTEXT_FIELDS.has(name)) return null
      count++
    }
    const { now, hour, weekday, purpose, legalBasis, sourceAddress, profile, mfaLevel, risk } = context
    const { workingHours, network, country, firstSeenNetwork, firstSeenDevice } = context
    const { mfaAge, tokenBinding, onBehalfBy, approvals, breakGlass } = context
    if (
      count !== CONTEXT_FIELDS.size ||
      !Number.isSafeInteger(now) ||
      now < 0 ||
      now > MAX_NOW ||
      !Number.isSafeInteger(hour) ||
      !Number.isSafeInteger(weekday) ||
      !Number.isSafeInteger(mfaLevel) ||
      !Number.isSafeInteger(risk) ||
      !Number.isSafeInteger(mfaAge) ||
      !Number.isSafeInteger(approvals) ||
      typeof workingHours !== 'boolean' ||
      typeof firstSeenNetwork !== 'boolean' ||
      typeof firstSeenDevice !== 'boolean' ||
      typeof breakGlass !== 'boolean' ||
      typeof network !== 'string' ||
      typeof country !== 'string' ||
      typeof tokenBinding !== 'string' ||
      typeof onBehalfBy !== 'string' ||
      !network.isWellFormed() ||
      !country.isWellFormed() ||
      !tokenBinding.isWellFormed() ||
      !onBehalfBy.isWellFormed() ||
      typeof purpose !== 'string' ||
      typeof legalBasis !== 'string' ||
      typeof profile !== 'string' ||
      typeof sourceAddress !== 'string' ||
      !purpose.isWellFormed() ||
      !legalBasis.isWellFormed() ||
      !profile.isWellFormed()
    ) {
      return null
    }
    const fields = new Map<string, Value>()
    const read = this.#read
    // Parsed although no policy may read it: an address that Cedar refuses is no request.
    const address = this.#address(sourceAddress)
    if (read.has('now')) fields.set('now', new DateTime(now + 0))
    if (read.has('hour')) fields.set('hour', hour + 0)
    if (read.has('weekday')) fields.set('weekday', weekday + 0)
    if (read.has('purpose')) fields.set('purpose', purpose)
    if (read.has('legalBasis')) fields.set('legalBasis', legalBasis)
    if (read.has('sourceAddress')) fields.set('sourceAddress', address)
    if (read.has('profile')) fields.set('profile', profile)
    if (read.has('mfaLevel')) fields.set('mfaLevel', mfaLevel + 0)
    if (read.has('risk')) fields.set('risk', risk + 0)
    if (read.has('workingHours')) fields.set('workingHours', workingHours)
    if (read.has('network')) fields.set('network', network)
    if (read.has('country')) fields.set('country', country)
    if (read.has('firstSeenNetwork')) fields.set('firstSeenNetwork', firstSeenNetwork)
    if (read.has('firstSeenDevice')) fields.set('firstSeenDevice', firstSeenDevice)
    if (read.has('mfaAge')) fields.set('mfaAge', mfaAge + 0)
    if (read.has('tokenBinding')) fields.set('tokenBinding', tokenBinding)
    if (read.has('onBehalfBy')) fields.set('onBehalfBy', onBehalfBy)
    if (read.has('approvals')) fields.set('approvals', approvals + 0)
    if (read.has('breakGlass')) fields.set('breakGlass', breakGlass)
    return new RecordValue(fields)
  }

  #address(text: string): IpAddress {
    const known = this.#addresses.get(text)
    if (known) return known
    const address = parseIpAddress(text)
    if (this.#addresses.size >= MAX_ADDRESSES) this.#addresses.clear()
    this.#addresses.set(text, address)
    return address
  }
}

/** A test asks that these are the context's attributes in the schema. */
export const CONTEXT_FIELDS: ReadonlySet<string> = new Set([
  'now',
  'hour',
  'weekday',
  'purpose',
  'legalBasis',
  'sourceAddress',
  'profile',
  'mfaLevel',
  'risk',
  'workingHours',
  'network',
  'country',
  'firstSeenNetwork',
  'firstSeenDevice',
  'mfaAge',
  'tokenBinding',
  'onBehalfBy',
  'approvals',
  'breakGlass',
])

/** A request in which exactly the principal, the resource and the actions are known. */
export class PolicyRequest implements Evaluation, EntityStore {
  readonly principal: EntityValue
  readonly action: EntityValue
  readonly resource: EntityValue
  readonly context: RecordValue
  readonly entities: EntityStore
  readonly #principal: Entity
  readonly #resource: Entity
  readonly #actions: ReadonlyMap<string, Entity>

  constructor(principal: Entity, action: Entity, resource: Entity, context: RecordValue, actions: ReadonlyMap<string, Entity>) {
    this.principal = principal.uid
    this.action = action.uid
    this.resource = resource.uid
    this.context = context
    this.entities = this
    this.#principal = principal
    this.#resource = resource
    this.#actions = actions
  }

  find(key: string): Entity | undefined {
    if (key === this.principal.key) return this.#principal
    if (key === this.resource.key) return this.#resource
    return this.#actions.get(key)
  }
}
