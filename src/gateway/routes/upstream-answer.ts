import { parseStrictJson, RedoubtError } from '#foundation/core'
import type { Branch, Tree } from './chat-completions/texts.ts'
import { isBranch } from './request-members.ts'

const MAX_DEPTH = 64

/** The size itself is bounded where the answer is received. @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL` for anything that is not one JSON object within bounds. */
export function parseAnswerObject(body: Uint8Array): Branch {
  let document: Tree
  try {
    document = parseStrictJson(body, { maxBytes: body.byteLength, maxDepth: MAX_DEPTH }) as Tree
  } catch {
    throw protocol('the answer is not JSON within bounds')
  }
  if (!isBranch(document)) throw protocol('the answer is not an object')
  return document
}

export const protocol = (message: string): RedoubtError => new RedoubtError('ERR_UPSTREAM_PROTOCOL', message)

/** A whole number of seconds, that of the answer or the present one. @param now epoch milliseconds. */
export const secondsOf = (created: Tree | undefined, now: number): number =>
  typeof created === 'number' && Number.isSafeInteger(created) ? created : Math.floor(now / 1000)

/** A word of the protocol, such as why an answer ended: from a small alphabet, so that no data can ride along. */
export const isWord = (value: unknown): value is string => typeof value === 'string' && /^[a-z_]{1,32}$/.test(value)
