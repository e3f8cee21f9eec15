import { asRedoubtError, RedoubtError } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { Dispatcher } from 'undici'
import { fromStatus, fromTransport, MAX_ERROR_BODY_BYTES } from './upstream-errors.ts'

/**
 * Who receives one answer. Calls come in this order: `start` once, `data` any number of times, then exactly one of `end`
 * and `error`; or `error` alone. After `abort()` nothing more is called. An exception thrown by `start`, `data` or `end` aborts the upstream
 * and arrives at `error`, so that a step that fails never lets an answer through.
 */
export interface UpstreamHandler {
  /** Only for a 2xx answer of the expected content type. */
  start(status: number, headers: Readonly<Record<string, string>>): void
  /** Valid during the call only when it is not kept; a chunk may be kept, the transport does not reuse it. */
  data(chunk: Uint8Array): void
  end(): void
  error(error: RedoubtError): void
}

/** What an upstream may still send after all that is wanted of it, and how long it may take to end its answer. */
export const RELEASED_BYTES = 16_384
export const RELEASED_MS = 1_000

/** A running exchange. `pause` and `resume` work before the answer begins too; `abort` also works while paused and closes the upstream's socket. */
export interface UpstreamExchange {
  /**
   * For an answer that has said it is complete: as `abort`, nothing more is called, but the upstream may end its body, so that the next request needs no
   * handshake. What it still sends is thrown away; one that goes on, in bytes or time, is cut off.
   */
  release(): void
  /** `reason` is written to the operator's log, never sent. */
  abort(reason: string): void
  pause(): void
  resume(): void
}

export interface ExchangeBounds {
  readonly upstream: string
  readonly stream: boolean
  readonly maxBytes: number
  readonly totalTimeoutMs: number
}

/** What of an upstream's headers may be seen above: never `set-cookie`, `server`, nor anything that names accounts. */
const RESPONSE_HEADERS = [
  'content-type',
  'openai-processing-ms',
  'openai-version',
  'x-request-id',
  'request-id',
  'retry-after',
  'retry-after-ms',
]

/** One request and its answer as an undici dispatch handler; no streams and no promises, for this is the hot path. */
export class Exchange implements Dispatcher.DispatchHandler, UpstreamExchange {
  readonly #handler: UpstreamHandler
  readonly #bounds: ExchangeBounds
  readonly #logger: Logger
  readonly #timer: NodeJS.Timeout
  #controller: Dispatcher.DispatchController | null = null
  #finished = false
  #paused = false
  #bytes = 0
  #released: { bytes: number; readonly timer: NodeJS.Timeout } | null = null
  #failure: { readonly status: number; readonly headers: Record<string, string>; readonly parts: Uint8Array[] } | null = null

  constructor(handler: UpstreamHandler, bounds: ExchangeBounds, logger: Logger) {
    this.#handler = handler
    this.#bounds = bounds
    this.#logger = logger
    this.#timer = setTimeout(() => {
      this.#fail(new RedoubtError('ERR_UPSTREAM_TIMEOUT', undefined, { evidence: { upstream: bounds.upstream, reason: 'total' } }))
    }, bounds.totalTimeoutMs)
  }

  abort(reason: string): void {
    if (this.#finished) return
    this.#finish()
    this.#logger.debug({ upstream: this.#bounds.upstream, reason }, 'upstream exchange aborted')
    this.#controller?.abort(new Error('aborted'))
  }

  pause(): void {
    this.#paused = true
    this.#controller?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#controller?.resume()
  }

  release(): void {
    if (this.#finished) return
    this.#finish()
    this.#released = { bytes: 0, timer: setTimeout(() => this.#cutOff('time'), RELEASED_MS).unref() }
    this.resume()
  }

  #cutOff(reason: string): void {
    this.#endRelease()
    this.#logger.debug({ upstream: this.#bounds.upstream, reason }, 'the upstream went on after the end of its answer')
    this.#controller?.abort(new Error('released'))
  }

  #endRelease(): void {
    if (this.#released !== null) clearTimeout(this.#released.timer)
    this.#released = null
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Aborted while it waited for a connection: nothing has been sent yet and nothing will be.
    if (this.#finished) controller.abort(new Error('aborted'))
    else if (this.#paused) controller.pause()
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, raw: Record<string, string | string[] | undefined>): void {
    // An informational answer (RFC 9110 §15.2) is followed by the real one.
    if (this.#finished || status < 200) return
    const headers: Record<string, string> = {}
    for (const name of RESPONSE_HEADERS) {
      const value = raw[name]
      if (typeof value === 'string') headers[name] = value
    }
    if (status >= 300) {
      this.#failure = { status, headers, parts: [] }
      return
    }
    const wanted = this.#bounds.stream ? 'text/event-stream' : 'application/json'
    const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase()
    const encoding = raw['content-encoding']
    if (type !== wanted) return this.#protocol(`the upstream did not answer with \`${wanted}\``)
    if (encoding !== undefined && encoding !== 'identity') return this.#protocol('the upstream compressed its answer unasked')
    this.#guarded(() => this.#handler.start(status, headers))
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#released !== null) {
      this.#released.bytes += chunk.byteLength
      if (this.#released.bytes > RELEASED_BYTES) this.#cutOff('size')
    }
    if (this.#finished) return
    this.#bytes += chunk.byteLength
    const failure = this.#failure
    if (failure !== null) {
      if (this.#bytes <= MAX_ERROR_BODY_BYTES) failure.parts.push(chunk)
      else this.#fail(fromStatus(failure.status, failure.headers, new Uint8Array(), this.#bounds.upstream))
      return
    }
    if (this.#bytes > this.#bounds.maxBytes) return this.#protocol(`the upstream answered with more than ${this.#bounds.maxBytes} bytes`)
    try {
      this.#handler.data(chunk)
    } catch (thrown) {
      this.#fail(asRedoubtError(thrown))
    }
  }

  onResponseEnd(): void {
    this.#endRelease()
    if (this.#finished) return
    const failure = this.#failure
    if (failure !== null) {
      return this.#fail(fromStatus(failure.status, failure.headers, Buffer.concat(failure.parts), this.#bounds.upstream))
    }
    this.#finish()
    try {
      this.#handler.end()
    } catch (thrown) {
      this.#report(asRedoubtError(thrown))
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#endRelease()
    if (!this.#finished) this.#fail(fromTransport(error, this.#bounds.upstream))
  }

  #guarded(call: () => void): void {
    try {
      call()
    } catch (thrown) {
      this.#fail(asRedoubtError(thrown))
    }
  }

  #protocol(message: string): void {
    this.#fail(new RedoubtError('ERR_UPSTREAM_PROTOCOL', message, { evidence: { upstream: this.#bounds.upstream } }))
  }

  #fail(error: RedoubtError): void {
    if (this.#finished) return
    this.#finish()
    this.#controller?.abort(new Error('failed'))
    this.#report(error)
  }

  #report(error: RedoubtError): void {
    try {
      this.#handler.error(error)
    } catch (thrown) {
      // There is nobody left to tell but the operator; throwing into the transport would take the process down.
      this.#logger.error({ upstream: this.#bounds.upstream, err: asRedoubtError(thrown) }, 'the handler of an upstream error failed')
    }
  }

  #finish(): void {
    this.#finished = true
    clearTimeout(this.#timer)
  }
}
