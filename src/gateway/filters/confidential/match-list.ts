import { CONFIDENTIAL_ENTITIES, type ConfidentialActions, type ConfidentialEntity } from './entities.ts'

type MatchAction = ConfidentialActions extends ReadonlyMap<unknown, infer Action> ? Action : never

/** A stretch of text that is confidential. */
export interface Match {
  readonly entity: ConfidentialEntity
  readonly action: MatchAction
  start: number
  end: number
  /** Goes on with an earlier one of its kind that was taken already. */
  readonly goesOn: boolean
  /** Units before `start` that belong to it and are out of reach. */
  readonly lost: number
  taken: boolean
}

/** Joins what is reported of one passage to one match. */
export class MatchList {
  #pending: Match[] = []
  readonly #latest = new Map<ConfidentialEntity, Match>()

  add(entity: ConfidentialEntity, action: MatchAction, start: number, end: number, lost = 0): void {
    const latest = this.#latest.get(entity)
    const goesOn = latest !== undefined && start <= latest.end
    if (goesOn && !latest.taken) {
      latest.start = Math.min(latest.start, start)
      latest.end = Math.max(latest.end, end)
      return
    }
    const match: Match = { entity, action, start, end, goesOn, lost, taken: false }
    this.#latest.set(entity, match)
    this.#pending.push(match)
  }

  /** Takes out those that begin before `offset`, by where they begin; of equals what blocks comes first. */
  take(offset: number): readonly Match[] {
    if (this.#pending.length === 0) return this.#pending
    const taken = this.#pending.filter(({ start }) => start < offset).sort(byStart)
    if (taken.length > 0) this.#pending = this.#pending.filter(({ start }) => start >= offset)
    for (const match of taken) match.taken = true
    return taken
  }

  /** Takes out all, as they were found. */
  takeFound(): readonly Match[] {
    const taken = this.#pending
    this.#pending = []
    for (const match of taken) match.taken = true
    return taken
  }
}

function byStart(one: Match, other: Match): number {
  if (one.start !== other.start) return one.start - other.start
  if (one.action !== other.action) return one.action === 'block' ? -1 : other.action === 'block' ? 1 : 0
  return CONFIDENTIAL_ENTITIES.indexOf(one.entity) - CONFIDENTIAL_ENTITIES.indexOf(other.entity)
}
