import type { EntityUid } from '#foundation/core'
import type { Approvers } from '#governance/approvals'
import type { Independence } from '#governance/oversight'
import type { AuditLog } from '#trust/audit'
import type { ControlPlane } from './control-plane.ts'

/** What gives whoever did it a hold on a program's account. */
const MAKING = ['access.account.create', 'access.account.replaceKey'] as const
const MAX_READ = 50

/** Whether two accounts may be one person's: as for approvals, and of programs by the record of who made them. */
export function independenceOf(
  approvers: Pick<Approvers, 'isSameHand'>,
  log: Pick<AuditLog, 'search'>,
  profile: ControlPlane['profile'],
): Independence {
  const madeProgram = (maker: EntityUid, { type, id }: EntityUid): boolean =>
    type === 'ServiceAccount' &&
    MAKING.some(
      (event) =>
        log.search({ type: event, actor: { type: maker.type, id: maker.id }, resource: { type: 'Account', id }, limit: MAX_READ }).entries
          .length > 0,
    )
  return {
    // In development the account of this host makes everyone.
    isSameHand: (one, other) =>
      approvers.isSameHand(one, other) || (profile === 'production' && (madeProgram(one, other) || madeProgram(other, one))),
  }
}
