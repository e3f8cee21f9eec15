import { asRedoubtError, type JsonObject, type Role, ROLES } from '#foundation/core'
import type { AuditLog } from '#trust/audit'
import type { ServiceAccount } from '#trust/identity'
import { grantOf, type Grants, grantsByRole, type PolicyEngine } from '#trust/policy'
import { readBack } from './past-entries.ts'
import { conflictsOf, type DutyConflict } from './separation-of-duties.ts'

/** Entries that say that something was allowed, and done. */
const USES = ['control.admission', 'inference.admission'] as const

export interface ReviewedAccount {
  readonly name: string
  readonly roles: readonly Role[]
  readonly disabled: boolean
  readonly createdAt: number
  /** Requests that were allowed in the period. */
  readonly requests: number
  /** What was done, as `action Type`. */
  readonly used: readonly string[]
  /** Roles of which nothing was used. */
  readonly unusedRoles: readonly Role[]
  /** What a role grants and nobody used, by role. */
  readonly unusedGrants: readonly { readonly role: Role; readonly grants: readonly string[] }[]
  /** A role that grants all that was used and fewer acts than the account's roles do; null when there is none. */
  readonly narrower: { readonly role: Role; readonly grants: number; readonly instead: number } | null
  readonly conflicts: readonly DutyConflict[]
}

export interface AccessReview {
  readonly from: number
  readonly to: number
  /** False when the period holds more than is read: what seems unused may then have been used before `readBackTo`. */
  readonly complete: boolean
  readonly readBackTo: number
  readonly entries: number
  readonly policySet: string
  /** Why it is not known what roles grant, when it is not; nothing is then said of unused grants, narrower roles and conflicts. */
  readonly grantsUnknown: string | null
  readonly accounts: readonly ReviewedAccount[]
}

export interface ReviewParts {
  readonly log: Pick<AuditLog, 'search' | 'size'>
  readonly accounts: readonly ServiceAccount[]
  readonly engine: PolicyEngine
  readonly profile: 'development' | 'production'
  readonly from: number
  readonly to: number
}

/** Least privilege from the record: what each account's roles grant beside what it did. */
export async function reviewAccess({ log, accounts, engine, profile, from, to }: ReviewParts): Promise<AccessReview> {
  const uses = new Map<string, Use>()
  const { complete, readBackTo, entries } = await readBack({ log, from, to }, USES, (event) => note(event, uses))
  let grants: Grants | null = null
  let grantsUnknown: string | null = null
  try {
    grants = await grantsByRole(engine, profile)
  } catch (thrown) {
    grantsUnknown = asRedoubtError(thrown).message
  }
  const reviewed = accounts.map((account) => reviewOf(account, uses.get(account.name), grants))
  return { from, to, complete, readBackTo, entries, policySet: engine.digest, grantsUnknown, accounts: reviewed }
}

interface Use {
  requests: number
  readonly acts: Set<string>
}
function note(event: JsonObject, byAccount: Map<string, Use>): void {
  const actor = event['actor'] as { readonly type?: unknown; readonly id?: unknown } | undefined
  const resource = event['resource'] as { readonly type?: unknown } | undefined
  const action = event['action']
  if (actor?.type !== 'ServiceAccount' || typeof actor.id !== 'string' || typeof action !== 'string' || typeof resource?.type !== 'string')
    return
  const use = byAccount.get(actor.id) ?? { requests: 0, acts: new Set<string>() }
  use.requests++
  use.acts.add(grantOf(action, resource.type))
  byAccount.set(actor.id, use)
}

function reviewOf(account: ServiceAccount, use: Use | undefined, grants: Grants | null): ReviewedAccount {
  const { name, roles, disabled, createdAt } = account
  const acts = use?.acts ?? new Set<string>()
  const given = (role: Role): ReadonlySet<string> => grants?.get(role) ?? new Set()
  const unused =
    grants === null || disabled ? [] : roles.map((role) => ({ role, grants: [...given(role)].filter((grant) => !acts.has(grant)).sort() }))
  return {
    name,
    roles,
    disabled,
    createdAt,
    requests: use?.requests ?? 0,
    used: [...acts].sort(),
    unusedRoles: unused.filter(({ role, grants }) => grants.length === given(role).size).map(({ role }) => role),
    unusedGrants: unused.filter(({ grants }) => grants.length > 0),
    narrower: grants === null || disabled ? null : narrowerRole(roles, acts, grants),
    conflicts: grants === null || disabled ? [] : conflictsOf(roles, grants),
  }
}

/** Of two roles that grant as much. */
const FOR_PROGRAMS: Role = 'application'

/** The role that grants least of those that grant all that was used; the bootstrap role is given to nobody. */
function narrowerRole(roles: readonly Role[], acts: ReadonlySet<string>, grants: Grants): ReviewedAccount['narrower'] {
  if (acts.size === 0) return null
  const given = (role: Role): ReadonlySet<string> => grants.get(role) ?? new Set()
  const now = new Set(roles.flatMap((role) => [...given(role)]))
  // What the policies no longer grant to these roles is no reason to keep them.
  const needed = [...acts].filter((act) => now.has(act))
  if (needed.length === 0) return null
  const [best] = ROLES.filter(
    (role) => role !== 'bootstrap' && given(role).size < now.size && needed.every((act) => given(role).has(act)),
  ).sort((left, right) => given(left).size - given(right).size || Number(right === FOR_PROGRAMS) - Number(left === FOR_PROGRAMS))
  return best === undefined ? null : { role: best, grants: now.size, instead: given(best).size }
}
