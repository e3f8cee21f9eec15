import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { subscriberOf } from './subscriber.ts'

describe('the subscriber that an address belongs to', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:0a00:0001', '10.0.0.1'],
    ['0:0:0:0:0:ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:3:4:10.0.0.1', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', 'unknown'],
    ['localhost', 'unknown'],
    [undefined, 'unknown'],
  ])('is for %s %s', (address, subscriber) => {
    expect(subscriberOf(address)).toBe(subscriber)
  })

  it('is one for the 2^64 addresses of a /64, and another for the next', () => {
    const word = fc.integer({ min: 1, max: 0xffff })
    fc.assert(
      fc.property(fc.array(word, { minLength: 8, maxLength: 8 }), fc.array(word, { minLength: 4, maxLength: 4 }), (words, others) => {
        const text = (all: readonly number[]): string => all.map((one) => one.toString(16)).join(':')
        const prefix = words.slice(0, 4)
        const one = subscriberOf(text(words))
        expect(subscriberOf(text([...prefix, ...others]))).toBe(one)
        expect(subscriberOf(text([...prefix.slice(0, 3), prefix[3]! ^ 1, ...others]))).not.toBe(one)
      }),
      { seed: 64 },
    )
  })
})
