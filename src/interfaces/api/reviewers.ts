import type { EntityUid } from '#foundation/core'
import type { Independence } from '#governance/oversight'
import type { AuditLog } from '#trust/audit'
import type { Identity } from '#trust/identity'
import type { ControlPlane } from './control-plane.ts'

/** What gives whoever did it a hold on a program's account. */
const MAKING = ['access.account.create', 'access.account.replaceKey'] as const
const MAX_READ = 50

/** Whether two accounts may be one person's, for approvals, break-glass and reviews: by who made people, and by the record of who made programs. */
export function independenceOf(
  { people }: { readonly people: Pick<Identity['people'], 'isMadeBy'> },
  log: Pick<AuditLog, 'search'>,
  profile: ControlPlane['profile'],
): Independence {
  const madeProgram = (maker: EntityUid, id: string): boolean =>
    MAKING.some(
      (event) =>
        log.search({ type: event, actor: { type: maker.type, id: maker.id }, resource: { type: 'Account', id }, limit: MAX_READ }).entries
          .length > 0,
    )
  const made = (maker: EntityUid, { type, id }: EntityUid): boolean =>
    type === 'User' ? people.isMadeBy(id, maker) : type === 'ServiceAccount' && madeProgram(maker, id)
  return {
    // In development the account of this host makes everyone.
    isSameHand: (one, other) => profile === 'production' && (made(one, other) || made(other, one)),
  }
}
