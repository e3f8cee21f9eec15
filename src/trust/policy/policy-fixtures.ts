import { ORDINARY_REQUEST } from '#foundation/core'
import type { DecisionContext, DecisionQuery, EntityFacts, EntityUid } from '#foundation/core'

/** Well-formed queries for the room's tests; each test changes the one thing that it is about. */

export const role = (id: string): EntityUid => ({ type: 'Role', id })

export function account(roleName: string | null, facts: Partial<EntityFacts> = {}): EntityFacts {
  return {
    type: 'ServiceAccount',
    id: `an-${roleName ?? 'account'}`,
    attributes: { purpose: 'credit-scoring', legalBasis: 'contract' },
    parents: roleName === null ? [] : [role(roleName)],
    ...facts,
  }
}

export const model: EntityFacts = {
  type: 'Model',
  id: 'credit',
  attributes: { sensitivity: 3, purposes: ['credit-scoring'], signed: true, quarantined: false, foreign: false },
  parents: [],
}
export const dataset: EntityFacts = {
  type: 'Dataset',
  id: 'adult',
  attributes: { sensitivity: 3, purposes: ['credit-scoring'], legalBases: ['contract'] },
  parents: [],
}
export const endpoint: EntityFacts = {
  type: 'Endpoint',
  id: 'assistant',
  attributes: { sensitivity: 1, purposes: ['credit-scoring'], sandbox: true, upstream: 'inside', vendor: '', region: '', agreement: false },
  parents: [],
}
export const pipeline: EntityFacts = {
  type: 'Pipeline',
  id: 'one',
  attributes: { author: 'User::someone', sensitivity: 3, builtIn: false },
  parents: [],
}
export const transform: EntityFacts = {
  type: 'Transform',
  id: 'one',
  attributes: { author: 'User::someone', sensitivity: 3 },
  parents: [],
}
export const bare = (type: string, id = 'one'): EntityFacts => ({ type, id, attributes: {}, parents: [] })

export const context: DecisionContext = {
  now: Date.UTC(2026, 10, 25, 14, 30),
  hour: 14,
  weekday: 3,
  purpose: 'credit-scoring',
  legalBasis: 'contract',
  sourceAddress: '10.1.2.3',
  profile: 'production',
  mfaLevel: 0,
  risk: 0,
  ...ORDINARY_REQUEST,
}

export function query(
  change: Partial<Omit<DecisionQuery, 'context'>> & { readonly context?: Partial<DecisionContext> } = {},
): DecisionQuery {
  return { principal: account('application'), action: 'invoke', resource: model, ...change, context: { ...context, ...change.context } }
}

/** Attributes of an entity, changed. */
export function withAttributes(facts: EntityFacts, attributes: EntityFacts['attributes']): EntityFacts {
  return { ...facts, attributes: { ...facts.attributes, ...attributes } }
}
