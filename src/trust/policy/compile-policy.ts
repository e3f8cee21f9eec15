import { RedoubtError } from '#foundation/core'
import { asBoolean, compileExpression, type Compiled, type Expression } from './compile-expression.ts'
import type { Entity, Evaluation } from './evaluation.ts'
import { entityKey } from './values.ts'

/** Cedar's JSON form of a static policy, as `policyToJson` gives it. */
export interface PolicyJson {
  readonly effect: string
  readonly principal: ScopeJson
  readonly action: ScopeJson
  readonly resource: ScopeJson
  readonly conditions: readonly { readonly kind: string; readonly body: Expression }[]
  readonly annotations?: Readonly<Record<string, string | null>>
}

export interface UidJson {
  readonly type: string
  readonly id: string
}

export interface ScopeJson {
  readonly op: string
  readonly entity?: UidJson | { readonly __entity: UidJson }
  readonly entities?: readonly (UidJson | { readonly __entity: UidJson })[]
  readonly entity_type?: string
  readonly in?: { readonly entity?: UidJson | { readonly __entity: UidJson } }
}

/** Whether an entity lies in a scope; never fails, and depends on the entity's facts alone. */
export type ScopeTest = (type: string, key: string, entity: Entity | undefined) => boolean

export interface Condition {
  readonly kind: 'when' | 'unless'
  readonly body: Expression
  readonly run: Compiled
}

export interface Rule {
  readonly id: string
  readonly effect: 'permit' | 'forbid'
  readonly principal: ScopeTest
  readonly action: ScopeTest
  readonly resource: ScopeTest
  readonly conditions: readonly Condition[]
  readonly json: PolicyJson
}

/** @throws {RedoubtError} `ERR_POLICY_INVALID` for a template or anything that the compiler does not know. */
export function compilePolicy(id: string, json: PolicyJson): Rule {
  if (json.effect !== 'permit' && json.effect !== 'forbid') throw new RedoubtError('ERR_POLICY_INVALID', 'a policy has an unknown effect')
  return {
    id,
    effect: json.effect,
    principal: compileScope(json.principal),
    action: compileScope(json.action),
    resource: compileScope(json.resource),
    conditions: json.conditions.map(({ kind, body }) => {
      if (kind !== 'when' && kind !== 'unless') throw new RedoubtError('ERR_POLICY_INVALID', 'a policy has an unknown kind of condition')
      return { kind, body, run: compileExpression(body) }
    }),
    json,
  }
}

/** Whether all conditions hold. @throws {EvaluationFailure} as soon as one cannot be evaluated; those after a false one are not asked. */
export function conditionsHold(rule: Rule, request: Evaluation): boolean {
  for (const { kind, run } of rule.conditions) {
    if (asBoolean(run(request)) !== (kind === 'when')) return false
  }
  return true
}

export function compileScope(scope: ScopeJson): ScopeTest {
  switch (scope.op) {
    case 'All':
      return () => true
    case '==': {
      const target = keyOf(scope.entity)
      return (_type, key) => key === target
    }
    case 'in':
      return under((scope.entities ?? [scope.entity]).map(keyOf))
    case 'is': {
      const wanted = scope.entity_type
      if (wanted === undefined) break
      if (scope.in === undefined) return (type) => type === wanted
      const inside = under([keyOf(scope.in.entity)])
      return (type, key, entity) => type === wanted && inside(type, key, entity)
    }
    default:
  }
  throw new RedoubtError('ERR_POLICY_INVALID', 'a policy has a scope that is not understood')
}

function under(targets: readonly string[]): ScopeTest {
  return (_type, key, entity) => targets.some((target) => key === target || (entity?.ancestors.has(target) ?? false))
}

/** A slot instead of an entity marks a template: those are refused, for nothing here links them. */
function keyOf(entity: UidJson | { readonly __entity: UidJson } | undefined): string {
  const uid = entity && '__entity' in entity ? entity.__entity : entity
  if (typeof uid?.type !== 'string' || typeof uid.id !== 'string')
    throw new RedoubtError('ERR_POLICY_INVALID', 'templates are not accepted')
  return entityKey(uid.type, uid.id)
}
