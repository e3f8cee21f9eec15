import type { Branch, Tree } from '../chat-completions/texts.ts'
import { readTokens, writeTokens } from '../log-probabilities/tokens.ts'
import { unchangedTokens } from '../log-probabilities/whole-text.ts'
import { isBranch } from '../request-members.ts'
import { textKey } from './places.ts'
import { type StreamedTexts, TEXTS } from './streamed-texts.ts'

/**
 * Takes the texts of an item that came in pieces out of it, since they were looked at.
 * @param place the index of the item. @returns puts in their place what has gone out of them. @throws {RedoubtError} for what is no index.
 */
export function hideItemTexts(item: Branch, place: Tree | undefined, texts: StreamedTexts): () => void {
  const shows = [hideText(item, place, undefined, texts)]
  for (const list of [item['content'], item['summary']])
    if (Array.isArray(list)) for (const [i, part] of list.entries()) if (isBranch(part)) shows.push(hideText(part, place, i, texts))
  return () => shows.forEach((show) => show())
}

/** As `hideItemTexts`, for the text of one item or part. @param index that of the part. */
export function hideText(holder: Branch, place: Tree | undefined, index: Tree | undefined, texts: StreamedTexts): () => void {
  for (const [name, { member, type }] of Object.entries(TEXTS)) {
    const raw = holder[member]
    if (holder['type'] !== type || typeof raw !== 'string') continue
    // Some servers leave an index out.
    const key = [place, undefined]
      .flatMap((at) => [textKey(name, at, index), textKey(name, at, undefined)])
      .find((known) => texts.has(known))
    if (key === undefined) continue
    const tokens = 'logprobs' in holder ? readTokens(holder['logprobs']) : null
    holder[member] = ''
    if (tokens !== null) holder['logprobs'] = []
    return () => {
      const out = texts.sentOf(key)
      holder[member] = out
      if (tokens !== null) holder['logprobs'] = writeTokens(unchangedTokens(tokens, { raw, out, json: texts.isJson(name) }, null))
    }
  }
  return () => undefined
}
