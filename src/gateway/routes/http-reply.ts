import type { ServerResponse } from 'node:http'
import type { Reply } from '#gateway/pipeline'

/** A `Reply` over node's HTTP/1.1 response. */
export function httpReply(response: ServerResponse): Reply {
  return new HttpReply(response)
}

/**
 * A class and not an object with a getter: V8 makes a hidden class of its own for each such object, in the old generation, and the getter
 * in it keeps request and response until the next full collection.
 */
class HttpReply implements Reply {
  readonly #response: ServerResponse
  readonly #always: Record<string, string> = {}
  started = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  setHeaders(headers: Readonly<Record<string, string>>): void {
    Object.assign(this.#always, headers)
  }

  send(status: number, headers: Readonly<Record<string, string>>, body: string): void {
    const response = this.#response
    if (response.writableEnded || response.destroyed) return
    // RFC 9110 §15.5.9: whoever was too slow does not keep the connection.
    const closing = status === 408 ? { connection: 'close' } : {}
    response.writeHead(status, { ...this.#always, ...headers, ...closing, 'content-length': Buffer.byteLength(body) })
    // As text, so that head and body leave in one write and one TLS record.
    response.end(body)
  }

  start(headers: Readonly<Record<string, string>>): void {
    const response = this.#response
    if (this.started || response.destroyed) return
    this.started = true
    response.writeHead(200, {
      ...this.#always,
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    })
  }

  write(text: string): boolean {
    return !this.#response.destroyed && this.#response.write(text)
  }

  onDrain(listener: () => void): void {
    this.#response.once('drain', listener)
  }

  end(closing: string): void {
    if (!this.#response.destroyed) this.#response.end(closing)
  }

  onGone(listener: () => void): void {
    const response = this.#response
    const gone = (): void => {
      if (!response.writableFinished) listener()
    }
    // Who left while the admission was written is told of at once: the event is over.
    if (response.closed || response.destroyed) gone()
    else response.once('close', gone)
  }
}
