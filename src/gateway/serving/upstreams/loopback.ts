import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { RedoubtError } from '#foundation/core'

/** 127.0.0.0/8 (RFC 1122 §3.2.1.3), ::1 (RFC 4291 §2.5.3) and its IPv4-mapped form. */
export function isLoopbackAddress(address: string): boolean {
  const plain = address.startsWith('[') ? address.slice(1, -1) : address
  const four = plain.toLowerCase().startsWith('::ffff:') ? plain.slice(7) : plain
  if (isIP(four) === 4) return four.startsWith('127.')
  return plain === '::1'
}

/** A loopback address, or a name that promises to be one (RFC 6761 §6.3); the promise is checked again when it is resolved. */
export function isLoopbackName(hostname: string): boolean {
  return hostname === 'localhost' || isLoopbackAddress(hostname)
}

/**
 * Resolves a name and refuses when any address it has is not loopback, so that a hosts file or a resolver cannot lead
 * a plain-text connection off this machine.
 */
export function loopbackLookup(resolve: typeof systemLookup = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      const first = addresses?.[0]
      if (error !== null) return callback(error, [])
      if (first === undefined || !addresses.every(({ address }) => isLoopbackAddress(address))) {
        return callback(new RedoubtError('ERR_UPSTREAM_UNREACHABLE', 'plain http is accepted for loopback addresses only'), [])
      }
      return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family)
    })
  }
}
