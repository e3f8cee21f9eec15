import { asRedoubtError } from '#foundation/core'
import type { Client } from '../client.ts'
import { type Finding, ok, unknown, warning } from './finding.ts'

interface Leg {
  readonly leg: string
  readonly verdict: string
  readonly detail: string
}

/**
 * Connections that are weaker than they should be, as handshakes made now show. Exceptions are told among the insecure defaults, and what
 * is not reached with what it is for.
 */
export async function legChecks(client: Pick<Client, 'call'>): Promise<readonly Finding[]> {
  try {
    const { legs } = await client.call<{ readonly legs: readonly Leg[] }>('/keys/legs')
    const weak = legs.filter(({ verdict }) => verdict === 'weak')
    if (weak.length === 0) return [ok('connections', 'none is weaker than it may be')]
    return weak.map(({ leg, detail }) =>
      warning(
        'connections',
        `\`${leg}\` is weak: ${detail}; in production nothing is sent over it`,
        'have the other side offer TLS 1.3 with X25519MLKEM768, or name an exception that ends under `legs.exceptions`',
      ),
    )
  } catch (thrown) {
    const { code, message, next } = asRedoubtError(thrown)
    return code.startsWith('ERR_POLICY')
      ? [warning('connections', 'not looked at: this account may not view keys', 'have a security officer run `redoubt keys legs`')]
      : [unknown('connections', `they cannot be looked at: ${message}`, next)]
  }
}
