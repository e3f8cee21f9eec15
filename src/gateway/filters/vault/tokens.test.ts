import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compilePlan } from '../plan.ts'
import { ENTITIES } from '../presets.ts'
import { scanText } from '../redactor.ts'
import { isToken, LONGEST_TOKEN, newToken, restoreTokens, TokenRestorer, tokensIn } from './tokens.ts'

const A = '[[EMAIL_ADDRESS_bcdfghjklmnpqrstbcdfghjk]]'
const B = '[[PERSON_tttttttttttttttttttttttt]]'
const valueOf = (token: string): string | null => (token === A ? 'jane@example.com' : null)

describe('tokens (C6)', () => {
  it('are found whole or not at all', () => {
    expect(tokensIn(`x${A}${B} [[EMAIL_ADDRESS_bcd]] [EMAIL_ADDRESS] [${A}]`, 10)).toEqual([A, B, A])
    expect(tokensIn(A.repeat(5), 2)).toHaveLength(2)
    expect(isToken(A)).toBe(true)
    for (const text of [`${A} `, A.slice(1), A.toUpperCase(), '[[email_bcdfghjklmnpqrstbcdfghjk]]']) expect(isToken(text)).toBe(false)
    for (const entity of ENTITIES) expect(newToken(entity).length).toBeLessThanOrEqual(LONGEST_TOKEN)
  })

  it('are never the same twice, and are no value to any recogniser, wherever they stand', () => {
    const everything = compilePlan(Object.fromEntries([...ENTITIES].map((entity) => [entity, 'mask'] as const)))
    const seen = new Set<string>()
    for (const entity of ENTITIES)
      for (const frame of [
        '%',
        'call % now',
        'password: %',
        'api_key=%',
        '"token":"%"',
        'SSN %, card %',
        'patient MRN %',
        'mail %@x',
        'http://x.com/%',
      ]) {
        const token = newToken(entity)
        expect(seen.has(token)).toBe(false)
        seen.add(token)
        const text = frame.replaceAll('%', token)
        const { text: out } = scanText(text, everything)
        expect(tokensIn(out, 9), text).toEqual(tokensIn(text, 9))
      }
  })

  it('are turned back the same for every cutting, and hold back no more than the start of one', () => {
    const pieces = fc.constantFrom(A, B, '[[', '[', ']', '[[EMAIL', 'x ', A.slice(0, 30), '😀', 'EMAIL_ADDRESS_b', ']]')
    fc.assert(
      fc.property(
        fc.array(pieces, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 9 }),
        (parts, sizes) => {
          const text = parts.join('')
          const restorer = new TokenRestorer(valueOf)
          let out = ''
          for (let at = 0, i = 0; at < text.length; i++) {
            const size = sizes[i % sizes.length]!
            out += restorer.push(text.slice(at, at + size))
            expect(restorer.heldBack).toBeLessThan(LONGEST_TOKEN)
            at += size
          }
          expect(out + restorer.flush()).toBe(restoreTokens(text, valueOf))
        },
      ),
      { seed: 20261127, numRuns: 1000 },
    )
    const restorer = new TokenRestorer(valueOf)
    expect(restorer.push('a list [1] and [2')).toBe('a list [1] and [2')
    expect([restorer.push(A.slice(0, 20)), restorer.push(A.slice(20))]).toEqual(['', 'jane@example.com'])
  })

  it('take time linear in the text', () => {
    for (const unit of ['[', '[[', '[[A', '[[A_b', ']]'])
      for (const restore of [(text: string) => restoreTokens(text, valueOf), (text: string) => tokensIn(text, 9).length, pushed]) {
        const started = performance.now()
        restore(unit.repeat(200_000))
        expect(performance.now() - started, unit).toBeLessThan(2_000)
      }
  })
})

function pushed(text: string): string {
  const restorer = new TokenRestorer(valueOf)
  let out = ''
  for (let at = 0; at < text.length; at += 1_000) out += restorer.push(text.slice(at, at + 1_000))
  return out + restorer.flush()
}
