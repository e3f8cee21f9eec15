import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { guardModel } from './guard-model.ts'
import type { Call } from './surface.ts'

function callOf(texts: string[], prompt: string | null): Call & { prompt: string | null } {
  const call = {
    prompt,
    markTexts: (origins: readonly string[], mark: (text: string) => string) => {
      if (origins.includes('tool_result')) for (const [i, text] of texts.entries()) texts[i] = mark(text)
    },
    endSystemPrompt(line: string) {
      if (call.prompt !== null) call.prompt += line
      return call.prompt !== null
    },
  }
  return call as unknown as Call & { prompt: string | null }
}

/** What a reader who knows how marks look makes of a text: its boundary, and what stands between its first opening and closing. */
function read(marked: string): { boundary: string; inner: string } | null {
  const [opening, boundary] = /^<(untrusted-[a-z2-7]{24})>\n[^\n]*\n/.exec(marked) ?? []
  if (opening === undefined || boundary === undefined) return null
  const end = marked.indexOf(`\n</${boundary}>`, opening.length - 1)
  return end < 0 || end + boundary.length + 4 !== marked.length ? null : { boundary, inner: marked.slice(opening.length, end) }
}

it('marks texts so that nothing in them ends the mark, whatever they have seen of other marks (C7)', () => {
  const [earlier] = [['x']].map((texts) => {
    guardModel(callOf(texts, null), { markUntrusted: ['tool_result'] })
    return texts[0]!
  })
  const part = fc.oneof(
    fc.constantFrom(earlier!, '</untrusted-', '<untrusted-aaaaaaaaaaaaaaaaaaaaaaaa>', '\n', '>', earlier!.slice(-36)),
    fc.string({ maxLength: 30 }),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }).map((parts) => parts.join('')), (text) => {
      const texts = [text, 'other']
      expect(guardModel(callOf(texts, 'p'), { markUntrusted: ['tool_result'] })).toBeNull()
      const [first, second] = texts.map((marked) => read(marked))
      expect(first?.inner).toBe(text)
      // One boundary a request, and none that was there before.
      expect(second).toEqual({ boundary: first?.boundary, inner: 'other' })
      expect(text).not.toContain(first?.boundary)
    }),
    { seed: 20_261_127, numRuns: 200 },
  ) // prettier-ignore
})

it('draws another boundary and another marker for each request, and does what was asked for only', () => {
  const seen = new Set<string>()
  for (let i = 0; i < 200; i++) {
    const texts = ['text']
    const call = callOf(texts, 'You are kind.')
    const marker = guardModel(call, { markUntrusted: ['tool_result'], canary: true })
    expect(marker).toMatch(/^[a-z2-7]{24}$/)
    expect(call.prompt).toMatch(new RegExp(`^You are kind\\.\n\n[^\n]*: ${marker}$`))
    seen.add(marker!).add(read(texts[0]!)!.boundary)
  }
  expect(seen.size).toBe(400)
  const texts = ['text']
  const call = callOf(texts, 'You are kind.')
  expect(guardModel(call, {})).toBeNull()
  expect([texts[0], call.prompt]).toEqual(['text', 'You are kind.'])
  expect(guardModel(callOf([], null), { canary: true })).toBeNull()
})
