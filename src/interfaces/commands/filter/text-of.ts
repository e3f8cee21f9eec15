import { type Line, MAX_LINE_BYTES } from './read-lines.ts'

/** The `text` of a JSON line; why there is none, in words. */
export function textOf({ text: json, number, tooLong }: Line): { readonly text: string; readonly error: string | null } {
  if (tooLong) return { text: '', error: `line ${number} is longer than ${MAX_LINE_BYTES} characters` }
  try {
    const value: unknown = JSON.parse(json)
    if (value !== null && typeof value === 'object' && 'text' in value && typeof value.text === 'string')
      return { text: value.text, error: null }
  } catch {
    // Said below.
  }
  return { text: '', error: `line ${number} is no JSON object with a string \`text\`` }
}
