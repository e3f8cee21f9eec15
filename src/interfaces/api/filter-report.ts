import { type EntityUid, FILTER_ACTIONS, type FilterAction, type JsonObject, type Role } from '#foundation/core'
import { type Period, readBack, type Reading } from './past-entries.ts'

/** Values of one entity, what became of them, at one endpoint, for callers of one role. */
export interface FilterCount {
  /** `Type::id`. */
  readonly endpoint: string
  readonly role: Role
  readonly direction: 'input' | 'output'
  readonly entity: string
  readonly action: FilterAction
  /** Whether it was only counted: what would have been done. */
  readonly dryRun: boolean
  readonly values: number
  readonly calls: number
}

export interface FilterReport extends Reading {
  readonly from: number
  readonly to: number
  /** Calls of callers that are gone: their roles are not known any more. */
  readonly unattributed: number
  readonly counts: readonly FilterCount[]
}

interface ReportParts extends Period {
  readonly rolesOf: (principal: EntityUid) => readonly Role[]
}

const BLOCKED: Readonly<Record<string, 'input' | 'output'>> = {
  ERR_FILTER_BLOCKED_INPUT: 'input',
  ERR_FILTER_BLOCKED_OUTPUT: 'output',
}

/** What filters did, or in a dry run would have done, by the record (C6). Who holds several roles counts for each. */
export async function reportFilters(parts: ReportParts): Promise<FilterReport> {
  const counts = new Map<string, FilterCount>()
  let unattributed = 0
  const reading = await readBack(parts, ['inference.admission', 'inference.completion', 'inference.refusal'], (event) => {
    const found = foundIn(event)
    if (found === null || found.values.length === 0) return
    const roles = parts.rolesOf(found.actor)
    if (roles.length === 0) unattributed++
    for (const role of roles)
      for (const { direction, entity, action, values } of found.values) {
        const one = { endpoint: written(found.resource), role, direction, entity, action, dryRun: found.dryRun }
        const key = JSON.stringify(one)
        const known = counts.get(key)
        counts.set(key, { ...one, values: (known?.values ?? 0) + values, calls: (known?.calls ?? 0) + 1 })
      }
  })
  const order = ({ endpoint, role, direction, entity, action }: FilterCount): string =>
    [endpoint, role, direction, entity, action].join('\n')
  const sorted = [...counts.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1))
  return { from: parts.from, to: parts.to, ...reading, unattributed, counts: sorted }
}

const written = ({ type, id }: EntityUid): string => `${type}::${id}`

interface Found {
  readonly actor: EntityUid
  readonly resource: EntityUid
  readonly dryRun: boolean
  readonly values: readonly Pick<FilterCount, 'direction' | 'entity' | 'action' | 'values'>[]
}

function foundIn(event: JsonObject): Found | null {
  const { actor, resource, code, type, details } = event as {
    readonly actor?: EntityUid
    readonly resource?: EntityUid
    readonly code?: string
    readonly type?: string
    readonly details?: {
      readonly inputActions?: Readonly<Record<string, number>>
      readonly outputActions?: Readonly<Record<string, number>>
      readonly filterMode?: string
      readonly entity?: unknown
    }
  }
  if (!actor || !resource) return null
  const values = [...actionsOf('input', details?.inputActions), ...actionsOf('output', details?.outputActions)]
  // A refusal names the value that it was for; a stream that ended for one has it among its actions.
  const direction = type === 'inference.refusal' && code !== undefined ? BLOCKED[code] : undefined
  if (direction !== undefined && typeof details?.entity === 'string')
    values.push({ direction, entity: details.entity, action: 'block', values: 1 })
  return { actor, resource, dryRun: details?.filterMode === 'dry_run', values }
}

function actionsOf(direction: 'input' | 'output', actions: Readonly<Record<string, number>> = {}): Found['values'][number][] {
  return Object.entries(actions).flatMap(([name, values]) => {
    const [entity = '', action = ''] = name.split('=')
    return (FILTER_ACTIONS as readonly string[]).includes(action) ? [{ direction, entity, action: action as FilterAction, values }] : []
  })
}
