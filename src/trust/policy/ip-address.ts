import { fail } from './evaluation-failure.ts'

// Longest text: eight groups of four digits, seven colons, `/128`.
const MAX_TEXT = 43
const V4_BITS = 32
const V6_BITS = 128

/** Cedar's `ipaddr`: an address with its prefix length; both take part in equality. */
export class IpAddress {
  readonly v6: boolean
  readonly address: number | bigint
  readonly prefix: number
  /** First and last address of the network, inclusive. */
  readonly first: number | bigint
  readonly last: number | bigint

  constructor(v6: boolean, address: number | bigint, prefix: number) {
    this.v6 = v6
    this.address = address
    this.prefix = prefix
    if (v6) {
      const host = (1n << BigInt(V6_BITS - prefix)) - 1n
      const first = (BigInt(address) >> BigInt(V6_BITS - prefix)) << BigInt(V6_BITS - prefix)
      this.first = first
      this.last = first | host
    } else {
      const size = 2 ** (V4_BITS - prefix)
      this.first = Math.floor(Number(address) / size) * size
      this.last = this.first + size - 1
    }
  }

  isInRange(range: IpAddress): boolean {
    return this.v6 === range.v6 && range.first <= this.first && this.last <= range.last
  }

  isLoopback(): boolean {
    return this.v6 ? this.address === 1n && this.prefix === V6_BITS : Math.floor(Number(this.address) / 2 ** 24) === 127 && this.prefix >= 8
  }

  isMulticast(): boolean {
    return this.v6
      ? BigInt(this.address) >> 120n === 0xffn && this.prefix >= 8
      : Math.floor(Number(this.address) / 2 ** 28) === 14 && this.prefix >= 4
  }
}

/** @throws {EvaluationFailure} for what Cedar refuses: leading zeros, IPv4 inside IPv6, zones, a prefix out of range. */
export function parseIpAddress(text: string): IpAddress {
  if (text.length > MAX_TEXT) fail('the address is too long')
  const slash = text.indexOf('/')
  const host = slash < 0 ? text : text.slice(0, slash)
  const v6 = host.includes(':')
  if (text.includes(':') && text.includes('.')) fail('an IPv4 address inside an IPv6 address is not accepted')
  const bits = v6 ? V6_BITS : V4_BITS
  const prefix = slash < 0 ? bits : parsePrefix(text.slice(slash + 1), bits)
  return new IpAddress(v6, v6 ? parseV6(host) : parseV4(host), prefix)
}

function parsePrefix(text: string, bits: number): number {
  if (!/^(0|[1-9][0-9]{0,2})$/.test(text) || Number(text) > bits) fail('the prefix length is not valid')
  return Number(text)
}

function parseV4(text: string): number {
  const match = /^(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})$/.exec(text)
  if (!match) return fail('the address is not valid')
  let address = 0
  for (const octet of match.slice(1)) {
    if (Number(octet) > 255) fail('the address is not valid')
    address = address * 256 + Number(octet)
  }
  return address
}

function parseV6(text: string): bigint {
  const gap = text.indexOf('::')
  const head = groups(gap < 0 ? text : text.slice(0, gap))
  const tail = gap < 0 ? [] : groups(text.slice(gap + 2))
  const missing = 8 - head.length - tail.length
  // The gap stands for one group at least.
  if (gap < 0 ? missing !== 0 : missing < 1) fail('the address is not valid')
  let address = 0n
  for (const group of [...head, ...Array.from({ length: missing }, () => 0), ...tail]) address = (address << 16n) | BigInt(group)
  return address
}

function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').map((group) => (/^[0-9a-fA-F]{1,4}$/.test(group) ? Number.parseInt(group, 16) : fail('the address is not valid')))
}
