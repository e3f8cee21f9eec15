import type { Redactor } from '../redactor.ts'
import type { FilterAction } from '#foundation/core'
import { added, countOne } from '../tally.ts'
import type { ConfidentialIndex } from './confidential-index.ts'
import { ConfidentialScanner } from './confidential-scanner.ts'
import type { ConfidentialActions, ConfidentialEntity } from './entities.ts'
import { MatchList } from './match-list.ts'

/**
 * What a stream does with text that may yet turn out to be the beginning of something confidential: `hold` keeps it back until that is decided, `cut`
 * lets it go on and cuts what is left when it does.
 */
export const STREAM_MODES = ['hold', 'cut'] as const
export type StreamMode = (typeof STREAM_MODES)[number]

export interface ConfidentialPlan {
  readonly index: ConfidentialIndex
  readonly actions: ConfidentialActions
  readonly mode: StreamMode
}

/** Most units that are held back, whatever stands between the letters of a window. */
export const CONFIDENTIAL_HOLD_BACK_CAP = 4_096

/** Whether anything is done to a match. */
export const doesAct = (action: FilterAction, dryRun: boolean): boolean => action !== 'log' && !dryRun

export const maskOf = (entity: ConfidentialEntity): string => `[${entity}]`

/**
 * Keeps confidential text out of a stream, before another redactor that sees what is left. Held text leaves when no match can begin in it any more, so that
 * the output is the same for every chunking and a match is taken out whole. In the mode `cut` what is decided is the same for every chunking.
 */
export class ConfidentialRedactor implements Redactor {
  /** Units of matches that had left before they were found. */
  left = 0
  readonly #inner: Redactor
  readonly #mode: StreamMode
  readonly #dryRun: boolean
  readonly #scanner: ConfidentialScanner
  readonly #matches = new MatchList()
  readonly #found = new Map<string, number>()
  readonly #done = new Map<string, number>()
  #blocked = false
  /** Raw text that has not left, and its offset. */
  #held = ''
  #base = 0
  /** Up to here text is taken out. */
  #maskedTo = -1

  constructor(inner: Redactor, { index, actions, mode }: ConfidentialPlan, dryRun: boolean) {
    this.#dryRun = dryRun
    this.#inner = inner
    this.#mode = mode
    this.#scanner = new ConfidentialScanner(index, actions, (entity, start, end) => {
      // What would have left if the text had come unit by unit cannot be taken back, however it came.
      const reach = mode === 'cut' ? start : this.#scanner.position - CONFIDENTIAL_HOLD_BACK_CAP
      const from = Math.min(end, Math.max(start, reach))
      this.#matches.add(entity, actions.get(entity)!, from, end, from - start)
    })
  }

  push(delta: string): string {
    if (this.blocked) return ''
    this.#held += delta
    this.#scanner.push(delta)
    const { position } = this.#scanner
    if (this.#mode === 'cut') return this.#release(position)
    return this.#release(Math.max(this.#scanner.safe(), position - CONFIDENTIAL_HOLD_BACK_CAP))
  }

  flush(): string {
    if (this.blocked) return ''
    this.#scanner.end()
    const out = this.#release(this.#scanner.position)
    return this.blocked ? out : out + this.#inner.flush()
  }

  get blocked(): boolean {
    return this.#blocked || this.#inner.blocked
  }

  get heldBack(): number {
    return this.#held.length + this.#inner.heldBack
  }

  /** Without the masks put in between, so at most what it is: what stands after the last of them is in it whole. */
  get sinceRestored(): number {
    return this.#inner.sinceRestored
  }

  get findings(): ReadonlyMap<string, number> {
    return added(this.#inner.findings, this.#found)
  }

  get actions(): ReadonlyMap<string, number> {
    return added(this.#inner.actions, this.#done)
  }

  /** Puts out the text before `offset` with what stands for matches that begin in it. */
  #release(offset: number): string {
    let out = ''
    const matches = this.#mode === 'cut' ? this.#matches.takeFound() : this.#matches.take(offset)
    for (const { entity, action, start, end, goesOn, lost } of matches) {
      const begun = start < this.#base && start > this.#maskedTo
      const acts = doesAct(action, this.#dryRun)
      if (acts && !begun && start > this.#maskedTo) {
        out += this.#pass(start) + this.#inner.flush()
        if (this.blocked) return out
      }
      if (!goesOn) {
        countOne(this.#found, entity)
        countOne(this.#done, `${entity}=${action}`)
      }
      if (!goesOn && acts) this.left += begun ? Math.max(0, this.#base - start - this.#inner.heldBack) : lost
      if (acts && action === 'block') {
        // What the other redactor still holds of a match that had begun to leave stays there.
        this.#blocked = true
        this.#held = ''
        return out
      }
      if (!acts) continue
      if (start > this.#maskedTo) out += (begun ? this.#inner.flush() : '') + maskOf(entity)
      this.#maskedTo = Math.max(this.#maskedTo, end)
    }
    return out + this.#pass(offset)
  }

  /** Hands the text before `offset` on, but for what is taken out. */
  #pass(offset: number): string {
    let end = offset - this.#base
    if (end > 0 && end < this.#held.length && isHighSurrogate(this.#held.charCodeAt(end - 1))) end--
    if (end <= 0) return ''
    const from = Math.min(end, Math.max(0, this.#maskedTo - this.#base))
    const text = this.#held.slice(from, end)
    this.#held = this.#held.slice(end)
    this.#base += end
    return text === '' ? '' : this.#inner.push(text)
  }
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff
