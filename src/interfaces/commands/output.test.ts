import { expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { errorText, printable } from './output.ts'

it('lets nothing that others typed steer the terminal (CWE-150)', () => {
  expect(printable('one\ttwo\nthree – schön')).toBe('one\ttwo\nthree – schön')
  for (const steering of ['\u001b[2J', '\u009b2J', '\u001b]0;title\u0007', '\r', '\b', '\u202eevil', '\u2066evil'])
    expect([...printable(`a${steering}z`)].every((sign) => /[\p{L}\p{N}\p{P}\p{S}]/u.test(sign))).toBe(true)
  expect(errorText(new RedoubtError('ERR_USAGE', 'no \u001b[31mred'))).not.toContain('\u001b')
})
