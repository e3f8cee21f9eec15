import type { ServerResponse } from 'node:http'
import type { Reply } from '#gateway/pipeline'

/** A `Reply` over node's HTTP/1.1 response. */
export function httpReply(response: ServerResponse): Reply {
  const always: Record<string, string> = {}
  let started = false
  return {
    get started() {
      return started
    },
    setHeaders(headers) {
      Object.assign(always, headers)
    },
    send(status, headers, body) {
      if (response.writableEnded || response.destroyed) return
      // RFC 9110 §15.5.9: whoever was too slow does not keep the connection.
      const closing = status === 408 ? { connection: 'close' } : {}
      response.writeHead(status, { ...always, ...headers, ...closing, 'content-length': Buffer.byteLength(body) })
      // As text, so that head and body leave in one write and one TLS record.
      response.end(body)
    },
    start(headers) {
      if (started || response.destroyed) return
      started = true
      response.writeHead(200, { ...always, ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' })
    },
    write: (text) => !response.destroyed && response.write(text),
    onDrain: (listener) => void response.once('drain', listener),
    end(closing) {
      if (!response.destroyed) response.end(closing)
    },
    onGone(listener) {
      const gone = (): void => {
        if (!response.writableFinished) listener()
      }
      // Who left while the admission was written is told of at once: the event is over.
      if (response.closed || response.destroyed) gone()
      else response.once('close', gone)
    },
  }
}
