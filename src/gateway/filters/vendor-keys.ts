import { VENDOR_FORMS } from './vendor-forms.ts'

export interface VendorForm {
  readonly vendor: string
  readonly prefix: string
  readonly rest: Alphabet
  readonly least: number
  /** Exact length of the rest, when the vendor fixes it; longer is then no key. */
  readonly exact: boolean
  readonly score: number
}

const DEFAULT_SCORE = 0.95

const ALPHABETS = {
  alphanumeric: /[A-Za-z0-9]/u,
  base64url: /[A-Za-z0-9_-]/u,
  base64: /[A-Za-z0-9+/=_-]/u,
  /** With dots between its parts. */
  dotted: /[A-Za-z0-9_.-]/u,
  hex: /[0-9a-f]/u,
  lower: /[a-z0-9]/u,
  upper: /[A-Z0-9]/u,
  upperdash: /[A-Z0-9-]/u,
  any: /[^\s]/u,
} as const
type Alphabet = keyof typeof ALPHABETS

export const VENDOR_KEYS: readonly VendorForm[] = VENDOR_FORMS.trim()
  .split('\n')
  .map((line) => {
    const [vendor, prefix, rest, length, score] = line.split(' ') as [string, string, Alphabet, string, string?]
    return {
      vendor,
      prefix,
      rest,
      least: Number(length.replace('=', '')),
      exact: length.startsWith('='),
      score: score === undefined ? DEFAULT_SCORE : Number(score),
    }
  })

/** By their first two signs, longer prefixes first, so that the more telling form is tried first. */
const BY_HEAD = new Map<string, VendorForm[]>()
for (const form of [...VENDOR_KEYS].sort((a, b) => b.prefix.length - a.prefix.length)) {
  const head = form.prefix.slice(0, 2)
  const forms = BY_HEAD.get(head)
  if (forms) forms.push(form)
  else BY_HEAD.set(head, [form])
}

/** By two ASCII units, whether some prefix begins with them: nearly no word does. */
const ASCII = 128
const HEADS = new Uint8Array(ASCII * ASCII)
for (const head of BY_HEAD.keys()) HEADS[head.charCodeAt(0) * ASCII + head.charCodeAt(1)] = 1

export function mayBeVendorKey(first: number, second: number): boolean {
  return first >= ASCII || second >= ASCII || HEADS[first * ASCII + second] === 1
}

export interface VendorKey {
  readonly end: number
  readonly score: number
}

/** @param start where a word begins. @returns the key that begins there, null if there is none of any vendor's form. */
export function vendorKeyAt(text: string, start: number): VendorKey | null {
  for (const { prefix, rest, least, exact, score } of BY_HEAD.get(text.slice(start, start + 2)) ?? []) {
    if (!text.startsWith(prefix, start)) continue
    const from = start + prefix.length
    const alphabet = ALPHABETS[rest]
    let end = from
    while (end < text.length && alphabet.test(text[end]!)) end++
    // A full stop ends the sentence, not the key.
    while (end > from && text[end - 1] === '.') end--
    const secret = text.slice(from, end)
    if (secret.length < least || (exact && secret.length !== least) || /[A-Za-z0-9_]/u.test(text[end] ?? ' ')) continue
    // Words joined by dashes, `sk-learn-compatible-estimators`, have no digit.
    if (/\d/u.test(secret) || (rest === 'upper' && exact) || isOfMixedLetters(secret)) return { end, score }
  }
  return null
}

/** Of letters in words joined by capitals, `hf_pretrainedModelName`, fewer are capital, and of drawn ones hardly ever. */
const SHARE_OF_EITHER = 0.3

/** Letters as they are drawn, capital ones and small ones alike, as in all keys of Hugging Face and now and then in others. */
function isOfMixedLetters(secret: string): boolean {
  let capitals = 0
  let small = 0
  for (let i = 0; i < secret.length; i++) {
    const unit = secret.charCodeAt(i)
    if (unit >= 0x41 && unit <= 0x5a) capitals++
    else if (unit >= 0x61 && unit <= 0x7a) small++
  }
  return Math.min(capitals, small) >= secret.length * SHARE_OF_EITHER
}
