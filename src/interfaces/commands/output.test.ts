import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { createOutput, errorText, printable, table, wrapped } from './output.ts'

describe('what a command prints', () => {
  it('breaks a line between words, keeps columns, and indents what follows', () => {
    const line = `ok       disk                    76.0 GiB free for a data directory whose name is somewhat long`
    const [first, second] = wrapped(line, '    ').split('\n')
    expect(first?.startsWith('ok       disk                    76.0')).toBe(true)
    expect(first?.length).toBeLessThanOrEqual(80)
    expect(second).toMatch(/^ {4}\S/)
  })

  it('says what to ask about a refused request as it can be typed', () => {
    const refused = new RedoubtError('ERR_POLICY_DENIED', 'no policy permits this', { evidence: { requestId: 'req_one' } })
    expect(errorText(refused)).toContain('  next  run `redoubt policy why --request req_one`')
    expect(errorText(new RedoubtError('ERR_POLICY_DENIED'))).toContain('with the request id')
  })

  it('leaves a word alone that is longer than the line', () => {
    expect(wrapped(`see /${'x'.repeat(100)} now`, '  ')).toBe(`see\n  /${'x'.repeat(100)}\n  now`)
  })

  it('neither cuts nor wraps a table that goes into a pipe', () => {
    const long = 'x'.repeat(200)
    expect(table(['a', 'b'], [[long, long]], null)).toContain(`${long}  ${long}`)
  })

  it('lets nothing that others typed steer the terminal (CWE-150)', () => {
    expect(printable('one\ttwo\nthree – schön')).toBe('one\ttwo\nthree – schön')
    for (const steering of ['\u001b[2J', '\u009b2J', '\u001b]0;title\u0007', '\r', '\b', '\u202eevil', '\u2066evil'])
      expect([...printable(`a${steering}z`)].every((sign) => /[\p{L}\p{N}\p{P}\p{S}]/u.test(sign))).toBe(true)
    let written = ''
    const writes = { writeOut: (text: string) => void (written += text), writeErr: (text: string) => void (written += text) }
    const output = createOutput(false, writes)
    output.result(null, 'a\u001b[2J')
    output.line('b\u001b[2J')
    output.note('c\u001b[2J')
    output.failure(null, errorText(new RedoubtError('ERR_USAGE', 'no \u001b[31mred')))
    expect(written).not.toContain('\u001b')
    expect(written.split('\n')).toHaveLength(7)
  })
})
