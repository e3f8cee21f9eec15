import { describe, expect, it } from 'vitest'
import { compilePlan } from '../plan.ts'
import { scanText } from '../redactor.ts'
import { confidentialIndex } from './confidential-index.ts'
import { confidentialActions } from './entities.ts'
import type { FingerprintSource } from './fingerprint-source.ts'
import { fingerprintKey } from './keyed-hash.ts'
import { DocumentReader } from './read-documents.ts'

const KEY = fingerprintKey(new Uint8Array(32).fill(9))
const FORMULA =
  'The Court, sitting as a Chamber composed of its President and six judges, having deliberated in private on the dates given below, delivers the following judgment, which was adopted on the last mentioned date. '
/** Prose that no other number gives. */
const prose = (seed: number, words = 120): string => {
  let state = seed
  const next = (bound: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
  const word = (): string => Array.from({ length: 3 + next(6) }, () => 'abcdefghiklmnoprstuvw'[next(21)]).join('')
  return Array.from({ length: words }, word).join(' ')
}
const register = (text: string, kind: 'document' | 'public' = 'document'): FingerprintSource => {
  const reader = new DocumentReader(KEY, kind)
  reader.push(text)
  return reader.finish()
}
const ACTIONS = { CONFIDENTIAL_DOCUMENT: 'mask' } as const
const finds = (text: string, sources: readonly FingerprintSource[], boilerplate?: number): boolean => {
  const plan = { ...compilePlan(ACTIONS), confidential: { index: confidentialIndex(KEY, sources, { boilerplate }), actions: confidentialActions(ACTIONS), mode: 'hold' as const } } // prettier-ignore
  return scanText(text, plan).findings.length > 0
}
const other = `${FORMULA}${prose(999)}`

describe('what many documents have in common (C7)', () => {
  it('is let go from three documents on, and not before', () => {
    const judgments = [1, 2, 3].map((seed) => register(`${FORMULA}${prose(seed)}`))
    expect([1, 2, 3].map((many) => finds(other, judgments.slice(0, many)))).toEqual([true, true, false])
    expect(finds(other, judgments, 0)).toBe(true)
    expect(finds(other, judgments, 4)).toBe(true)
  })

  it('does not take what one or two of them have: every paragraph of their own is found', () => {
    const shared = prose(77, 40)
    const own = [1, 2, 3, 4].map((seed) => `${FORMULA}${prose(seed)}${seed < 3 ? ` ${shared}` : ''}`)
    const sources = own.map((text) => register(text))
    for (const seed of [1, 2, 3, 4]) {
      const text = prose(seed)
      for (let at = 0; at + 150 < text.length; at += 50) expect([seed, at, finds(text.slice(at, at + 150), sources)]).toEqual([seed, at, true])
    }
    expect(finds(shared, sources)).toBe(true)
    expect(finds(other, sources)).toBe(false)
  }) // prettier-ignore

  it('does not take a document that is there in several versions', () => {
    const versions = [1, 2, 3, 4].map((version) => register(`${prose(5, 200)} ${prose(100 + version, 20)}`))
    expect(finds(prose(5, 200).slice(100, 300), versions)).toBe(true)
  })

  it('is counted: how much of each document is looked for', () => {
    const judgments = [1, 2, 3].map((seed) => register(`${FORMULA}${prose(seed)}`))
    const single = register(prose(4))
    const { lookedFor } = confidentialIndex(KEY, [...judgments, single])
    for (const judgment of judgments) {
      expect(lookedFor.get(judgment)).toBeLessThan(judgment.passages.high.length)
      expect(lookedFor.get(judgment)).toBeGreaterThan(judgment.passages.high.length / 2)
    }
    expect(lookedFor.get(single)).toBe(single.passages.high.length)
    const open = confidentialIndex(KEY, [judgments[0]!, register(FORMULA, 'public')])
    expect(open.lookedFor.get(judgments[0]!)).toBeLessThan(judgments[0]!.passages.high.length)
  })
})
