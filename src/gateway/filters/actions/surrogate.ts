import { createHmac } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import { mod97 } from '../checksums.ts'
import { canonicalValue } from './hash.ts'
import { lettersOf } from './letters.ts'

/** Draws from a digest: the same value gives the same draws. */
class Draws {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** 0 to `below` - 1, of 32 bits: how uneven it is, is no matter. */
  number(below: number): number {
    const drawn = this.#bytes.readUInt32BE(this.#at)
    this.#at += 4
    return drawn % below
  }

  digits(count: number): string {
    return String(this.number(10 ** count)).padStart(count, '0')
  }

  letters(bytes: number): string {
    this.#at += bytes
    return lettersOf(this.#bytes.subarray(this.#at - bytes, this.#at))
  }
}

/**
 * Values of the right form that are nobody's, by entity. An entity that is not here has no stand-in and is masked: a made-up key or
 * national number of the right form could be somebody's.
 */
const MAKERS: Readonly<Record<string, (draws: Draws, value: string) => string>> = {
  CREDIT_CARD: card,
  // RFC 2606 §3 keeps example.org for nobody.
  EMAIL_ADDRESS: (draws) => `${draws.letters(4)}@example.org`,
  PHONE_NUMBER: phone,
  IBAN_CODE: iban,
  // No social security number has the area 666 (SSA POMS RM 10201.035).
  US_SSN: (draws) => `666-${String(draws.number(99) + 1).padStart(2, '0')}-${String(draws.number(9999) + 1).padStart(4, '0')}`,
  IP_ADDRESS: address,
  // RFC 9542 §2.1.2: 00-00-5E-00-53-00 to -FF are for documents.
  MAC_ADDRESS: (draws) => `00:00:5e:00:53:${draws.number(256).toString(16).padStart(2, '0')}`,
  URL: (draws) => `https://example.org/${draws.letters(4)}`,
  PERSON: (draws) => `${GIVEN[draws.number(GIVEN.length)]} ${FAMILY[draws.number(FAMILY.length)]}`,
}

/** Entities that have a stand-in. */
export const SURROGATE_ENTITIES: readonly string[] = Object.keys(MAKERS)

/** @returns a stand-in, the same for one key, entity, value and `attempt`; null when the entity has none. */
export function surrogateOf(key: Uint8Array, entity: string, value: string, attempt = 0): string | null {
  if (!Object.hasOwn(MAKERS, entity)) return null
  const bytes = createHmac('sha512', key)
    .update(`${entity}\n${attempt}\n${canonicalValue(entity, value)}`)
    .digest()
  return MAKERS[entity]!(new Draws(bytes), value.normalize('NFKC').replaceAll(/\p{Cf}/gu, ''))
}

/** As long as the real one and right by Luhn, under 9999: 9 is for national numbers, and no country has the code 999 (ISO/IEC 7812-1, ISO 3166-1). */
function card(draws: Draws, value: string): string {
  const length = Math.min(Math.max(value.replaceAll(/[^0-9]/g, '').length, 13), 19)
  const body = `9999${draws.digits(7)}${draws.digits(7)}`.slice(0, length - 1)
  const digits = body + luhnDigit(body)
  return /[ -]/.test(value) ? digits.match(/.{1,4}/g)!.join(value.includes('-') ? '-' : ' ') : digits
}

function luhnDigit(body: string): string {
  let sum = 0
  for (let i = body.length - 1, double = true; i >= 0; i--, double = !double) {
    const digit = Number(body[i])
    sum += double ? digit * 2 - (digit > 4 ? 9 : 0) : digit
  }
  return String((10 - (sum % 10)) % 10)
}

/** Numbers for drama: 07700 900000 to 900999 (Ofcom), and 555-0100 to 555-0199 in every area (NANPA). */
function phone(draws: Draws, value: string): string {
  if (/^(?:\+|00)44/.test(value.replaceAll(/[^0-9+]/g, ''))) return `+44 7700 900${draws.digits(3)}`
  const area = 201 + draws.number(780)
  // N11 and N9X are no areas.
  const usable = area % 100 === 11 || Math.floor(area / 10) % 10 === 9 ? 202 : area
  return `+1 ${usable}-555-01${draws.digits(2)}`
}

/** With right check digits, of the country ZZ, which ISO 3166-1 keeps from being one. */
function iban(draws: Draws): string {
  const account = `${draws.letters(2).toUpperCase()}${draws.digits(7)}${draws.digits(7)}`
  const check = String(98 - mod97(`${account}ZZ00`)).padStart(2, '0')
  return `ZZ${check}${account}`
}

/** Networks for documents: RFC 5737 and RFC 3849. */
function address(draws: Draws, value: string): string {
  if (isIPv6(value) && !isIPv4(value)) return `2001:db8::${draws.number(0xffff).toString(16)}:${draws.number(0xffff).toString(16)}`
  return `${['192.0.2', '198.51.100', '203.0.113'][draws.number(3)]}.${draws.number(254) + 1}`
}

const GIVEN = ['Alma', 'Anselm', 'Bram', 'Celia', 'Dorian', 'Edda', 'Felix', 'Greta', 'Hugo', 'Ida', 'Jonas', 'Klara', 'Leander', 'Mira', 'Nils', 'Odette', 'Pavel', 'Quinn', 'Rosa', 'Silas', 'Thea', 'Ugo', 'Vera', 'Wanda', 'Xaver', 'Yara', 'Zeno', 'Amos', 'Birte', 'Corin', 'Delia', 'Enzo'] // prettier-ignore
const FAMILY = ['Ashgrove', 'Birkland', 'Copperfield', 'Dunmarsh', 'Elmbrook', 'Fairholm', 'Glenrock', 'Harrowdale', 'Inglewick', 'Jasperson', 'Kestrelby', 'Larkmoor', 'Marlowick', 'Northfell', 'Oakhollow', 'Pinecroft', 'Quillmere', 'Ravensby', 'Silverden', 'Thornwell', 'Underhay', 'Valebrook', 'Westermoor', 'Yarrowby', 'Zinnfeld', 'Ambervale', 'Brackenridge', 'Cloudsley', 'Driftwood', 'Emberly', 'Foxholme', 'Goldacre'] // prettier-ignore
