import { expect, it } from 'vitest'
import { countHeader } from './header-lines.ts'

it('counts the lines of a name, in any case, and no values that look like it', () => {
  const sent = ['DPoP', 'a', 'host', 'dpop', 'dpop', 'b', 'x-dpop', 'c', 'DPOP', 'd', 'authorization', 'DPoP x']
  expect(countHeader(sent, 'dpop')).toBe(3)
  expect(countHeader(sent, 'host')).toBe(1)
  expect(countHeader(sent, 'authorization')).toBe(1)
  expect(countHeader(sent, 'absent')).toBe(0)
  expect(countHeader([], 'dpop')).toBe(0)
})
