import { setImmediate as nextTurn } from 'node:timers/promises'
import { RedoubtError } from '#foundation/core'
import { classifyInSlices, type InjectionFinding } from '#gateway/filters'
import type { FilterCosts } from './house.ts'
import type { Call, TextFilter, TextOrigin } from './surface.ts'

const ENTITY = 'PROMPT_INJECTION'

/**
 * Looks for texts that steer the model in what users, tools and documents say (C7); what the application itself says is not looked at. Counts by origin and
 * signal, never a text. Where a surface cannot say where a text comes from, it is looked at.
 */
export class InjectionWatch {
  readonly #call: Pick<Call, 'originOf'>
  readonly #action: 'block' | 'log'
  readonly #costs: FilterCosts | undefined
  #spent = 0
  readonly found: Record<string, number> = {}
  /** What was classified ahead, by text. */
  readonly #known = new Map<string, InjectionFinding | null>()

  constructor(call: Pick<Call, 'originOf'>, action: 'block' | 'log', costs?: FilterCosts) {
    this.#call = call
    this.#action = action
    this.#costs = costs
  }

  /** Tells what the classifier took. */
  settle(): void {
    this.#costs?.observe('injection', this.#spent)
  }

  /** @throws {RedoubtError} `ERR_FILTER_BLOCKED_INPUT` where the policy says so. */
  look(text: string, place: string): void {
    const origin = this.#origin(place)
    if (origin === 'system' || origin === 'assistant') return
    const known = this.#known.get(text)
    const finding = known === undefined ? this.#classify(text) : known
    if (finding === null) return
    const kind = `${origin}/${finding.signal}`
    this.found[kind] = (this.found[kind] ?? 0) + 1
    if (this.#action === 'block')
      throw new RedoubtError('ERR_FILTER_BLOCKED_INPUT', `\`${place}\` reads like a text that is to steer the model against its operator`, {
        evidence: { entity: ENTITY, param: place, origin, signal: finding.signal },
      })
  }

  /** Classifies what `visit` shows, a slice in one turn of the event loop; see `Inspection.searchAhead`. */
  async lookAhead(visit: (look: TextFilter) => void): Promise<void> {
    const texts = new Set<string>()
    visit((text, place) => {
      const origin = this.#origin(place)
      if (origin !== 'system' && origin !== 'assistant') texts.add(text)
      return text
    })
    for (const text of texts) {
      const search = classifyInSlices(text)
      let step = this.#slice(search)
      for (; step.done !== true; step = this.#slice(search)) await nextTurn()
      this.#known.set(text, step.value)
      await nextTurn()
    }
  }

  #origin(place: string): TextOrigin {
    return this.#call.originOf === undefined ? 'user' : this.#call.originOf(place)
  }

  #classify(text: string): InjectionFinding | null {
    const search = classifyInSlices(text)
    let step = this.#slice(search)
    while (step.done !== true) step = this.#slice(search)
    return step.value
  }

  #slice(search: ReturnType<typeof classifyInSlices>): ReturnType<typeof search.next> {
    const started = this.#costs?.now() ?? 0
    const step = search.next()
    this.#spent += (this.#costs?.now() ?? 0) - started
    return step
  }
}
