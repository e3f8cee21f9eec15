import { RedoubtError } from '#foundation/core'

/** Longest example, most examples and most characters of them all, in UTF-16 units. */
export const LONGEST_EXAMPLE = 1024 * 1024
export const MOST_EXAMPLES = 100_000
export const MOST_CHARACTERS = 16 * 1024 * 1024
/** A line in JSON, where each unit may be written as an escape of six. */
const LONGEST_LINE = 6 * LONGEST_EXAMPLE + 1024

/** A document that a classifier learns from. */
export interface Example {
  readonly text: string
  /** 1 for a confidential text, 0 for one that anybody may read. */
  readonly label: 0 | 1
}

/** Collects examples within bounds. */
export class Examples {
  readonly all: Example[] = []
  #characters = 0

  /** @throws {RedoubtError} `ERR_INPUT_TOO_LARGE`; `ERR_INPUT_INVALID` for what is no plain text. */
  add(text: string, label: 0 | 1): void {
    if (text.includes('\0')) throw new RedoubtError('ERR_INPUT_INVALID', 'an example is not plain text: save it as plain text first')
    if (text.length > LONGEST_EXAMPLE)
      throw new RedoubtError('ERR_INPUT_TOO_LARGE', `an example has at most ${LONGEST_EXAMPLE} characters: give its parts`)
    if (this.all.length >= MOST_EXAMPLES)
      throw new RedoubtError('ERR_INPUT_TOO_LARGE', `at most ${MOST_EXAMPLES} examples are learned from: take some`)
    if ((this.#characters += text.length) > MOST_CHARACTERS)
      throw new RedoubtError('ERR_INPUT_TOO_LARGE', `examples have at most ${MOST_CHARACTERS} characters together: take some`)
    this.all.push({ text, label })
  }
}

/** Reads examples as JSON Lines of `text` and `label`, piece by piece. Holds one line at most beside what was read. */
export class ExampleLines {
  readonly #examples: Examples
  readonly #label: 0 | 1 | null
  #line = ''
  #lines = 0

  /** @param label of lines that have none; null where each must have its own. */
  constructor(examples: Examples, label: 0 | 1 | null) {
    this.#examples = examples
    this.#label = label
  }

  /** @throws {RedoubtError} `ERR_INPUT_INVALID` with the line, never what it holds; and as `Examples.add`. */
  push(text: string): void {
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      this.#take(text.slice(from, end))
      this.#add()
      from = end + 1
    }
    this.#take(text.slice(from))
  }

  /** @throws as `push`. */
  finish(): void {
    this.#add()
  }

  #take(part: string): void {
    if (this.#line.length + part.length > LONGEST_LINE)
      throw new RedoubtError('ERR_INPUT_TOO_LARGE', `line ${this.#lines + 1} of the examples is longer than ${LONGEST_LINE} characters`)
    this.#line += part
  }

  #add(): void {
    const line = this.#line.trim()
    this.#line = ''
    this.#lines++
    if (line === '') return
    const { text, label = this.#label } = membersOf(line)
    if (typeof text !== 'string' || (label !== 0 && label !== 1))
      throw new RedoubtError(
        'ERR_INPUT_INVALID',
        `line ${this.#lines} of the examples: an object with \`text\`${this.#label === null ? ' and' : ', and perhaps'} \`label\` 0 or 1 is wanted`,
        { evidence: { line: this.#lines } },
      )
    this.#examples.add(text, label)
  }
}

function membersOf(line: string): { readonly text?: unknown; readonly label?: unknown } {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
