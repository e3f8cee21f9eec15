/** Sixteen small letters that make no words: a run of them is no number, no date and no name to any recogniser. */
const ALPHABET = 'bcdfghjklmnpqrst'

/** Two letters a byte. */
export function lettersOf(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += ALPHABET[byte >> 4]! + ALPHABET[byte & 15]!
  return text
}

/** One letter of the alphabet, for patterns. */
export const LETTER_CLASS = '[b-dfghj-np-t]'
