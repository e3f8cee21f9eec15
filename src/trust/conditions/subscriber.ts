import { addressBytes, canonicalAddress } from './address.ts'

/** Whoever names no address is one caller. */
const UNKNOWN = 'unknown'

/**
 * Who pays for a request that nobody is known to have made: the one subscriber that an address belongs to. An IPv4 address, however it is
 * written; of IPv6 the /64, which is the least that one subscriber is given (RFC 6177 §2, RFC 7934 §4) and holds 2^64 addresses. Everything
 * that counts, paces, locks or remembers callers by their address counts by this.
 * @param address of the caller behind the proxies that the operator named (`sourceAddress`), in any spelling.
 */
export function subscriberOf(address: string | undefined): string {
  const canonical = canonicalAddress(address ?? '')
  const bytes = canonical === null ? null : addressBytes(canonical)
  if (canonical === null || bytes === null) return UNKNOWN
  if (bytes.length === 4) return canonical
  const words = [0, 2, 4, 6].map((at) => ((bytes[at]! << 8) | bytes[at + 1]!).toString(16))
  return `${words.join(':')}::/64`
}
