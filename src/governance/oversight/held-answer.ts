import type { JsonObject } from '#foundation/core'

/** The members of what is held that are of the answer; see `pipeline/hold-answer.ts`. What is not as it should be is read as empty. */
export function heldAnswer(content: JsonObject | null): {
  readonly text: string
  readonly contentType: string
  readonly filterOutput: JsonObject
} {
  return {
    text: stringOf(content?.['answer']),
    contentType: stringOf(content?.['contentType']),
    filterOutput: (content?.['filterOutput'] ?? {}) as JsonObject,
  }
}

/** An answer as JSON; null when it is words. */
export function answerAsJson(text: string): JsonObject | null {
  try {
    return JSON.parse(text) as JsonObject
  } catch {
    return null
  }
}

/** Whom what is held is about. */
export const heldSubject = (content: JsonObject | null): string | null =>
  typeof content?.['subject'] === 'string' ? content['subject'] : null

const stringOf = (value: unknown): string => (typeof value === 'string' ? value : '')
