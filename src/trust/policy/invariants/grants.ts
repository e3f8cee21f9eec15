import { setImmediate as nextTurn } from 'node:timers/promises'
import { DEFAULT_MAX_REQUESTS, type DecisionContext, ROLES, type Role } from '#foundation/core'
import type { PolicyEngine } from '../engine.ts'
import { abstractionOf, allKinds, holdsRole } from './abstraction.ts'
import type { VariableValue } from './reads.ts'
import { demandBound, forEachRequest } from './enumerate.ts'

/** What a role alone may do to which type, in some circumstances; written `action Type`. */
export type Grants = ReadonlyMap<Role, ReadonlySet<string>>

export const grantOf = (action: string, resourceType: string): string => `${action} ${resourceType}`

/**
 * What each role grants under these policies: an act is granted when some request of a service account with this role and no other
 * is allowed. Lets other work run between the groups of requests.
 * @throws {RedoubtError} `ERR_POLICY_ENUMERATION` when that cannot be decided for all requests.
 */
export async function grantsByRole(engine: PolicyEngine, profile: DecisionContext['profile']): Promise<Grants> {
  const { set } = engine
  const grants = new Map(ROLES.map((role) => [role, new Set<string>()]))
  const fixed = new Map<string, readonly VariableValue[]>([
    ['principal#parents', ROLES.map((role) => [`Role::${role}`])],
    ['context.profile', [profile]],
    // What only broken glass opens is nobody's to have.
    ['context.breakGlass', [false]],
  ])
  for (const kinds of allKinds(set.schema)) {
    if (kinds.principal !== 'ServiceAccount') continue
    await nextTurn()
    const group = abstractionOf(set, kinds, ROLES.map(holdsRole), fixed)
    demandBound([group], DEFAULT_MAX_REQUESTS)
    const grant = grantOf(kinds.action, kinds.resource)
    forEachRequest(
      group,
      set.schema,
      () => true,
      (query) => {
        const own = grants.get(query.principal.parents[0]?.id as Role)
        if (own && !own.has(grant) && engine.decideAlone(query).effect === 'allow') own.add(grant)
        return true
      },
    )
  }
  return grants
}
