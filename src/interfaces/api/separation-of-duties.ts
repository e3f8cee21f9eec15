import type { Action, Role } from '#foundation/core'
import type { Grants } from '#trust/policy'

/** Two duties that one account holds only because several roles meet in it. */
export interface DutyConflict {
  readonly id: string
  readonly why: string
  /** A role with the one duty and a role with the other. */
  readonly roles: readonly [Role, Role]
}

interface SeparateDuties {
  readonly id: string
  readonly why: string
  readonly one: readonly Action[]
  readonly other: readonly Action[]
}

/** Duties that belong in different hands. */
const SEPARATE: readonly SeparateDuties[] = [
  {
    id: 'make-and-deploy',
    why: 'makes models and puts them into service',
    one: ['trainOn', 'register', 'editPipeline', 'runPipeline'],
    other: ['deploy', 'rollback'],
  },
  { id: 'access-and-audit', why: 'grants access and reads the record of it', one: ['manageAccess'], other: ['readAudit'] },
  { id: 'access-and-data', why: 'grants access and uses data', one: ['manageAccess'], other: ['trainOn', 'transform', 'export', 'invoke'] },
  {
    id: 'keys-and-data',
    why: 'handles keys and takes data',
    one: ['rotateKey', 'destroyKey', 'useKey'],
    other: ['trainOn', 'transform', 'export'],
  },
  {
    id: 'policies-and-data',
    why: 'changes what is allowed and uses data',
    one: ['administer'],
    other: ['trainOn', 'transform', 'export', 'invoke'],
  },
  { id: 'ask-and-review', why: 'asks models and reviews what they answer', one: ['invoke'], other: ['review'] },
  { id: 'erase-and-make', why: 'erases data and trains on them', one: ['erase'], other: ['trainOn', 'editPipeline', 'transform'] },
]

/** Conflicts that arise where roles meet: what a single role joins, the policies joined on purpose. */
export function conflictsOf(roles: readonly Role[], grants: Grants): readonly DutyConflict[] {
  const does = (role: Role, actions: readonly Action[]): boolean =>
    [...(grants.get(role) ?? [])].some((grant) => actions.some((action) => grant.startsWith(`${action} `)))
  return SEPARATE.flatMap(({ id, why, one, other }): readonly DutyConflict[] => {
    const first = roles.find((role) => does(role, one) && !does(role, other))
    const second = roles.find((role) => does(role, other) && !does(role, one))
    return first !== undefined && second !== undefined ? [{ id, why, roles: [first, second] }] : []
  })
}
