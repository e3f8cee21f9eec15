import { RedoubtError } from '#foundation/core'
import { createRedactor, type FilterPlan, forReviewer, type Redactor } from '#gateway/filters'
import type { CrossingCounts, HeldStream, ServeIo } from '#gateway/pipeline'
import type { TokenUsage } from './chat-completions/usage.ts'
import { added, newCounts } from './stream-counts.ts'
import type { LanguageStream, StreamState } from './language-protocol.ts'

/** A person does not look through more. */
const MAX_HELD_UNITS = 512 * 1024

/** Opens the stream that a reviewer would see; its redactors are the caller's to count. */
export type OpenStream = (create: () => Redactor, counts: CrossingCounts) => LanguageStream

/** What a reviewer gets, or why there is nothing to be given: it failed, or holds what nobody may have. */
export type ReviewVerdict = { readonly held: HeldStream } | { readonly failure: RedoubtError } | { readonly blocked: true }

/**
 * The same stream for a reviewer: beside the client's, which ends where a value is found that a person has to look at, this one goes on, with that
 * value in it and all else done. Only there when the plan has such entities, or policy wants every answer looked at.
 */
class StreamForReview {
  readonly #stream: LanguageStream
  readonly #redactors: Redactor[] = []
  readonly #crossings = newCounts()
  /** Nothing goes to the client, whatever is found. */
  readonly #all: boolean
  #text = ''
  #tooLarge = false

  constructor(open: OpenStream, plan: FilterPlan, all: boolean) {
    const shown = forReviewer(plan)
    this.#all = all
    this.#stream = open(() => {
      const redactor = createRedactor(shown)
      this.#redactors.push(redactor)
      return redactor
    }, this.#crossings)
  }

  push(chunk: Uint8Array): void {
    this.#add(this.#stream.push(chunk))
  }

  end(): void {
    this.#stream.end()
  }

  fail(error: RedoubtError): void {
    this.#stream.fail(error)
  }

  usage(): TokenUsage {
    return this.#stream.usage()
  }

  /** Whether the upstream is read on: for the client, or for the reviewer alone. @param client how far the client's stream is. */
  goesOn(client: StreamState): boolean {
    if (client === 'open' && !this.#all) return true
    return (this.#all || client === 'blocked') && this.#stream.state === 'open' && !this.#tooLarge
  }

  /** What comes of a stream that has ended; null when there is nothing for a reviewer: the client has it all, or nobody may have the rest. */
  verdict(client: StreamState): ReviewVerdict | null {
    if (!this.#all && client !== 'blocked') return null
    if (this.#stream.state === 'blocked') return { blocked: true }
    if (this.#stream.state === 'complete') this.#add(this.#stream.closing())
    if (this.#tooLarge) return { failure: new RedoubtError('ERR_REVIEW_TOO_LARGE') }
    if (this.#stream.state === 'complete')
      return { held: { text: this.#text, findings: this.counts('findings'), actions: this.counts('actions') } }
    return { failure: this.#stream.error ?? new RedoubtError('ERR_UPSTREAM_RESET') }
  }

  /** What was found, which is more than the client's stream did where that ended before. */
  counts(of: 'findings' | 'actions'): ReadonlyMap<string, number> {
    return added([...this.#redactors, this.#crossings].map((counted) => counted[of]))
  }

  #add(text: string): void {
    if (this.#tooLarge || this.#text.length + text.length > MAX_HELD_UNITS) {
      this.#tooLarge = true
      this.#text = ''
    } else this.#text += text
  }
}

/** Null when nothing of this answer may have to be looked at. */
export const streamForReview = (
  { outputPlan, holdAll }: Pick<ServeIo, 'outputPlan' | 'holdAll'>,
  open: OpenStream,
): StreamForReview | null => (outputPlan.reviews || holdAll ? new StreamForReview(open, outputPlan, holdAll) : null)
