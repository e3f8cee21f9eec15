import type { IncomingMessage } from 'node:http'

export interface LingerBounds {
  /** What may still come of a body after its answer. */
  readonly lingerBytes: number
  /** How long it may take. */
  readonly lingerMs: number
}

/** How often what came is counted: it goes past the parser unseen. */
const COUNT_MS = 50

/**
 * Reads what a caller still sends of a body that was answered before its end, and throws it away: closing at once would reset the
 * connection, and the reset may overtake the answer. Past a bound the connection is closed, or a refused caller could send for ever.
 * @see RFC 9112 §9.6
 */
export function linger(request: IncomingMessage, { lingerBytes, lingerMs }: LingerBounds): void {
  const { socket } = request
  if (request.complete || socket.destroyed) return
  const most = socket.bytesRead + lingerBytes
  const until = performance.now() + lingerMs
  const count = setInterval(() => {
    if (request.complete) clearInterval(count)
    else if (socket.bytesRead > most || performance.now() > until) socket.destroy()
  }, COUNT_MS)
  socket.once('close', () => clearInterval(count))
  // Whoever read it piece by piece and gave up still listens, and holds it.
  request.removeAllListeners('readable')
  request.resume()
}
