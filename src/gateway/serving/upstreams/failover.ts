import { RedoubtError } from '#foundation/core'
import type { UpstreamExchange, UpstreamHandler } from './exchange.ts'
import type { DispatchOptions, UpstreamRoute, Upstreams } from './upstreams.ts'

/** Before the first repetition; doubled before each further one. */
export const RETRY_PAUSE_MS = 100
/** What says that nobody worked on the request: a proxy without a server behind it, a server that takes nothing more (529: Anthropic). */
const UNANSWERED_STATUSES: ReadonlySet<unknown> = new Set([502, 503, 529])
/** Failures of the upstream and not of the request: another may do better. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'ERR_UPSTREAM_UNREACHABLE',
  'ERR_UPSTREAM_TIMEOUT',
  'ERR_UPSTREAM_RESET',
  'ERR_UPSTREAM_REFUSED',
  'ERR_UPSTREAM_LIMIT',
])

/** One request that may go to several places. */
export interface Attempt {
  readonly route: UpstreamRoute
  /** The body for one of the places. */
  body(route: UpstreamRoute): Uint8Array | string
  readonly options: DispatchOptions
  /** Epoch milliseconds, read when an agreement is looked at. */
  now(): number
  /** Whether the request may go to a fallback; resolves to null when it may and that is on record, else why not. Must not reject. */
  admit(fallback: UpstreamRoute): Promise<RedoubtError | null>
}

/**
 * Sends a request to the first place that answers. It is sent again, to the same upstream or to the next, only before the first byte of an answer: never twice to a client.
 * A place whose agreement is not on record or has ended, or where `admit` says no, is passed over. When none answers the first
 * failure is the answer: it is the one that the operator has to mend.
 */
export function dispatchInOrder(
  upstreams: Pick<Upstreams, 'dispatch'>,
  attempt: Attempt,
  handler: UpstreamHandler,
  pauseMs = RETRY_PAUSE_MS,
): UpstreamExchange {
  return new Sending(upstreams, attempt, handler, pauseMs).begin()
}

class Sending implements UpstreamExchange {
  readonly #upstreams: Pick<Upstreams, 'dispatch'>
  readonly #attempt: Attempt
  readonly #handler: UpstreamHandler
  readonly #pauseMs: number
  readonly #fallbacks: UpstreamRoute[]
  #current: UpstreamExchange | null = null
  #timer: NodeJS.Timeout | null = null
  #route: UpstreamRoute
  #repeated = 0
  #first: RedoubtError | null = null
  #over = false
  #paused = false

  constructor(upstreams: Pick<Upstreams, 'dispatch'>, attempt: Attempt, handler: UpstreamHandler, pauseMs: number) {
    this.#upstreams = upstreams
    this.#attempt = attempt
    this.#handler = handler
    this.#pauseMs = pauseMs
    this.#route = attempt.route
    this.#fallbacks = [...attempt.route.fallbacks]
  }

  begin(): this {
    this.#send()
    return this
  }

  abort(reason: string): void {
    this.#over = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#current?.abort(reason)
  }

  release(): void {
    this.#over = true
    this.#current?.release()
  }

  pause(): void {
    this.#paused = true
    this.#current?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#current?.resume()
  }

  #send(): void {
    const attempt = this.#attempt
    const handler = this.#handler
    let begun = false
    this.#current = this.#upstreams.dispatch(this.#route, attempt.body(this.#route), attempt.options, {
      start(status, headers) {
        begun = true
        handler.start(status, headers)
      },
      data: (chunk) => handler.data(chunk),
      end: () => handler.end(),
      error: (error) => {
        if (this.#over) return
        if (begun) handler.error(error)
        else this.#failed(error)
      },
    })
    if (this.#paused) this.#current.pause()
  }

  #failed(error: RedoubtError): void {
    this.#first ??= error
    if (isUnanswered(error) && this.#repeated < this.#route.retries) {
      const pause = this.#pauseMs * 2 ** this.#repeated++
      this.#timer = setTimeout(() => this.#guarded(() => this.#send()), pause)
    } else if (ELSEWHERE.has(error.code)) void this.#goElsewhere(this.#first)
    else this.#handler.error(error)
  }

  async #goElsewhere(first: RedoubtError): Promise<void> {
    for (let next = this.#fallbacks.shift(); next !== undefined; next = this.#fallbacks.shift()) {
      if (next.agreedUntil === null || this.#attempt.now() >= next.agreedUntil) continue
      const refused = await this.#attempt.admit(next)
      if (this.#over) return
      if (refused !== null) continue
      this.#route = next
      this.#repeated = 0
      this.#guarded(() => this.#send())
      return
    }
    this.#handler.error(first)
  }

  /** Nobody is above a timer or a promise to catch what making the body throws. */
  #guarded(send: () => void): void {
    try {
      send()
    } catch (thrown) {
      this.#over = true
      this.#handler.error(thrown instanceof RedoubtError ? thrown : new RedoubtError('ERR_INTERNAL', undefined, { cause: thrown }))
    }
  }
}

function isUnanswered(error: RedoubtError): boolean {
  if (error.code === 'ERR_UPSTREAM_UNREACHABLE' || error.code === 'ERR_UPSTREAM_RESET') return true
  return error.code === 'ERR_UPSTREAM_REFUSED' && UNANSWERED_STATUSES.has(error.evidence['upstreamStatus'])
}
