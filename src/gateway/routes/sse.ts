import { RedoubtError } from '#foundation/core'

/** Longest event a parser keeps, in UTF-16 code units; a chunk of a chat is a few hundred. */
export const MAX_EVENT_LENGTH = 1024 * 1024

export interface SseEvent {
  /** Empty when the stream named none, which means `message`. */
  readonly event: string
  /** All `data` lines joined with a line feed. */
  readonly data: string
}

/**
 * Parses a server-sent event stream, whatever its chunking: the events of a stream do not depend on where its bytes are cut.
 * Line ends may be LF, CRLF or CR; comments and unknown fields are passed over; bytes that are not UTF-8 become U+FFFD.
 * An event that the stream leaves unfinished is not returned, which `unfinished` tells.
 * @see WHATWG HTML §9.2.5 (parsing) and §9.2.6 (interpreting)
 */
export class SseParser {
  readonly #decoder = new TextDecoder('utf-8')
  readonly #maxLength: number
  /** The line that has begun but not ended. Grows without being looked at again, so that tiny chunks stay linear. */
  #line = ''
  /** The last unit was a CR: a LF that follows belongs to the same line end. */
  #afterCr = false
  #event = ''
  #data = ''
  #hasData = false

  constructor(maxLength = MAX_EVENT_LENGTH) {
    this.#maxLength = maxLength
  }

  /**
   * @returns the events that this chunk completed, in order.
   * @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL` when an event is longer than the bound.
   */
  push(chunk: Uint8Array): SseEvent[] {
    return this.#take(this.#decoder.decode(chunk, { stream: true }))
  }

  /** True while an event has begun that no blank line has ended. */
  get unfinished(): boolean {
    return this.#line !== '' || this.#hasData || this.#event !== ''
  }

  #take(text: string): SseEvent[] {
    const events: SseEvent[] = []
    let start = 0
    if (this.#afterCr && text.length > 0) {
      this.#afterCr = false
      if (text.charCodeAt(0) === 10) start = 1
    }
    const hasCr = text.includes('\r', start)
    for (;;) {
      let end = text.indexOf('\n', start)
      let next = end + 1
      if (hasCr) {
        const cr = text.indexOf('\r', start)
        if (cr !== -1 && (end === -1 || cr < end)) {
          next = cr + 1
          if (end === next) next++
          else if (next === text.length) this.#afterCr = true
          end = cr
        }
      }
      if (end === -1) break
      const line = this.#line === '' ? text.slice(start, end) : this.#line + text.slice(start, end)
      this.#line = ''
      start = next
      if (line === '') {
        if (this.#hasData) events.push({ event: this.#event, data: this.#data })
        this.#event = ''
        this.#data = ''
        this.#hasData = false
      } else {
        this.#field(line)
      }
    }
    if (start < text.length) this.#line += start === 0 ? text : text.slice(start)
    this.#bound(this.#line.length)
    return events
  }

  #field(line: string): void {
    if (line.startsWith('data:')) {
      const value = line.slice(line.charCodeAt(5) === 32 ? 6 : 5)
      this.#bound(value.length)
      this.#data = this.#hasData ? `${this.#data}\n${value}` : value
      this.#hasData = true
    } else if (line === 'data') {
      this.#data = this.#hasData ? `${this.#data}\n` : ''
      this.#hasData = true
    } else if (line.startsWith('event:')) {
      this.#event = line.slice(line.charCodeAt(6) === 32 ? 7 : 6)
      this.#bound(0)
    }
  }

  #bound(more: number): void {
    if (this.#data.length + this.#event.length + more > this.#maxLength) {
      throw new RedoubtError('ERR_UPSTREAM_PROTOCOL', `an event is longer than ${this.#maxLength} characters`)
    }
  }
}

/** One event as text. Line ends inside `data` become lines of their own, so data can never forge an event. */
export function formatSse(data: string, event = ''): string {
  const lines = /[\r\n]/.test(data) ? data.split(/\r\n|\r|\n/).join('\ndata: ') : data
  return event === '' ? `data: ${lines}\n\n` : `event: ${event.replaceAll(/[\r\n]/g, ' ')}\ndata: ${lines}\n\n`
}

/** What OpenAI's streams end with. */
export const SSE_DONE = 'data: [DONE]\n\n'
