import type { EntityUid } from '#foundation/core'
import type { Habits } from './habits.ts'

/** The callers whose habits are known, within a bound, and which of them the store has not as they are. */
export class KnownCallers {
  readonly #most: number
  /** By type, then id: nothing is joined for a look-up. */
  readonly #types = new Map<string, Map<string, Habits>>()
  readonly #changed = new Set<Habits>()
  readonly #forgotten = new Set<EntityUid>()
  #size = 0

  /** @param most callers; of more, whoever was quiet longest is forgotten. */
  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#size
  }

  get hasUnsaved(): boolean {
    return this.#changed.size + this.#forgotten.size > 0
  }

  get({ type, id }: EntityUid): Habits | undefined {
    return this.#types.get(type)?.get(id)
  }

  /** Adds a caller that is not known. */
  keep(habits: Habits): Habits {
    const { type, id } = habits.uid
    let ofType = this.#types.get(type)
    if (ofType === undefined) this.#types.set(type, (ofType = new Map()))
    if (this.#size >= this.#most) this.#forgetOne()
    ofType.set(id, habits)
    this.#size++
    return habits
  }

  change(habits: Habits): void {
    this.#changed.add(habits)
  }

  /** @param most of those that changed, so that saving them is short. */
  unsaved(most: number): { readonly changed: readonly Habits[]; readonly forgotten: ReadonlySet<EntityUid> } {
    return { changed: [...this.#changed.values().take(most)], forgotten: this.#forgotten }
  }

  /** These, and all that are forgotten, were saved. */
  saved(changed: readonly Habits[]): void {
    for (const habits of changed) this.#changed.delete(habits)
    this.#forgotten.clear()
  }

  /** Looks at all, which is rare: callers beyond the bound are made by an administrator, one by one. */
  #forgetOne(): void {
    let oldest: Habits | null = null
    for (const ofType of this.#types.values())
      for (const habits of ofType.values()) if (oldest === null || habits.lastAt < oldest.lastAt) oldest = habits
    if (oldest === null) return
    this.#types.get(oldest.uid.type)?.delete(oldest.uid.id)
    this.#changed.delete(oldest)
    this.#forgotten.add(oldest.uid)
    this.#size--
  }
}
