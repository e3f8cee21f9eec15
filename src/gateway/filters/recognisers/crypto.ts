import { createHash } from 'node:crypto'
import { everyMatch } from '../every-match.ts'
import { type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'

const SCORE = { checked: 0.95, form: 0.6 } as const
const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** The same signs in the order of the XRP Ledger. */
const BASE58_XRP = 'rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz'
const BECH32 = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const TOKEN =
  /(?<![A-Za-z0-9-])(?:[13][1-9A-HJ-NP-Za-km-z]{25,34}|(?:bc1|tb1|BC1)[02-9ac-hj-np-zAC-HJ-NP-Z]{11,71}|0x[0-9a-fA-F]{40}|[LMDXTr][1-9A-HJ-NP-Za-km-z]{24,34})(?![A-Za-z0-9-])/gu

/** Base58Check: the last four bytes are the head of SHA-256 twice over the rest. */
function base58check(token: string, alphabet: string): boolean {
  let value = 0n
  for (const sign of token) value = value * 58n + BigInt(alphabet.indexOf(sign))
  const bytes = Buffer.from(value.toString(16).padStart(50, '0'), 'hex')
  if (bytes.length !== 25) return false
  const twice = createHash('sha256')
    .update(createHash('sha256').update(bytes.subarray(0, 21)).digest())
    .digest()
  return twice.subarray(0, 4).equals(bytes.subarray(21))
}

/** BIP 173 and BIP 350: the polymod of prefix and data is 1 (bech32) or 0x2bc830a3 (bech32m). */
function bech32(token: string): boolean {
  const lower = token.toLowerCase()
  if (lower !== token && token.toUpperCase() !== token) return false
  const cut = lower.lastIndexOf('1')
  const prefix = lower.slice(0, cut)
  const values = [
    ...prefix.split('').map((sign) => sign.charCodeAt(0) >> 5),
    0,
    ...prefix.split('').map((sign) => sign.charCodeAt(0) & 31),
    ...lower
      .slice(cut + 1)
      .split('')
      .map((sign) => BECH32.indexOf(sign)),
  ]
  const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
  let check = 1
  for (const value of values) {
    const top = check >>> 25
    check = ((check & 0x1ffffff) << 5) ^ value
    for (let i = 0; i < 5; i++) if ((top >>> i) & 1) check ^= generator[i]!
  }
  return check >>> 0 === 1 || check >>> 0 === 0x2bc830a3
}

/** The shortest of base58, of bech32 and of `0x` with forty signs. */
const [SHORTEST_BASE58, SHORTEST_BECH32] = [25, 14]
const NOTHING: readonly Match[] = []

/** Whether a group of letters and digits is as long as an address, and begins as one: each is a group of its own. */
function mayHold({ outline: { groups, groupsEnd }, units, base }: Segment): boolean {
  for (let at = 0; at < groupsEnd; at += 2) {
    const size = groups[at + 1]! - groups[at]!
    if (size >= SHORTEST_BASE58) return true
    const first = units[base + groups[at]!]! | 0x20
    if (size >= SHORTEST_BECH32 && (first === 0x62 || first === 0x74)) return true
  }
  return false
}

function find(segment: Segment): readonly Match[] {
  if (!mayHold(segment)) return NOTHING
  const matches: Match[] = []
  for (const { 0: token, index } of everyMatch(TOKEN, segment.text)) {
    const found = token.startsWith('0x')
      ? SCORE.form
      : /^(?:bc1|tb1)/iu.test(token)
        ? bech32(token) && SCORE.checked
        : base58check(token, token.startsWith('r') ? BASE58_XRP : BASE58) && SCORE.checked
    if (found) matches.push({ start: index, end: index + token.length, score: found })
  }
  return matches
}

/** Addresses of Bitcoin, Litecoin, Dogecoin, Dash, Tron and the XRP Ledger by their checksums, of Ethereum by their form. */
export const crypto: Recogniser = { entities: ['CRYPTO'], needs: TRAIT.long, shapes: SHAPE.longGroup, find }
