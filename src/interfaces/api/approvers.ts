import { type EntityFacts, type EntityUid, RedoubtError } from '#foundation/core'
import type { Approvers, ReviewedAccounts } from '#governance/approvals'
import type { Identity } from '#trust/identity'
import type { ControlPlane } from './control-plane.ts'

/** Who may approve, by the accounts and policies of this moment. */
export function approversOf({ identity, policies, profile }: Pick<ControlPlane, 'identity' | 'policies' | 'profile'>): Approvers {
  return {
    mayApprove(approver, resource, context) {
      // Two programs are no four eyes. In development there may be nobody else.
      if (approver.type !== 'User' && profile === 'production') return false
      const principal = presentFacts(identity, approver)
      if (principal === null) return false
      const query = { principal, action: 'approve' as const, resource, context: { ...context, approvals: 0, breakGlass: false } }
      return policies.decide(query).effect === 'allow'
    },
  }
}

/** The accounts that an access review goes through. */
export function reviewedAccounts(identity: Identity): ReviewedAccounts {
  return {
    list: () =>
      identity.serviceAccounts
        .list()
        .filter(({ disabled }) => !disabled)
        .map(({ name, roles }) => ({ uid: { type: 'ServiceAccount', id: name }, roles })),
    async removeRole(account, role, by) {
      if (account.type !== 'ServiceAccount')
        throw new RedoubtError('ERR_NOT_FOUND', `there is no account \`${account.id}\` whose roles are kept here`)
      const known = identity.serviceAccounts.get(account.id)?.roles.find((one) => one === role)
      // Already gone, and so is what the reviewer wants gone.
      if (known !== undefined) await identity.serviceAccounts.removeRole(account.id, known, by)
    },
  }
}

/** The account as the policies see it now; null when it is disabled or gone. */
function presentFacts(identity: Identity, { type, id }: EntityUid): EntityFacts | null {
  if (type !== 'ServiceAccount') return null
  const account = identity.serviceAccounts.get(id)
  return account === null || account.disabled ? null : (identity.serviceAccounts.principal(id)?.facts ?? null)
}
