import type { StreamedCrossing } from '#gateway/pipeline'
import { TextsInTurn } from '../texts-in-turn.ts'
import type { ToolGuard } from '../tools/tool-guard.ts'
import { type StreamRedactor, TextChannel } from './text-channel.ts'
import type { Branch } from './texts.ts'

export interface ChoiceOptions {
  readonly createRedactor: (() => StreamRedactor) | null
  readonly createCrossing: (() => StreamedCrossing) | null
  readonly jsonAnswer: boolean
  readonly tools: ToolGuard | null
  /** Called with the length of every piece of text that arrived, for the accounts. */
  readonly count: (characters: number) => void
}

/** What all texts of one choice share, what is said and what is called: whose turn it is, and whether one of them ends the choice. */
export class ChoiceTexts {
  readonly #options: ChoiceOptions
  readonly turn: TextsInTurn<Branch>
  #blocked = false

  constructor(options: ChoiceOptions) {
    this.#options = options
    this.turn = new TextsInTurn(options.createCrossing, () => this.#blocked)
  }

  /** A value may not leave: nothing more goes out. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** @param joins whether a value may go on in the text that is told next, or begin in the one before. */
  channel(json: boolean, joins: boolean): TextChannel {
    return new TextChannel(this.#options.createRedactor, json, joins && this.#options.createCrossing !== null)
  }

  /** Passes what leaves of a text, and notes whether the text ends the choice. */
  checked(channel: TextChannel, text: string): string {
    if (channel.blocked) this.#blocked = true
    return text
  }
}
