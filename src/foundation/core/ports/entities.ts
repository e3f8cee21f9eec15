/** A Cedar entity uid. Type and id are kept apart on purpose: `Type::id` strings can be confused. */
export interface EntityUid {
  readonly type: string
  readonly id: string
}

/** A Cedar value: `number` is a Long and must be a safe integer. */
export type FactValue = string | number | boolean | readonly FactValue[] | { readonly [name: string]: FactValue } | TaggedFact
/** `datetime`: epoch milliseconds; `ipaddr`, `decimal`: Cedar's own text; `entity`: a reference. */
export type TaggedFact =
  | { readonly __fact: 'datetime'; readonly value: number }
  | { readonly __fact: 'ipaddr' | 'decimal'; readonly value: string }
  | { readonly __fact: 'entity'; readonly value: EntityUid }

/** What the policies may know of an entity. Immutable: an engine may cache by object identity, so change means a new object. */
export interface EntityFacts extends EntityUid {
  readonly attributes: Readonly<Record<string, FactValue>>
  /**
   * All that it is in: the closure. Policies see only principal, resource and actions, so a person in a group names the group and
   * each role that the group has; the role of a group that is not named beside it is not held.
   */
  readonly parents: readonly EntityUid[]
  /** Of a data set: those that its rows came of, each with its own. Policies are asked for each of them. */
  readonly madeOf?: readonly EntityFacts[]
}

export const ACTIONS = [
  'invoke',
  'view',
  'trainOn',
  'import',
  'export',
  'erase',
  'register',
  'deploy',
  'editPipeline',
  'useKey',
  'rotateKey',
  'readAudit',
  'manageAccess',
  'administer',
  'respond',
  'viewMasked',
  'query',
  'runPipeline',
  'approve',
  'rollback',
  'explain',
  'destroyKey',
  'exportAudit',
  'review',
  'hold',
  'appendRows',
  'editTransform',
  'runTransform',
  'transform',
  'cancelTransform',
] as const
export type Action = (typeof ACTIONS)[number]

export const ROLES = [
  'data-scientist',
  'ml-engineer',
  'deployer',
  'business-user',
  'application',
  'auditor',
  'security-officer',
  'privacy-officer',
  'administrator',
  'bootstrap',
] as const
export type Role = (typeof ROLES)[number]

export const SENSITIVITIES = ['public', 'internal', 'confidential', 'restricted'] as const
export type Sensitivity = (typeof SENSITIVITIES)[number]
export const isMoreSensitive = (left: Sensitivity, right: Sensitivity): boolean =>
  SENSITIVITIES.indexOf(left) > SENSITIVITIES.indexOf(right)

/** GDPR art. 9(1). */
export const SPECIAL_CATEGORIES = [
  'health',
  'religion',
  'ethnicity',
  'politics',
  'trade-union',
  'sex-life',
  'biometric',
  'genetic',
] as const
export type SpecialCategory = (typeof SPECIAL_CATEGORIES)[number]

/** GDPR art. 6(1)(a) to (f). */
export const LEGAL_BASES = ['consent', 'contract', 'legal-obligation', 'vital-interests', 'public-task', 'legitimate-interests'] as const
export type LegalBasis = (typeof LEGAL_BASES)[number]
