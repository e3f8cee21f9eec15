import { createSecureContext } from 'node:tls'
import type { OutboundTlsOptions } from '#foundation/crypto'
import { buildConnector } from 'undici'

/**
 * Makes connections that are held to what `tls` says at that moment. Sessions are resumed among connections of one strength alone.
 * @param ca PEM certificates in place of the system's roots.
 */
export function protectedConnector(tls: () => OutboundTlsOptions, ca: string | undefined, timeoutMs: number): buildConnector.connector {
  const connectors = new Map<OutboundTlsOptions, buildConnector.connector>()
  return (options, callback) => {
    const held = tls()
    let connector = connectors.get(held)
    if (connector === undefined) {
      const secureContext = createSecureContext({ ...held, ...(ca === undefined ? {} : { ca }) })
      connector = buildConnector({ timeout: timeoutMs, secureContext, rejectUnauthorized: true })
      connectors.set(held, connector)
    }
    connector(options, callback)
  }
}
