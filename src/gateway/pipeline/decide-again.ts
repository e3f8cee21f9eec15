import { asksMoreOfTools, type FilterAction, type Obligations, RedoubtError, stricterAction } from '#foundation/core'
import { CONFIDENTIAL_ENTITIES, ENTITIES, PRESETS } from '#gateway/filters'
import { conditionRequest, decisionContext } from './decide.ts'
import type { House } from './house.ts'
import { wantsMoreReview } from './review-wish.ts'
import type { Authorised } from './states.ts'
import { refusalOf } from './step-up.ts'

const CONFIDENTIAL: ReadonlySet<string> = new Set(CONFIDENTIAL_ENTITIES)
/** What `default` leaves alone, unless the site has a recogniser of its own for it. */
const NAMED_ALONE: ReadonlySet<string> = new Set([...ENTITIES].filter((entity) => !PRESETS.default.has(entity)))

/**
 * Whether a request that was let in would be let in now: the policies in force, the present time, the model as it is (B8).
 * A permit under which the answer must be filtered more strictly is none for an answer that is on its way already, and one that asks for
 * more of the request is none for a request that is about to be sent.
 * @returns null while it may go on.
 */
export function decideAgain(
  house: Pick<House, 'decider' | 'clock' | 'localTime' | 'profile' | 'conditions' | 'exceptions'>,
  state: Authorised,
  sent: boolean,
): RedoubtError | null {
  const { principal, call, received } = state
  const request = conditionRequest(
    principal,
    { receivedAt: house.clock.now(), sourceAddress: received.sourceAddress, userAgent: received.userAgent },
    call.endpoint,
  )
  const context = decisionContext(house, principal, request)
  const resource = call.presentResource?.() ?? call.resource
  const asked = { principal: principal.facts, action: 'invoke', resource } as const
  // What began behind broken glass goes on while that very grant lasts.
  const breakGlass = state.breakGlass !== null && house.exceptions.breakGlass(asked) === state.breakGlass
  const query = { ...asked, context: breakGlass ? { ...context, breakGlass } : context }
  const decision = house.decider.decide(query)
  // An engine gives the same object for the same combination of policies: nothing has changed.
  if (decision === state.decision) return null
  if (decision.effect !== 'allow') return refusalOf(house.decider, query, decision)
  const [now, before] = [decision.obligations, state.decision.obligations]
  if (!sent && asksForMore(now, before))
    return new RedoubtError('ERR_POLICY_DENIED', 'the policies now ask for more than this request went through')
  if (isStricter(now.filterOutput, before.filterOutput) || leavesLess(now, before) || wantsMoreReview(now, before))
    return new RedoubtError('ERR_POLICY_DENIED', 'the policies now ask for a stricter filter than this answer goes through')
  return asksMoreOfTools(now, before) ? new RedoubtError('ERR_POLICY_DENIED', 'the policies now let fewer tools be used') : null
}

/** Whether a request that went through what `before` asks for went through less than `now` does: its filters, its marks, its limits. */
export function asksForMore(now: Obligations, before: Obligations): boolean {
  if (isStricter(now.filterInput, before.filterInput) || isStricter(now.filterOutput, before.filterOutput) || leavesLess(now, before))
    return true
  if (asksMoreOfTools(now, before) || wantsMoreReview(now, before)) return true
  if ((before.unreadInput ?? []).some((kind) => now.unreadInput?.includes(kind) !== true)) return true
  if (now.injection !== undefined && now.injection !== before.injection && before.injection !== 'block') return true
  if ((now.markUntrusted ?? []).some((origin) => before.markUntrusted?.includes(origin) !== true)) return true
  if (now.canary === true && before.canary !== true) return true
  return now.limits.some(
    ({ unit, windowMs, amount }) =>
      !before.limits.some((rule) => rule.unit === unit && rule.windowMs === windowMs && rule.amount <= amount),
  )
}

/** Whether tokens that were turned back are not any more, or what was only counted is acted upon. */
export function leavesLess(now: Obligations, before: Obligations): boolean {
  if (before.filterMode === 'dry_run' && now.filterMode !== 'dry_run') return true
  const { restore = [] } = now
  return !restore.includes('all') && (before.restore ?? []).some((entity) => !restore.includes(entity))
}

/** Whether `now` takes away anything that `before` leaves. */
export function isStricter(now: Obligations['filterOutput'], before: Obligations['filterOutput']): boolean {
  // `default` does not speak of what is confidential: that is looked for where it is named.
  const said = (filter: Obligations['filterOutput'], entity: string, byDefault: boolean): FilterAction =>
    filter[entity] ?? (byDefault && !CONFIDENTIAL.has(entity) ? filter['default'] : undefined) ?? 'allow'
  const asksForMore = (entity: string, byDefault: boolean): boolean => {
    const done = said(before, entity, byDefault)
    return stricterAction(said(now, entity, byDefault), done) !== done
  }
  // Where only the site knows whether `default` speaks of an entity, it is stricter when it is for either.
  return [...new Set([...Object.keys(now), ...Object.keys(before), 'default'])].some(
    (entity) => asksForMore(entity, true) || (NAMED_ALONE.has(entity) && asksForMore(entity, false)),
  )
}
