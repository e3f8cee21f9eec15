import { describe, expect, it } from 'vitest'
import { table, wrap } from './output.ts'

describe('what a command prints', () => {
  it('breaks a line between words, keeps columns, and indents what follows', () => {
    expect(wrap('ok    disk   a lot of space', 6, 20)).toBe('ok    disk   a lot\n      of space')
    expect(wrap('    mend: do it', 4, 80)).toBe('    mend: do it')
  })

  it('leaves a word alone that is longer than the line', () => {
    expect(wrap('see /a/very/long/path now', 2, 10)).toBe('see\n  /a/very/long/path\n  now')
  })

  it('neither cuts nor wraps what goes into a pipe', () => {
    const long = 'x'.repeat(200)
    expect(table(['a', 'b'], [[long, long]])).toContain(`${long}  ${long}`)
  })
})
