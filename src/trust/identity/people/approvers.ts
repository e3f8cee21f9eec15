import type { Clock } from '#foundation/core'
import { makerOf } from './acting.ts'
import type { FactorStore } from './factor-store.ts'
import type { PersonRecord, PersonStore } from './person-store.ts'

/** Someone could have enrolled a key of their own as a person that they made. After this long it would have been noticed. */
const STRANGE_MS = 7 * 24 * 60 * 60 * 1000

/** A yes, with the epoch of who gave it: other rights, a factor less or being disabled raise it, and the yes is none any more. */
export interface Approval {
  readonly by: string
  readonly epoch: number
}

/** What is agreed to. */
export interface Approved {
  readonly userId: string
  /** Who asks, as `makerOf` says it. */
  readonly requestedBy: string | null
  readonly approvals: readonly Approval[]
}

/** Which of those who agreed count as other people, by what is known of them now: one hand with several names is one hand. */
export class Approvers {
  readonly #people: PersonStore
  readonly #factors: FactorStore
  readonly #clock: Clock

  constructor({ people, factors, clock }: { readonly people: PersonStore; readonly factors: FactorStore; readonly clock: Clock }) {
    this.#people = people
    this.#factors = factors
    this.#clock = clock
  }

  /**
   * Counts who is there as they were when they agreed, has a factor, is not the one concerned, and was made or given a key by neither the
   * one concerned nor who asks; and nobody beside the one who made them, in the first week.
   */
  counting({ userId, requestedBy, approvals }: Approved): readonly Approval[] {
    const independent = approvals.filter(({ by, epoch }) => {
      const person = this.#people.get(by)
      if (person === null || person.disabled || person.epoch !== epoch || person.id === userId) return false
      if (this.#people.bestLevelOf(by) < 2) return false
      const makers = makersOf(person)
      return !makers.includes(makerOf({ type: 'User', id: userId })) && (requestedBy === null || !makers.includes(requestedBy))
    })
    return independent.filter(({ by }) => {
      const makers = makersOf(this.#people.get(by)!)
      return !(this.#isStrange(by) && independent.some((other) => makers.includes(makerOf({ type: 'User', id: other.by }))))
    })
  }

  /** Whether their oldest key is of this week. */
  #isStrange(userId: string): boolean {
    const since = Math.min(...this.#factors.credentialsOf(userId).map(({ createdAt }) => createdAt))
    return since + STRANGE_MS > this.#clock.now()
  }
}

export const makersOf = ({ createdBy, enrolledBy }: PersonRecord): readonly string[] =>
  [createdBy, enrolledBy].filter((maker): maker is string => maker !== null)
