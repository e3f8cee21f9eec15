import type { Branch, Tree } from '../chat-completions/texts.ts'
import { protocol } from '../upstream-answer.ts'

export const MAX_INDEX = 1024
/** Members that say which text an event is about. */
const PLACE = ['item_id', 'output_index', 'content_index', 'summary_index'] as const

/** @throws {RedoubtError} for what is no index; one that is left out is none of them. */
export function indexText(value: Tree | undefined): string {
  if (value === undefined) return ''
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= MAX_INDEX)
    throw protocol('an event has no valid index')
  return String(value)
}

/** What tells one text of a response from all others. @param name what its events begin with. @param part the index of its part in the item. */
export const textKey = (name: string, item: Tree | undefined, part: Tree | undefined): string =>
  `${name}|${indexText(item)}|${indexText(part)}`

/** The text that an event is about. @throws {RedoubtError} as `indexText` */
export const keyOf = (name: string, data: Branch): string =>
  textKey(name, data['output_index'], data['content_index'] ?? data['summary_index'])

/** What the keys of all texts of an item have in them. @throws {RedoubtError} as `indexText` */
export const itemInKeys = (item: Tree | undefined): string => `|${indexText(item)}|`

/** The members that say what an event is about. @param once filters an id. @throws {RedoubtError} for an id that is no text, and as `indexText` */
export function placeOf(about: Branch, once: (text: string) => string): Branch {
  const data: Branch = {}
  for (const member of PLACE) {
    const value = about[member]
    if (value === undefined) continue
    if (member === 'item_id') {
      if (typeof value !== 'string') throw protocol('an event names no item')
      data[member] = once(value)
    } else {
      indexText(value)
      data[member] = value
    }
  }
  return data
}
