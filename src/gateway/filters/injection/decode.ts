/** A stretch of text that says something else once decoded. */
export interface Decoded {
  readonly text: string
  /** Offsets in the text that was searched, end exclusive. */
  readonly start: number
  readonly end: number
  readonly encoding: 'base64' | 'hex' | 'url' | 'html' | 'escape'
}

/** Longest stretch that is decoded, in units; a longer one is decoded up to here. */
const LONGEST_ENCODED = 65_536
/** Shortest that may hold an instruction. */
const SHORTEST_BASE64 = 16
const SHORTEST_HEX = 20
/** Share of decoded characters that must be letters, digits, spaces or common signs. */
const PLAIN_SHARE = 0.9

const BASE64 = /[A-Za-z0-9+/_-]{16,65536}={0,2}/gu
const HEX = /(?:\\x|0x)?[0-9a-f]{2}(?:[ :]?(?:\\x)?[0-9a-f]{2}){9,32768}/giu
const URL_ESCAPE = /%[0-9a-f]{2}/giu
const HTML_ENTITY = /&(?:#\d{1,7}|#x[0-9a-f]{1,6}|lt|gt|amp|quot|apos|nbsp);/giu
const STRING_ESCAPE = /\\u[0-9a-f]{4}/giu
const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'", nbsp: ' ' }
/** Fewer escapes are ordinary writing. */
const FEWEST_ESCAPES = 3

/** What is hidden in a text in the usual encodings; only what decodes to plain text. Linear in the text. */
export function decodings(text: string): readonly Decoded[] {
  const found: Decoded[] = []
  if (text.length >= SHORTEST_BASE64) {
    for (const match of text.matchAll(BASE64)) {
      const decoded = plain(Buffer.from(match[0].slice(0, LONGEST_ENCODED), 'base64'))
      if (decoded !== null) found.push({ text: decoded, start: match.index, end: match.index + match[0].length, encoding: 'base64' })
    }
    for (const match of text.matchAll(HEX)) {
      const digits = match[0].replaceAll(/\\x|0x|[ :]/giu, '')
      if (digits.length < SHORTEST_HEX) continue
      const decoded = plain(Buffer.from(digits.slice(0, LONGEST_ENCODED), 'hex'))
      if (decoded !== null) found.push({ text: decoded, start: match.index, end: match.index + match[0].length, encoding: 'hex' })
    }
  }
  whole(text, '%', URL_ESCAPE, 'url', unescapeUrl, found)
  whole(text, '&', HTML_ENTITY, 'html', (all) => all.replaceAll(HTML_ENTITY, entity), found)
  whole(
    text,
    '\\u',
    STRING_ESCAPE,
    'escape',
    (all) => all.replaceAll(STRING_ESCAPE, (one) => String.fromCharCode(Number.parseInt(one.slice(2), 16))),
    found,
  )
  return found
}

function whole(
  text: string,
  sign: string,
  pattern: RegExp,
  encoding: Decoded['encoding'],
  decode: (text: string) => string,
  found: Decoded[],
): void {
  if (!text.includes(sign)) return
  let count = 0
  let first = -1
  let last = 0
  for (const match of text.matchAll(pattern)) {
    if (first < 0) first = match.index
    last = match.index + match[0].length
    count++
  }
  if (count < FEWEST_ESCAPES) return
  // Words around the escapes belong to what is said.
  const start = Math.max(0, text.lastIndexOf('\n', first) + 1)
  const lineEnd = text.indexOf('\n', last)
  const end = lineEnd < 0 ? text.length : lineEnd
  const decoded = decode(text.slice(start, end))
  if (decoded !== text.slice(start, end)) found.push({ text: decoded, start, end, encoding })
}

const unescapeUrl = (text: string): string =>
  text.replaceAll(/(?:%[0-9a-f]{2}){1,4096}/giu, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'))

function entity(one: string): string {
  const name = one.slice(1, -1).toLowerCase()
  if (!name.startsWith('#')) return NAMED[name] ?? one
  const code = name.startsWith('#x') ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1))
  return code <= 0x10_ffff ? String.fromCodePoint(code) : one
}

/** The bytes as text, if they are UTF-8 and read like it. */
function plain(bytes: Buffer): string | null {
  if (bytes.byteLength < 10) return null
  const text = bytes.toString('utf8')
  const ordinary = text.match(/[\p{L}\p{M}\p{N}\s.,:;!?'"()-]/gu)?.length ?? 0
  return ordinary >= PLAIN_SHARE * text.length && /\p{L}{2}/u.test(text) && !text.includes('\ufffd\ufffd') ? text : null
}
