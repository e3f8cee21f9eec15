import { Command } from 'commander'
import { RedoubtError } from '#foundation/core'
import { run } from '../program.ts'
import { decoded, openInput } from './read-lines.ts'

/** Largest text, in UTF-16 units. */
const LARGEST_TEXT = 16 * 1024 * 1024
/** What the server takes at a time. */
const TOKENS_A_CALL = 1_000
/** Tokens of one text, at most. */
const MOST_TOKENS = 100_000

interface Restored {
  readonly values: readonly { readonly token: string; readonly value: string }[]
  readonly missing: number
}

/** `redoubt filter restore`: a text again, with the values in place of their tokens. Asks the server, which records it. */
export function filterRestoreCommand(): Command {
  return new Command('restore')
    .description(
      'write a text again with the values that its tokens stand for; asks the server, for those who may use the key of the vault',
    )
    .argument('[file]', 'a file of text; standard input without one, or for `-`')
    .action(
      run(async ({ client, output }, _options, file = '-') => {
        const { restoreTokens, tokensIn } = await import('#gateway/filters')
        let text = ''
        for await (const chunk of decoded(openInput(file))) {
          text += chunk
          if (text.length > LARGEST_TEXT)
            throw new RedoubtError('ERR_USAGE', `the text is longer than ${LARGEST_TEXT} characters: split it`)
        }
        const tokens = [...new Set(tokensIn(text, MOST_TOKENS))]
        const known = new Map<string, string>()
        let missing = 0
        for (let at = 0; at < tokens.length; at += TOKENS_A_CALL) {
          const answer = await client.call<Restored>('/vault/restore', {
            method: 'POST',
            json: { tokens: tokens.slice(at, at + TOKENS_A_CALL) },
          })
          for (const { token, value } of answer.values) known.set(token, value)
          missing += answer.missing
        }
        const restored = restoreTokens(text, (token) => known.get(token) ?? null)
        if (output.json) output.result({ text: restored, restored: known.size, missing }, '')
        else {
          output.data(restored)
          if (missing > 0) output.note(`${missing} tokens stay: unknown, expired, or of a person whose key is destroyed`)
        }
      }),
    )
}
