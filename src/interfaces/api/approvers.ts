import type { EntityFacts, EntityUid } from '#foundation/core'
import type { Approvers, ReviewedAccounts } from '#governance/approvals'
import type { Independence } from '#governance/oversight'
import type { Identity } from '#trust/identity'
import type { ControlPlane } from './control-plane.ts'

/**
 * Who may approve, by the accounts and policies of this moment.
 * @param independence whoever made what asks, a person or a program, is no second pair of eyes.
 */
export function approversOf(
  { identity, policies, profile }: Pick<ControlPlane, 'identity' | 'policies' | 'profile'>,
  independence: Independence,
): Approvers {
  return {
    mayApprove(approver, resource, context) {
      // Two programs are no four eyes. In development there may be nobody else.
      if (approver.type !== 'User' && profile === 'production') return false
      // Nor is a program that a person lent its rights to.
      if (context.onBehalfBy !== '') return false
      const principal = presentFacts(identity, approver)
      if (principal === null) return false
      const query = { principal, action: 'approve' as const, resource, context: { ...context, approvals: 0, breakGlass: false } }
      return policies.decide(query).effect === 'allow'
    },
    isSameHand: (one, other) => independence.isSameHand(one, other),
  }
}

/** The accounts that an access review goes through: programs and people. */
export function reviewedAccounts({ serviceAccounts, people }: Pick<Identity, 'serviceAccounts' | 'people'>): ReviewedAccounts {
  return {
    list: () => [
      ...serviceAccounts
        .list()
        .filter(({ disabled }) => !disabled)
        .map(({ name, roles }) => ({ uid: { type: 'ServiceAccount', id: name }, roles })),
      ...people
        .list()
        .filter(({ disabled }) => !disabled)
        .map(({ id, roles }) => ({ uid: { type: 'User', id }, roles })),
    ],
    async removeRole({ type, id }, role, by) {
      const held = (type === 'User' ? people.find(id) : serviceAccounts.get(id))?.roles ?? []
      const gone = held.find((one) => one === role)
      // Already gone, and so is what the reviewer wants gone.
      if (gone === undefined) return
      if (type !== 'User') await serviceAccounts.removeRole(id, gone, by)
      else if (held.length === 1) await people.disable(id, by)
      else await people.change(id, { roles: held.filter((one) => one !== gone) }, by)
    },
  }
}

/** The account as the policies see it now; null when it is disabled or gone. */
function presentFacts(
  { serviceAccounts, people }: Pick<Identity, 'serviceAccounts' | 'people'>,
  { type, id }: EntityUid,
): EntityFacts | null {
  if (type === 'User') {
    const person = people.find(id)
    return person === null || person.disabled ? null : person.facts
  }
  if (type !== 'ServiceAccount') return null
  const account = serviceAccounts.get(id)
  return account === null || account.disabled ? null : (serviceAccounts.principal(id)?.facts ?? null)
}
