import type { Clock } from '#foundation/core'
import type { UpstreamsConfig } from '#gateway/serving'
import type { Configuration } from '../configuration.ts'
import { inboundLegs, outboundLegs } from './legs.ts'
import { type LegReport, probeLegs } from './probe-legs.ts'
import { refuseExceptions } from './strength.ts'

/**
 * All connections of the server, to be asked what protects them.
 * @throws {RedoubtError} `ERR_CONFIG_INVALID` for an exception that names none of them or does not end within a year.
 */
export function openLegs(of: {
  readonly configuration: Configuration
  readonly upstreams: UpstreamsConfig['upstreams']
  readonly resolveTrusted: (reference: string) => string
  readonly clock: Clock
}): (doors: { readonly port: number; readonly grpcPort: number | null; readonly ca: string }) => Promise<readonly LegReport[]> {
  const { configuration, clock } = of
  const outbound = outboundLegs(configuration, of.upstreams, of.resolveTrusted)
  refuseExceptions(configuration, new Set(outbound.map(({ name }) => name)), clock.now())
  const { address, names } = configuration.server
  const servername = names[0] ?? 'localhost'
  return (doors) => probeLegs([...inboundLegs({ ...doors, address, servername }), ...outbound], configuration, clock)
}
