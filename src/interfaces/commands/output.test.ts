import { describe, expect, it } from 'vitest'
import { table, wrapped } from './output.ts'

describe('what a command prints', () => {
  it('breaks a line between words, keeps columns, and indents what follows', () => {
    const line = `ok       disk                    76.0 GiB free for a data directory whose name is somewhat long`
    const [first, second] = wrapped(line, '    ').split('\n')
    expect(first?.startsWith('ok       disk                    76.0')).toBe(true)
    expect(first?.length).toBeLessThanOrEqual(80)
    expect(second).toMatch(/^ {4}\S/)
  })

  it('leaves a word alone that is longer than the line', () => {
    expect(wrapped(`see /${'x'.repeat(100)} now`, '  ')).toBe(`see\n  /${'x'.repeat(100)}\n  now`)
  })

  it('neither cuts nor wraps a table that goes into a pipe', () => {
    const long = 'x'.repeat(200)
    expect(table(['a', 'b'], [[long, long]], null)).toContain(`${long}  ${long}`)
  })
})
