import { StreamedTokens } from '../log-probabilities/streamed-text.ts'
import { readTokens, type SpelledToken, writeTokens } from '../log-probabilities/tokens.ts'
import { isBranch } from '../request-members.ts'
import { SPELLED } from './response.ts'
import type { Branch, Tree } from './texts.ts'

/** The log probabilities of one choice: those of each text leave with what they spell. */
export class ChoiceLogProbabilities {
  readonly #hasBegun: (member: string) => boolean
  /** Only where log probabilities come. */
  #tokens: Map<string, StreamedTokens> | null = null
  #leaving: Record<string, SpelledToken[]> | null = null

  /** @param hasBegun whether the text of a member came before. */
  constructor(hasBegun: (member: string) => boolean) {
    this.#hasBegun = hasBegun
  }

  /** Remembers which tokens spell what has come, before it is filtered. @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL` */
  push(delta: Branch, logprobs: Tree | undefined): void {
    const come = isBranch(logprobs) ? logprobs : null
    if (come === null && this.#tokens === null) return
    for (const member of SPELLED) {
      const list = come?.[member] ?? null
      let tokens = this.#tokens?.get(member)
      if (list === null && tokens === undefined) continue
      if (tokens === undefined) {
        this.#tokens ??= new Map()
        tokens = new StreamedTokens(this.#hasBegun(member))
        this.#tokens.set(member, tokens)
      }
      const piece = delta[member]
      tokens.push(readTokens(list), typeof piece === 'string' ? piece : '')
    }
  }

  /** Notes that a piece of a text goes out. */
  leaves(member: string, piece: string): void {
    const gone = this.#tokens?.get(member)?.take(piece) ?? []
    if (gone.length === 0) return
    this.#leaving ??= {}
    this.#leaving[member] = [...(this.#leaving[member] ?? []), ...gone]
  }

  /** The log probabilities of what has left since the last time; null when there are none. */
  take(): Branch | null {
    const leaving = this.#leaving
    if (leaving === null) return null
    this.#leaving = null
    return Object.fromEntries(SPELLED.map((member) => [member, leaving[member] ? writeTokens(leaving[member]) : null]))
  }
}
