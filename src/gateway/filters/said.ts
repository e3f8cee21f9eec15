/**
 * What a text begins and ends with that is no part of what it says: white space, and of JSON the structure around its first and its last text. JSON is told by
 * how it begins, since a text that comes in pieces shows no more.
 */
const WHITE = /\s/
const JSON_HEAD = /^(?:[\s{[]|"[^"]{0,64}"\s*:)*["\uFDD3]?\s*/
/** The same of a text that goes on: whether what follows may belong to it. Behind a colon stands no name. */
const JSON_HEAD_OPEN = /^(?:[\s{[]|"[^"]{0,64}"\s*:)*(?:(?<!:\s*)"[^"]{0,64}(?:"\s*)?|["\uFDD3]\s*)?$/
const JSON_TAIL = /[\s\]}"\uFDD3]/

export function beginsAsJson(text: string): boolean {
  const first = text.trimStart()[0]
  return first === '{' || first === '['
}

/** @returns how many units stand before what a text says. */
export const leadOf = (text: string, isJson: boolean): number =>
  isJson ? JSON_HEAD.exec(text)![0].length : text.length - text.trimStart().length

/** Whether what is there of a text is not yet more than that. */
export const isLeadOpen = (text: string, isJson: boolean): boolean => (isJson ? JSON_HEAD_OPEN.test(text) : text.trimStart() === '')

/** @param goesOn more of the text may come, with which it closes. @returns where what a text says ends. From the end, unit by unit: an expression for it would begin anew at each unit of a long run in the middle. */
export function endOfSaid(text: string, isJson: boolean, goesOn = false): number {
  let end = text.length
  while (end > 0 && WHITE.test(text[end - 1]!)) end--
  if (!isJson || (!goesOn && text[end - 1] !== ']' && text[end - 1] !== '}')) return end
  while (end > 0 && isJsonTail(text[end - 1]!)) end--
  return end
}

/** What JSON has behind its last text; a number is decoded between two marks. */
export const isJsonTail = (unit: string): boolean => JSON_TAIL.test(unit)
