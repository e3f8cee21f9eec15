import type { EntityUid, JsonObject, LimitRule, Role } from '#foundation/core'
import { type LimitSuggestion, type PastCall, suggestLimits, type SuggestOptions } from '#gateway/limits'
import { type Period, readBack, type Reading } from './past-entries.ts'

/** Each call that was answered, with what it used. */
const ANSWERED = 'inference.completion'

export interface RoleLimits {
  readonly role: Role
  /** `Type::id`, as limits are counted. */
  readonly endpoint: string
  /** What the policies set for this role at this endpoint now; null when no caller of the period still holds the role. */
  readonly present: readonly LimitRule[] | null
  readonly proposed: readonly LimitSuggestion[]
}

export interface LimitSuggestions extends Reading {
  readonly from: number
  readonly to: number
  /** Calls of callers that are gone: their roles are not known any more. */
  readonly unattributed: number
  readonly limits: readonly RoleLimits[]
}

interface SuggestParts extends Period {
  readonly rolesOf: (principal: EntityUid) => readonly Role[]
  readonly limitsOf: (principal: EntityUid, endpoint: EntityUid) => readonly LimitRule[] | null
}

/**
 * From what was used: limits for each endpoint and role, with what they would have refused (C4). Who holds several roles counts for each.
 */
export async function suggestFromRecord(parts: SuggestParts, options: SuggestOptions): Promise<LimitSuggestions> {
  const groups = new Map<string, { readonly role: Role; readonly endpoint: EntityUid; readonly calls: PastCall[]; caller: EntityUid }>()
  let unattributed = 0
  const reading = await readBack(parts, [ANSWERED], (event) => {
    const call = pastCall(event)
    if (call === null) return
    const roles = parts.rolesOf(call.actor)
    if (roles.length === 0) unattributed++
    for (const role of roles) {
      const key = `${role}\n${written(call.endpoint)}`
      const group = groups.get(key) ?? { role, endpoint: call.endpoint, calls: [], caller: call.actor }
      group.calls.push({ ...call.used, principal: written(call.actor) })
      groups.set(key, group)
    }
  })
  const limits = [...groups.values()]
    .map(({ role, endpoint, calls, caller }) => ({
      role,
      endpoint: written(endpoint),
      present: parts.limitsOf(caller, endpoint),
      proposed: suggestLimits(
        calls.sort((a, b) => a.at - b.at),
        options,
      ),
    }))
    .sort((a, b) => (a.endpoint < b.endpoint ? -1 : a.endpoint > b.endpoint ? 1 : a.role < b.role ? -1 : 1))
  const { from, to } = parts
  return { from, to, ...reading, unattributed, limits }
}

const written = ({ type, id }: EntityUid): string => `${type}::${id}`

function pastCall(
  event: JsonObject,
): { readonly actor: EntityUid; readonly endpoint: EntityUid; readonly used: Omit<PastCall, 'principal'> } | null {
  const { actor, resource, time, details } = event as {
    readonly actor?: EntityUid
    readonly resource?: EntityUid
    readonly time?: number
    readonly details?: { readonly usage?: { readonly rows?: number; readonly tokens?: number } }
  }
  if (!actor || !resource || typeof time !== 'number') return null
  return { actor, endpoint: resource, used: { at: time, rows: details?.usage?.rows ?? 0, tokens: details?.usage?.tokens ?? 0 } }
}
