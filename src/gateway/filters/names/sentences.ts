import { featuresOf, MOST_FEATURES } from './features.ts'
import { entityIndex, type LabelledText } from './labelled-text.ts'
import { beginTag, insideTag } from './tags.ts'
import { Tokeniser, Tokens } from './tokens.ts'

/** What training keeps of a sentence. */
export interface Sentence {
  /** Tag of each token. */
  readonly tags: Uint8Array
  /** Buckets of all tokens, token `i` at `at[i]` … `at[i + 1]`, without those that name its very word: they lie in `identity`, likewise. */
  readonly at: Int32Array
  readonly buckets: Int32Array
  readonly identity: Int32Array
  readonly identityAt: Int32Array
}

/** Cuts a text into sentences as the tagger will, and reads each token's tag off the spans. */
export function sentencesOf({ text, spans }: LabelledText): readonly Sentence[] {
  const tokens = new Tokens()
  const tokeniser = new Tokeniser(
    tokens,
    () => undefined,
    () => undefined,
  )
  tokeniser.push(text)
  tokeniser.flush()
  const sentences: Sentence[] = []
  const room = new Int32Array(MOST_FEATURES)
  let span = 0
  for (let from = 0; from < tokens.size;) {
    let to = from + 1
    while (to < tokens.size && tokens.first[to] === 0) to++
    const tags = new Uint8Array(to - from)
    const at = new Int32Array(to - from + 1)
    const identityAt = new Int32Array(to - from + 1)
    const buckets: number[] = []
    const identity: number[] = []
    let open = -1
    for (let i = from; i < to; i++) {
      while (span < spans.length && spans[span]!.end <= tokens.start[i]!) span++
      const within = span < spans.length && spans[span]!.start < tokens.end[i]!
      if (within) {
        const entity = entityIndex(spans[span]!.entity)
        tags[i - from] = open === span ? insideTag(entity) : beginTag(entity)
      }
      open = within ? span : -1
      const all = new Set(room.subarray(0, featuresOf(tokens, i, tokens.size, room, true)))
      const general = new Set(room.subarray(0, featuresOf(tokens, i, tokens.size, room, false)))
      for (const bucket of general) buckets.push(bucket)
      for (const bucket of all) if (!general.has(bucket)) identity.push(bucket)
      at[i - from + 1] = buckets.length
      identityAt[i - from + 1] = identity.length
    }
    sentences.push({ tags, at, buckets: Int32Array.from(buckets), identity: Int32Array.from(identity), identityAt })
    from = to
  }
  return sentences
}
