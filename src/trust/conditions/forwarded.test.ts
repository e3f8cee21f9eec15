import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { SourceAddresses, sourceAddress } from './forwarded.ts'

const PROXY = '10.0.0.1'
const behind = new SourceAddresses(['10.0.0.0/24', 'fd00::/64'])

function request(remoteAddress: string, headers: Readonly<Record<string, string>> = {}): IncomingMessage {
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage
}

function caller(remoteAddress: string, headers: Readonly<Record<string, string>> = {}, sources = behind): string {
  const asked = request(remoteAddress, headers)
  try {
    sources.settle(asked)
    return sourceAddress(asked)
  } catch (thrown) {
    return thrown instanceof RedoubtError ? `${thrown.status} ${thrown.code}` : String(thrown)
  }
}

const REFUSED = '400 ERR_FORWARDED_INVALID'

describe('the caller behind proxies (B7)', () => {
  it('is the other end of the connection when no proxy is named', () => {
    const none = new SourceAddresses([])
    expect(caller('::ffff:192.0.2.1', { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9' }, none)).toBe('192.0.2.1')
  })

  it('is the other end of the connection for whoever is no named proxy, whatever it sends', () => {
    for (const headers of [{ 'x-forwarded-for': '203.0.113.9' }, { forwarded: 'for=203.0.113.9' }, { 'x-forwarded-for': '((' }])
      expect(caller('192.0.2.1', headers)).toBe('192.0.2.1')
  })

  it('is what a named proxy says', () => {
    expect(caller(PROXY, { 'x-forwarded-for': '203.0.113.9' })).toBe('203.0.113.9')
    expect(caller('::ffff:10.0.0.1', { 'x-forwarded-for': '203.0.113.9' })).toBe('203.0.113.9')
    expect(caller('fd00::5', { forwarded: 'for=203.0.113.9;proto=https;by=_p' })).toBe('203.0.113.9')
    expect(caller(PROXY, { forwarded: 'For="[2001:DB8::17]:4711"' })).toBe('2001:db8::17')
    expect(caller(PROXY, { forwarded: 'for="203.0.113.9:80"' })).toBe('203.0.113.9')
    expect(caller(PROXY, { 'x-forwarded-for': '203.0.113.9:4711' })).toBe('203.0.113.9')
    expect(caller(PROXY, { 'x-forwarded-for': '[2001:db8::17]:4711' })).toBe('2001:db8::17')
    expect(caller(PROXY, { 'x-forwarded-for': '::ffff:203.0.113.9' })).toBe('203.0.113.9')
    expect(caller(PROXY)).toBe(PROXY)
  })

  it('is the rightmost hop that is no named proxy: what a client writes itself stands left of it', () => {
    expect(caller(PROXY, { 'x-forwarded-for': '10.20.30.40, 203.0.113.9' })).toBe('203.0.113.9')
    expect(caller(PROXY, { 'x-forwarded-for': '10.20.30.40, 203.0.113.9, 10.0.0.7' })).toBe('203.0.113.9')
    expect(caller(PROXY, { 'x-forwarded-for': 'nonsense"(, 203.0.113.9' })).toBe('203.0.113.9')
    expect(caller(PROXY, { forwarded: 'for=10.20.30.40, for=203.0.113.9, for=10.0.0.7' })).toBe('203.0.113.9')
    expect(caller(PROXY, { 'x-forwarded-for': '10.0.0.9, 10.0.0.8' })).toBe('10.0.0.9')
  })

  it('is not what a client puts into the header that its proxy does not write', () => {
    expect(caller(PROXY, { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=10.20.30.40' })).toBe(REFUSED)
    expect(caller(PROXY, { 'x-forwarded-for': '10.20.30.40', forwarded: 'for=203.0.113.9' })).toBe(REFUSED)
    expect(caller(PROXY, { 'x-forwarded-for': '203.0.113.9', forwarded: 'for="203.0.113.9:1"' })).toBe('203.0.113.9')
  })

  it('is not what a client hides behind an open quotation mark', () => {
    for (const mine of ['for="x', 'for=10.20.30.40;a="', 'a="\\"', 'for=10.20.30.40;by="\\'])
      for (const added of ['for=203.0.113.9', 'for="203.0.113.9:80"', 'for="[2001:db8::1]";proto=https', 'for=203.0.113.9;host="a.test"'])
        expect(caller(PROXY, { forwarded: `${mine}, ${added}` }), `${mine}, ${added}`).toBe(REFUSED)
  })

  it('is refused when a named proxy names nobody', () => {
    for (const forwarded of [
      '',
      'for',
      'for=',
      'for=unknown',
      'for=_hidden',
      'for=203.0.113.9,',
      ',for=203.0.113.9',
      'for=203.0.113.9;',
      'proto=https',
      'for=203.0.113.9, proto=https',
      'for=203.0.113.9;for=203.0.113.8',
      'for=2001:db8::1',
      'for="2001:db8::1%eth0"',
      'for = 203.0.113.9',
      'for=203.0.113.9 for=1.1.1.1',
      `for=203.0.113.9;x=${'y'.repeat(5_000)}`,
    ])
      expect(caller(PROXY, { forwarded }), forwarded.slice(0, 40)).toBe(REFUSED)
    for (const header of ['', 'unknown', '203.0.113.9,', '1.2.3', '203.0.113.9 198.51.100.1', '-', 'a'.repeat(5_000)])
      expect(caller(PROXY, { 'x-forwarded-for': header }), header.slice(0, 40)).toBe(REFUSED)
    expect(caller(PROXY, { 'x-forwarded-for': Array.from({ length: 40 }, () => '10.0.0.2').join(',') })).toBe(REFUSED)
  })
})
