import type { Server } from 'node:tls'
import type { Clock } from '#foundation/core'
import { type ServerCertificate, TLS_OPTIONS } from '#foundation/crypto'
import type { Logger } from '#foundation/telemetry'
import type { Certificates } from './certificates.ts'

const RENEWAL_CHECK_MS = 60_000

export interface CertificateRenewal {
  /** What new connections are shown. */
  present(): ServerCertificate
  stop(): void
}

/** Renews a listener's certificate at two thirds of its life. Connections that exist keep theirs, so no request is dropped. */
export function renewCertificate(
  server: Pick<Server, 'setSecureContext'>,
  first: ServerCertificate,
  { certificates, clock, logger }: { readonly certificates: Certificates; readonly clock: Clock; readonly logger: Logger },
): CertificateRenewal {
  let certificate = first
  const timer = setInterval(() => {
    if (clock.now() < certificate.renewAt) return
    certificates.issue().then(
      (fresh) => {
        certificate = fresh
        server.setSecureContext({ ...TLS_OPTIONS, key: fresh.privateKeyPem, cert: fresh.certificatePem })
      },
      (error: unknown) => logger.error({ err: error }, 'the certificate of a listener could not be renewed'),
    )
  }, RENEWAL_CHECK_MS)
  timer.unref()
  return { present: () => certificate, stop: () => clearInterval(timer) }
}
