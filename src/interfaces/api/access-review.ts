import { setImmediate as nextTurn } from 'node:timers/promises'
import { asRedoubtError, type JsonObject, type Role, ROLES } from '#foundation/core'
import type { AuditLog } from '#trust/audit'
import type { ServiceAccount } from '#trust/identity'
import { grantOf, type Grants, grantsByRole, type PolicyEngine } from '#trust/policy'
import { conflictsOf, type DutyConflict } from './separation-of-duties.ts'

/** Entries that say that something was allowed, and done. */
const USES = ['control.admission', 'inference.admission'] as const
/** Read at a time, so that requests are answered in between; and at most of each type, so that a review ends. */
const PAGE = 200
const MAX_ENTRIES = 200_000

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
  const uses = await usesSince(log, from, to)
  let grants: Grants | null = null
  let grantsUnknown: string | null = null
  try {
    grants = await grantsByRole(engine, profile)
  } catch (thrown) {
    grantsUnknown = asRedoubtError(thrown).message
  }
  const { complete, readBackTo, entries } = uses
  const reviewed = accounts.map((account) => reviewOf(account, uses.byAccount.get(account.name), grants))
  return { from, to, complete, readBackTo, entries, policySet: engine.digest, grantsUnknown, accounts: reviewed }
}

interface Use {
  requests: number
  readonly acts: Set<string>
}
interface Uses {
  readonly byAccount: ReadonlyMap<string, Use>
  readonly complete: boolean
  readonly readBackTo: number
  readonly entries: number
}

async function usesSince(log: ReviewParts['log'], from: number, to: number): Promise<Uses> {
  const byAccount = new Map<string, Use>()
  let [complete, readBackTo, entries] = [true, from, 0]
  for (const type of USES) {
    let before: number | null = null
    for (let read = 0; ;) {
      await nextTurn()
      const page = log.search({ type, from, to, limit: PAGE, ...(before === null ? {} : { before }) })
      for (const { event } of page.entries) note(event, byAccount)
      read += page.entries.length
      entries += page.entries.length
      // The index may lag behind a log that grows fast: what is not in it was not read.
      if (before === null && page.upTo < log.size() - PAGE) complete = false
      before = page.next
      if (before === null) break
      if (read >= MAX_ENTRIES) {
        complete = false
        readBackTo = Math.max(readBackTo, Number(page.entries.at(-1)?.event['time'] ?? from))
        break
      }
    }
  }
  return { byAccount, complete, readBackTo, entries }
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
  ).sort((left, right) => given(left).size - given(right).size)
  return best === undefined ? null : { role: best, grants: now.size, instead: given(best).size }
}
