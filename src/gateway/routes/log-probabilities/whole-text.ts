import type { TextFilter } from '../chat-completions/texts.ts'
import { isJsonDocument } from '../json-text.ts'
import { nameOf, type SpelledToken } from './tokens.ts'

/** Bytes of the text on each side that an alternative is looked at together with: longer than any number, key or address of interest. */
const CONTEXT_BYTES = 64
/** Units that are looked at for the alternatives of one text. Where there is more, none of them goes out. */
const MAX_LOOKED_AT = 524_288

export interface WholeText {
  /** The text as the upstream wrote it, and as it goes out. */
  readonly raw: string
  readonly out: string
  /** The text was asked for as JSON. */
  readonly json: boolean
}

/**
 * The tokens that spell what goes out: those of the beginning and of the end that the filters left alone. One that reaches into what was
 * changed is dropped, and all from the first that does not spell the text. Of the alternatives none goes out that would make a value.
 * @param quiet filters a text without counting what it finds; null when the alternatives cannot be looked at, so that none goes out.
 */
export function unchangedTokens(tokens: readonly SpelledToken[], text: WholeText, quiet: TextFilter | null): readonly SpelledToken[] {
  const raw = Buffer.from(text.raw)
  const out = Buffer.from(text.out)
  const { head, tail } = unchangedEnds(raw, out)
  const shift = out.length - raw.length
  const points = Array.from(text.out).length - Array.from(text.raw).length
  const kept: { readonly token: SpelledToken; readonly at: number }[] = []
  let at = 0
  for (const token of tokens) {
    const end = at + token.bytes.length
    if (end > raw.length || Buffer.compare(raw.subarray(at, end), token.bytes) !== 0) break
    if (end <= head) kept.push({ token, at })
    else if (at >= raw.length - tail) {
      const { offset } = token
      kept.push({ token: offset === undefined ? token : { ...token, offset: offset + points }, at: at + shift })
    }
    at = end
  }
  // What is escaped in JSON would have to be looked at together with all that stands before it.
  const look = text.json || isJsonDocument(text.raw) ? null : quiet
  const alternatives = look !== null && sequencesPass(kept, look)
  let room = MAX_LOOKED_AT
  return kept.map(({ token, at: place }) => {
    if (token.alternatives.length === 0) return token
    const around = alternatives ? inPlace(token, out, place) : ''
    room -= around.length
    return alternatives && room > 0 && look(around, 'logprobs') === around ? token : { ...token, alternatives: [] }
  })
}

/** How many bytes both begin with and, apart from these, end with. */
function unchangedEnds(raw: Uint8Array, out: Uint8Array): { readonly head: number; readonly tail: number } {
  const most = Math.min(raw.length, out.length)
  let head = 0
  while (head < most && raw[head] === out[head]) head++
  let tail = 0
  while (tail < most - head && raw[raw.length - 1 - tail] === out[out.length - 1 - tail]) tail++
  return { head, tail }
}

/** Each alternative in its place, one below the other. */
function inPlace({ bytes, alternatives }: SpelledToken, out: Buffer, at: number): string {
  const before = out.subarray(Math.max(0, at - CONTEXT_BYTES), at).toString()
  const after = out.subarray(at + bytes.length, at + bytes.length + CONTEXT_BYTES).toString()
  return alternatives.map((one) => `${before}${nameOf(one.bytes)}${after}`).join('\n')
}

/** A value could be spelled by the second choices of a text, or by the choices for one place. */
function sequencesPass(kept: readonly { readonly token: SpelledToken }[], look: TextFilter): boolean {
  const ranks = kept.reduce((most, { token }) => Math.max(most, token.alternatives.length), 0)
  const sequences = [kept.flatMap(({ token }) => token.alternatives.map((one) => nameOf(one.bytes))).join('')]
  for (let rank = 0; rank < ranks; rank++)
    sequences.push(kept.map(({ token }) => nameOf((token.alternatives[rank] ?? token).bytes)).join(''))
  const all = sequences.join('\n')
  return all.length <= MAX_LOOKED_AT && look(all, 'logprobs') === all
}
