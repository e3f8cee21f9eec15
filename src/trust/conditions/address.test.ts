import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressBytes, canonicalAddress, inRange, parseRange, surrounding } from './address.ts'
import { Networks } from './networks.ts'

const bytes = (address: string): Uint8Array => addressBytes(canonicalAddress(address) ?? '') ?? new Uint8Array()

describe('addresses', () => {
  it('have one spelling each', () => {
    for (const [text, canonical] of [
      ['192.0.2.1', '192.0.2.1'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
      ['::FFFF:c000:0201', '192.0.2.1'],
      ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
      ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['2001:0db8::0001', '2001:db8::1'],
      ['::', '::'],
      ['::1', '::1'],
      ['1::', '1::'],
      ['fe80::1%eth0', 'fe80::1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ] as const)
      expect(canonicalAddress(text), text).toBe(canonical)
  })

  it('are nothing else', () => {
    for (const text of ['', 'localhost', '1.2.3', '01.2.3.4', '1.2.3.256', ':::', '1:2:3:4:5:6:7:8:9', '0x7f.0.0.1', '1.2.3.4 ', '[::1]'])
      expect(canonicalAddress(text), text).toBeNull()
  })

  it('lie in a range exactly when Node says so', () => {
    const seed = 20_261_127
    const octet = fc.integer({ min: 0, max: 255 })
    const group = fc.integer({ min: 0, max: 0xffff })
    const v4 = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join('.'))
    const v6 = fc
      .array(group, { minLength: 8, maxLength: 8 })
      .map((parts) => parts.map((part) => part.toString(16)).join(':'))
      .filter((text) => canonicalAddress(text)?.includes(':') === true)
    const pair = (address: typeof v4, bits: number) => fc.tuple(address, address, fc.integer({ min: 0, max: bits }), fc.boolean())
    fc.assert(
      fc.property(fc.oneof(pair(v4, 32), pair(v6, 128)), ([base, other, bits, near]) => {
        const range = { bytes: bytes(base), bits }
        // Half of the addresses share the first bytes of the range, else they would hardly ever lie in it.
        const probe = near ? Uint8Array.from(bytes(other), (byte, at) => (at < bits >> 3 ? (range.bytes[at] ?? 0) : byte)) : bytes(other)
        const text = probe.length === 4 ? [...probe].join('.') : Buffer.from(probe).toString('hex').match(/.{4}/g)!.join(':')
        const family = isIP(base) === 4 ? 'ipv4' : 'ipv6'
        const list = new BlockList()
        list.addSubnet(base, bits, family)
        expect(inRange(probe, range)).toBe(list.check(text, family))
      }),
      { seed, numRuns: 500 },
    )
  })

  it('of IPv4 inside of IPv6 are IPv4, in ranges too', () => {
    expect(parseRange('::ffff:10.0.0.0/104')).toEqual({ bytes: Uint8Array.of(10, 0, 0, 0), bits: 8 })
    expect(inRange(bytes('::ffff:10.9.9.9'), parseRange('10.0.0.0/8')!)).toBe(true)
    expect(inRange(bytes('10.9.9.9'), parseRange('::/0')!)).toBe(false)
  })

  it('beyond the prefix of a range are refused', () => {
    for (const text of ['10.1.2.3/8', '10.0.0.0/33', '2001:db8::1/32', '10.0.0.0/', '10.0.0.0/8/8', 'fe80::1%eth0/64', '', 'x'])
      expect(parseRange(text), text).toBeNull()
    expect(parseRange('10.1.2.3')?.bits).toBe(32)
  })

  it('without a name are of their /24 or /48', () => {
    expect(surrounding(bytes('192.0.2.77'))).toEqual(bytes('192.0.2.0'))
    expect(surrounding(bytes('2001:db8:1:2::3'))).toEqual(bytes('2001:db8:1::'))
  })
})

describe('named networks', () => {
  const networks = new Networks({
    anywhere: ['0.0.0.0/0'],
    hospital: ['10.0.0.0/8', '2001:db8::/32'],
    'hospital-lan': ['10.20.0.0/16', '2001:db8:20::/48'],
    ward: ['10.20.30.40'],
  })
  const nameOf = (address: string): string => networks.nameOf(bytes(address))

  it('name an address by the longest prefix, whatever the order', () => {
    expect(['10.1.1.1', '10.20.1.1', '10.20.30.40', '192.0.2.1'].map(nameOf)).toEqual(['hospital', 'hospital-lan', 'ward', 'anywhere'])
    expect(['2001:db8:1::1', '2001:db8:20::1', '2001:db9::1'].map(nameOf)).toEqual(['hospital', 'hospital-lan', ''])
    expect(nameOf('::ffff:10.20.30.40')).toBe('ward')
  })
})
