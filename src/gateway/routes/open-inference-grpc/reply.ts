import { Metadata, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js'
import type { Reply } from '#gateway/pipeline'
import { grpcStatus } from './status.ts'

/** Headers of the HTTP twin that mean nothing here. */
const LEFT_OUT: ReadonlySet<string> = new Set(['content-type', 'content-length', 'cache-control', 'connection'])

/**
 * A `Reply` over one unary call. What other surfaces send as headers goes out as metadata.
 * @param message the answer as a message; asked for when the pipeline sends a success.
 */
export function grpcReply(call: ServerUnaryCall<Buffer, object>, callback: sendUnaryData<object>, message: () => object): Reply {
  const always: Record<string, string> = {}
  let sent = false
  const metadata = (headers: Readonly<Record<string, string>>): Metadata => {
    const out = new Metadata()
    for (const [name, value] of Object.entries({ ...always, ...headers })) if (!LEFT_OUT.has(name)) out.set(name, value)
    return out
  }
  return {
    started: false,
    setHeaders: (headers) => void Object.assign(always, headers),
    send(httpStatus, headers, body) {
      if (sent || call.cancelled) return
      sent = true
      // An error carries what there is to say in its trailers, all of it: clients see no other headers then.
      if (httpStatus >= 400) return callback({ code: grpcStatus(httpStatus), details: body, metadata: metadata(headers) })
      call.sendMetadata(metadata(headers))
      return callback(null, message())
    },
    // No operation of this protocol streams.
    start: () => undefined,
    write: () => false,
    onDrain: () => undefined,
    end: () => undefined,
    onGone(listener) {
      if (call.cancelled) listener()
      else call.once('cancelled', listener)
    },
  }
}
