import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { Keys } from '#trust/keys'
import { type Certificates, openCertificates } from './certificates.ts'
import type { Closers } from './closers.ts'
import type { Configuration } from './configuration.ts'
import { type Listener, listen } from './listener.ts'

type Handle = (request: IncomingMessage, response: ServerResponse) => void

/** The port that everything but gRPC comes in by. */
export interface Door {
  readonly certificates: Certificates
  readonly listener: Listener
  /** Origin of the server: what it issues tokens as. */
  readonly address: string
  /** From now on requests are handled; until then each is answered with 503. */
  open(handle: Handle): void
}

/** Identity needs the address before anything listens; port 0 is resolved by listening first and answering 503 until the house stands. */
export async function listenAtDoor(
  of: {
    readonly configuration: Configuration
    readonly clock: Clock
    readonly logger: Logger
    readonly keys: Keys
    /** Where the authority's certificate lies for everyone to read. */
    readonly caPath: string
  },
  closers: Closers,
): Promise<Door> {
  const { configuration, clock, logger, keys, caPath } = of
  const { names } = configuration.server
  const certificates = await openCertificates({ keys, clock, caPath, organisation: configuration.organisation.name, names })
  let handle: Handle = (_request, response) => void response.writeHead(503, { 'retry-after': '1' }).end()
  const listener = await listen({
    ...configuration.server,
    certificates,
    clock,
    logger,
    handle: (request, response) => handle(request, response),
  })
  // Closed again without patience when the house does not come to stand; else it is closed already when this is asked.
  closers.push(() => listener.close(0, () => undefined))
  return {
    certificates,
    listener,
    address: `https://${names[0] ?? 'localhost'}:${listener.port}`,
    open: (handler) => void (handle = handler),
  }
}
