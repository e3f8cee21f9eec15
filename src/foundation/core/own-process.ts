import { hostname } from 'node:os'
import type { JsonObject } from './canonical-json.ts'

/** The name (SPIFFE ID) that the server's certificate says it by. */
export const SERVER_SPIFFE_ID = 'spiffe://redoubt/server'

/**
 * Names for the log the process that has rows in clear: by the name in the server's certificate, which whoever talks to it verifies, and by
 * what the host knows it by.
 * @param kind `server` for the process itself, or the kind of a thread of it.
 * @param codeDigest SHA-256, hex, of the code that has the rows.
 * @param thread of a thread, its number.
 */
export function processFacts(kind: 'server' | 'transform-thread', codeDigest: string, thread?: number): JsonObject {
  return {
    kind,
    spiffeId: SERVER_SPIFFE_ID,
    pid: process.pid,
    ...(thread === undefined ? {} : { thread }),
    host: hostname(),
    executable: process.execPath,
    codeDigest,
  }
}
