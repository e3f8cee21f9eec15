import { MAX_CHOICES } from '../chat-completions/request.ts'
import { type Branch, rewriteTree, type TextFilter } from '../chat-completions/texts.ts'
import { estimateUsage, numbersOnly, readUsage, type TokenUsage } from '../chat-completions/usage.ts'
import type { LanguageAnswer } from '../language-protocol.ts'
import { unchangedTokens } from '../log-probabilities/whole-text.ts'
import { isBranch } from '../request-members.ts'
import { dropTokenIds } from '../token-ids.ts'
import { isWord, parseAnswerObject, protocol, secondsOf } from '../upstream-answer.ts'
import { readCompletionTokens, writeCompletionTokens } from './log-probabilities.ts'

/** A whole answer with its completions open to a filter. */
export class CompletionAnswer implements LanguageAnswer {
  readonly #document: Branch
  readonly #choices: readonly Branch[]

  constructor(document: Branch) {
    const { choices } = document
    if (!Array.isArray(choices) || choices.length === 0 || choices.length > MAX_CHOICES) throw protocol('the answer has no choices')
    for (const choice of choices) {
      if (!isBranch(choice) || typeof choice['text'] !== 'string') throw protocol('a choice has no text')
      if (!isWord(choice['finish_reason'])) throw protocol('a choice has no finish reason')
    }
    dropTokenIds(document)
    this.#document = document
    this.#choices = choices as Branch[]
  }

  /** The log probabilities spell the text token by token: those of what was changed are dropped, and those that spell another text. */
  rewriteTexts(filter: TextFilter, quiet: TextFilter | null = null): void {
    const top = (holder: Branch, member: string): boolean =>
      holder === this.#document && ['choices', 'usage', 'created', 'object', 'model'].includes(member)
    rewriteTree(this.#document, filter, top, 'ERR_FILTER_BLOCKED_OUTPUT')
    for (const [i, choice] of this.#choices.entries()) {
      const exempt = (holder: Branch, member: string): boolean =>
        holder === choice &&
        (member === 'finish_reason' || member === 'logprobs' || (member === 'index' && typeof holder[member] === 'number'))
      const raw = choice['text'] as string
      rewriteTree(choice, (text, param) => filter(text, `choices[${i}].${param}`), exempt, 'ERR_FILTER_BLOCKED_OUTPUT')
      if ((choice['logprobs'] ?? null) === null) continue
      const tokens = unchangedTokens(readCompletionTokens(choice['logprobs']), { raw, out: choice['text'] as string, json: false }, quiet)
      choice['logprobs'] = writeCompletionTokens(tokens)
    }
  }

  usage(promptTokens: number): TokenUsage {
    return readUsage(this.#document['usage']) ?? estimateUsage(promptTokens, 1, JSON.stringify(this.#choices).length)
  }

  toClient(publicModel: string, now: number): string {
    const { created, usage } = this.#document
    const body: Branch = { ...this.#document, object: 'text_completion', created: secondsOf(created, now), model: publicModel }
    if (isBranch(usage)) body['usage'] = numbersOnly(usage)
    else delete body['usage']
    return JSON.stringify(body)
  }
}

/** @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL` for anything that is not a whole completion. */
export const parseCompletionAnswer = (body: Uint8Array): CompletionAnswer => new CompletionAnswer(parseAnswerObject(body))
