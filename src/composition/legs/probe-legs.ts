import type { Clock } from '#foundation/core'
import { type Handshake, isHybridGroup, outboundTls, probeTls } from '#foundation/crypto'
import type { Configuration } from '../configuration.ts'
import type { LegException } from './config.ts'
import type { Leg } from './legs.ts'
import { startTls } from './start-tls.ts'
import { strengthOf } from './strength.ts'

/** What one connection is protected by, as a handshake made now shows. */
export interface LegReport {
  readonly leg: string
  readonly direction: 'in' | 'out'
  /** Host and port. */
  readonly address: string
  /**
   * `protected`: TLS 1.3 with a post-quantum hybrid. `excepted`: weaker, by an exception in force. `weak`: weaker, and nobody said that it may be; in
   * production nothing is sent over it. `local`: no TLS, on this host alone. `unknown`: there was no handshake.
   */
  readonly verdict: 'protected' | 'excepted' | 'weak' | 'local' | 'unknown'
  readonly protocol: string | null
  readonly group: string | null
  readonly cipher: string | null
  /** End of the peer's certificate, epoch milliseconds. */
  readonly certificateNotAfter: number | null
  /** Of our own doors: whether a caller that speaks TLS 1.2 alone is refused. */
  readonly refusesOlder: boolean | null
  readonly exception: Pick<LegException, 'allow' | 'reason' | 'until'> | null
  readonly detail: string
}

/** Makes a handshake with each leg, all at the same time; 10 s at most. Nothing is sent over them. */
export function probeLegs(
  legs: readonly Leg[],
  configuration: Pick<Configuration, 'profile' | 'legs'>,
  clock: Clock,
): Promise<LegReport[]> {
  return Promise.all(legs.map((leg) => probeLeg(leg, configuration, clock.now())))
}

async function probeLeg(leg: Leg, configuration: Pick<Configuration, 'profile' | 'legs'>, now: number): Promise<LegReport> {
  const { exception } = strengthOf(leg.name, configuration, now)
  const report = {
    leg: leg.name,
    direction: leg.direction,
    address: `${leg.host.includes(':') ? `[${leg.host}]` : leg.host}:${leg.port}`,
    protocol: null,
    group: null,
    cipher: null,
    certificateNotAfter: null,
    refusesOlder: null,
    exception: exception === null ? null : { allow: exception.allow, reason: exception.reason, until: exception.until },
  }
  if (leg.transport === 'plain') return { ...report, verdict: 'local', detail: 'no TLS; it does not leave this host' }
  // As weak as an exception could ever allow: what the other side would settle for is to be seen.
  const seen = await handshake(leg, 'tls1.2')
  if (typeof seen === 'string') return { ...report, verdict: 'unknown', detail: seen }
  const refusesOlder = leg.direction === 'in' ? typeof (await handshake(leg, 'tls1.2', 'TLSv1.2')) === 'string' : null
  const strength = strengthSeen(seen)
  const verdict = strength === 'hybrid' && refusesOlder !== false ? 'protected' : allowed(strength, exception) ? 'excepted' : 'weak'
  const { protocol, group, cipher } = seen
  const certificateNotAfter = Date.parse(seen.notAfter)
  const detail = { hybrid: '', classical: 'no post-quantum hybrid', 'tls1.2': 'TLS 1.2' }[strength]
  return {
    ...report,
    protocol,
    group,
    cipher,
    certificateNotAfter,
    refusesOlder,
    verdict,
    detail: refusesOlder === false ? 'accepts TLS 1.2' : detail,
  }
}

async function handshake(leg: Leg, strength: 'tls1.2', maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3'): Promise<Handshake | string> {
  const options = {
    ...outboundTls(strength),
    // Both hybrids before all else, so that what is seen is the best that the other side has.
    ecdhCurve: 'X25519MLKEM768:SecP256r1MLKEM768:X25519:P-256',
    maxVersion,
    servername: leg.servername,
    rejectUnauthorized: true,
    ...(leg.ca === undefined ? {} : { ca: leg.ca }),
  }
  if (leg.transport === 'tls') return probeTls({ ...options, host: leg.host, port: leg.port })
  const socket = await startTls(leg.host, leg.port)
  return typeof socket === 'string' ? socket : probeTls({ ...options, socket })
}

function strengthSeen({ protocol, group }: Handshake): 'hybrid' | 'classical' | 'tls1.2' {
  if (protocol !== 'TLSv1.3') return 'tls1.2'
  return isHybridGroup(group) ? 'hybrid' : 'classical'
}

function allowed(strength: 'hybrid' | 'classical' | 'tls1.2', exception: LegException | null): boolean {
  return exception !== null && (strength === 'classical' || exception.allow === 'tls1.2')
}
