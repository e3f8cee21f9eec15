/**
 * Letters of the Cyrillic and Greek scripts, and a few Latin ones, that are drawn like a basic Latin letter. Our own list, of what a reader takes
 * for the letter in common fonts; the whole list of Unicode (UTS #39) folds much that no reader mistakes.
 */
const LOOK_ALIKES: Readonly<Record<string, string>> = {
  a: 'аɑαᴀ',
  b: 'ЬƄ',
  c: 'сϲᴄ',
  d: 'ԁɗ',
  e: 'еҽєᴇ',
  f: 'ƒ',
  g: 'ɡց',
  h: 'һհ',
  i: 'іιɩ',
  j: 'јϳ',
  k: 'кκᴋ',
  l: 'ӏǀ',
  m: 'мᴍ',
  n: 'пոηɴ',
  o: 'оοօσᴏ',
  p: 'рρ',
  q: 'ԛզ',
  r: 'гᴦ',
  s: 'ѕꜱ',
  t: 'тτᴛ',
  u: 'цսυᴜ',
  v: 'ѵνᴠ',
  w: 'ԝωѡᴡ',
  x: 'хχ',
  y: 'уγүʏ',
  z: 'ᴢ',
  A: 'АΑ',
  B: 'ВΒ',
  C: 'СϹ',
  E: 'ЕΕ',
  H: 'НΗ',
  I: 'ІΙӀ',
  J: 'Ј',
  K: 'КΚ',
  M: 'МΜ',
  N: 'Ν',
  O: 'ОΟ',
  P: 'РΡ',
  S: 'Ѕ',
  T: 'ТΤ',
  X: 'ХΧ',
  Y: 'ΥҮ',
  Z: 'Ζ',
}

const letters = new Map<number, string>()
for (const [letter, others] of Object.entries(LOOK_ALIKES)) for (const other of others) letters.set(other.charCodeAt(0), letter)

/** The basic Latin letter that a unit looks like, or null. */
export const lookAlike = (unit: number): string | null => letters.get(unit) ?? null

/** Digits and signs that are written for letters. */
export const LEET: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
}
