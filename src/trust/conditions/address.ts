import { isIP } from 'node:net'

/** An address as 4 or 16 bytes. */
export type AddressBytes = Uint8Array

const V4_BYTES = 4
const V6_BYTES = 16
/** `::ffff:0:0/96`: IPv4 inside of IPv6 (RFC 4291 §2.5.5.2). */
const MAPPED_BITS = 96

/**
 * The address that a socket or a header names, in one spelling per address: IPv4 inside of IPv6 as IPv4, no zone, RFC 5952 for the rest.
 * @returns null for what is no address.
 */
export function canonicalAddress(text: string): string | null {
  const zone = text.indexOf('%')
  const plain = zone < 0 ? text : text.slice(0, zone)
  const family = isIP(plain)
  if (family === 4) return plain
  if (family === 0) return null
  const bytes = v6Bytes(plain)
  return isMapped(bytes) ? [...bytes.subarray(12)].join('.') : v6Text(bytes)
}

/** @param address canonical. @returns null for what is no address. */
export function addressBytes(address: string): AddressBytes | null {
  const family = isIP(address)
  if (family === 4) return v4Bytes(address)
  if (family === 0 || address.includes('%')) return null
  const bytes = v6Bytes(address)
  return isMapped(bytes) ? bytes.slice(12) : bytes
}

/** A range of addresses of one family. */
export interface AddressRange {
  readonly bytes: AddressBytes
  readonly bits: number
}

/** @returns null for what is no range, or one whose address has bits beyond the prefix: that is a typing error more often than not. */
export function parseRange(text: string): AddressRange | null {
  const [, address = '', suffix] = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  if (family === 0) return null
  const raw = family === 4 ? v4Bytes(address) : v6Bytes(address)
  const length = suffix === undefined ? raw.length * 8 : Number(suffix)
  if (length > raw.length * 8) return null
  const mapped = raw.length === V6_BYTES && length >= MAPPED_BITS && isMapped(raw)
  const bytes = mapped ? raw.slice(12) : raw
  const bits = mapped ? length - MAPPED_BITS : length
  return equalPrefix(bytes, masked(bytes, bits), bytes.length * 8) ? { bytes, bits } : null
}

export function inRange(bytes: AddressBytes, range: AddressRange): boolean {
  return bytes.length === range.bytes.length && equalPrefix(bytes, range.bytes, range.bits)
}

/** The network that an unnamed address is taken to be of: its /24, or its /48 in IPv6. */
export function surrounding(bytes: AddressBytes): AddressBytes {
  return masked(bytes, bytes.length === V4_BYTES ? 24 : 48)
}

function equalPrefix(left: AddressBytes, right: AddressBytes, bits: number): boolean {
  const whole = bits >> 3
  for (let at = 0; at < whole; at++) if (left[at] !== right[at]) return false
  const rest = bits & 7
  return rest === 0 || (left[whole]! ^ right[whole]!) >> (8 - rest) === 0
}

function masked(bytes: AddressBytes, bits: number): AddressBytes {
  return bytes.map((byte, at) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - at * 8))) & 0xff)
}

const v4Bytes = (text: string): AddressBytes => Uint8Array.from(text.split('.'), Number)

/** @param text what `isIP` calls 6, without a zone. */
function v6Bytes(text: string): AddressBytes {
  const bytes = new Uint8Array(V6_BYTES)
  const [head, tail] = text.split('::') as [string, string?]
  const front = groups(head)
  const back = tail === undefined ? [] : groups(tail)
  bytes.set(front, 0)
  bytes.set(back, V6_BYTES - back.length)
  return bytes
}

function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return [...v4Bytes(group)]
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

function isMapped(bytes: AddressBytes): boolean {
  for (let at = 0; at < 10; at++) if (bytes[at] !== 0) return false
  return bytes[10] === 0xff && bytes[11] === 0xff
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups cut out. */
function v6Text(bytes: AddressBytes): string {
  const words = Array.from({ length: 8 }, (_, n) => ((bytes[2 * n]! << 8) | bytes[2 * n + 1]!).toString(16))
  let [start, length] = [-1, 1]
  for (let at = 0; at < 8; at++) {
    let end = at
    while (end < 8 && words[end] === '0') end++
    if (end - at > length) [start, length] = [at, end - at]
    at = Math.max(at, end - 1)
  }
  return start < 0 ? words.join(':') : `${words.slice(0, start).join(':')}::${words.slice(start + length).join(':')}`
}
