import { type Clock, RedoubtError } from '#foundation/core'
import { type LegStrength, type OutboundTls, outboundTls } from '#foundation/crypto'
import type { Configuration } from '../configuration.ts'
import type { LegException } from './config.ts'

const DAY_MS = 86_400_000
const MAX_DAYS = 366

/** Epoch milliseconds of the end of its last day, wherever on Earth that is first: in UTC. */
export function endOf({ until }: LegException): number {
  return Date.parse(until) + DAY_MS
}

/**
 * What a connection is held to at this moment: what an exception in force allows; else a post-quantum hybrid in production, and TLS 1.3 in
 * development, where `redoubt keys legs` and the doctor tell of what is weaker.
 */
export function strengthOf(
  leg: string,
  { profile, legs }: Pick<Configuration, 'profile' | 'legs'>,
  now: number,
): { readonly strength: LegStrength; readonly exception: LegException | null } {
  const exception = legs.exceptions.find((each) => each.leg === leg && now < endOf(each)) ?? null
  return { exception, strength: exception?.allow ?? (profile === 'production' ? 'hybrid' : 'classical') }
}

/** For the rooms that connect to others; asked at each connection. */
export function heldLegs(configuration: Pick<Configuration, 'profile' | 'legs'>, clock: Pick<Clock, 'now'>): OutboundTls {
  return (leg) => outboundTls(strengthOf(leg, configuration, clock.now()).strength)
}

/**
 * An exception that never ends is none, and one for a leg that there is not protects nobody from its typing error.
 * @param names of the legs that there are.
 * @throws {RedoubtError} `ERR_CONFIG_INVALID`.
 */
export function refuseExceptions({ legs }: Pick<Configuration, 'legs'>, names: ReadonlySet<string>, now: number): void {
  for (const exception of legs.exceptions) {
    const { leg, until } = exception
    if (!names.has(leg))
      throw new RedoubtError(
        'ERR_CONFIG_INVALID',
        `\`legs.exceptions\`: there is no \`${leg}\`; there are ${[...names].join(', ') || 'none'}`,
      )
    if (endOf(exception) - now > MAX_DAYS * DAY_MS)
      throw new RedoubtError('ERR_CONFIG_INVALID', `\`legs.exceptions\`: the one for \`${leg}\` may last a year, not until ${until}`)
  }
}
