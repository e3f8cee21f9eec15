import type { Account } from '../service-account.ts'
import type { Principal } from '../authenticator.ts'

/**
 * A person as a service acts for them: the same person with those of their roles that the service may take over, as of now. Groups are
 * left out, because what a group may do is not the service's to take over.
 */
export function narrowed(principal: Principal, service: Account): Principal {
  const allowed: readonly string[] = service.mayActFor?.roles ?? []
  const parents = principal.facts.parents.filter(({ type, id }) => type === 'Role' && allowed.includes(id))
  return {
    ...principal,
    facts: { ...principal.facts, parents },
    roles: principal.roles.filter((role) => allowed.includes(role)),
    onBehalfBy: service.name,
  }
}
