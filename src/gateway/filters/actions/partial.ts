import { isIPv4 } from 'node:net'

/**
 * What may stay of a value, by its entity; what is not in the table, and a value that is shorter or other than expected, shows nothing.
 * - cards: the last four digits. PCI DSS 4.0.1 §3.4.1 allows the BIN and the last four at most.
 * - social security numbers show nothing: the first five digits of older ones can be guessed from place and year of birth, so the
 *   last four are what is secret of them. Neither do keys and passwords.
 */
const PARTS: Readonly<Record<string, (value: string) => string | null>> = {
  CREDIT_CARD: (value) => lastDigits(value, 4, 13, 19),
  PHONE_NUMBER: (value) => lastDigits(value, 3, 9, 15),
  IBAN_CODE: iban,
  EMAIL_ADDRESS: emailDomain,
  IP_ADDRESS: network,
  MAC_ADDRESS: maker,
  DATE_TIME: year,
  URL: host,
}

const HIDDEN = '****'
/** What each of them leaves, as patterns: nothing else in brackets is a part. */
const SHAPES: Readonly<Record<string, RegExp>> = {
  CREDIT_CARD: /^\*{4}[0-9]{4}$/,
  PHONE_NUMBER: /^\*{4}[0-9]{3}$/,
  // Four letters could be a name; no country ends its numbers so.
  IBAN_CODE: /^[A-Z]{2}\*{4}(?=[A-Z]{0,3}[0-9])[A-Z0-9]{4}$/,
  EMAIL_ADDRESS: /^\*{4}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}$/,
  IP_ADDRESS: /^[0-9]{1,3}\.[0-9]{1,3}\.\*{4}$/,
  MAC_ADDRESS: /^[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}\1[0-9A-Fa-f]{2}\*{4}$/,
  DATE_TIME: /^(?:19|20)[0-9]{2}\*{4}$/,
  URL: /^[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}\/\*{4}$/,
}
/** Entities whose parts have words of somebody's choice. */
export const WORDED: ReadonlySet<string> = new Set(['EMAIL_ADDRESS', 'URL'])
/** Longer values than any of the table's are not looked into. */
const LONGEST = 512

/** @returns the value's part with `****` for the rest, or null when nothing of it may be shown. */
export function partOf(entity: string, value: string): string | null {
  if (value.length > LONGEST || !Object.hasOwn(PARTS, entity)) return null
  return PARTS[entity]!(value.normalize('NFKC').replaceAll(/\p{Cf}/gu, ''))
}

/** Whether a text is what `partOf` may leave of a value of this entity. */
export const isPartOf = (entity: string, text: string): boolean => Object.hasOwn(SHAPES, entity) && SHAPES[entity]!.test(text)

function lastDigits(value: string, shown: number, least: number, most: number): string | null {
  const digits = value.replaceAll(/[^0-9]/g, '')
  if (/\p{L}/u.test(value) || digits.length < least || digits.length > most) return null
  return HIDDEN + digits.slice(-shown)
}

function iban(value: string): string | null {
  const [, country, rest] = /^([A-Z]{2})([0-9]{2}[A-Z0-9]{11,30})$/.exec(value.replaceAll(/[^A-Za-z0-9]/g, '').toUpperCase()) ?? []
  return country === undefined || rest === undefined ? null : country + HIDDEN + rest.slice(-4)
}

function emailDomain(value: string): string | null {
  const [, domain] = /^[^@]{1,128}@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})$/.exec(value) ?? []
  return domain === undefined ? null : `${HIDDEN}@${domain.toLowerCase()}`
}

/** The first half of an address of version 4: a network, not a host. */
function network(value: string): string | null {
  return isIPv4(value) ? `${value.split('.').slice(0, 2).join('.')}.${HIDDEN}` : null
}

/** The first three octets are the maker's (IEEE OUI). */
function maker(value: string): string | null {
  const [, oui] = /^([0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}\2[0-9A-Fa-f]{2})(?:\2[0-9A-Fa-f]{2}){3}$/.exec(value) ?? []
  return oui === undefined ? null : oui + HIDDEN
}

/** 45 CFR 164.514(b)(2)(i)(C) lets the year stay. */
function year(value: string): string | null {
  const years = value.match(/(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])/g) ?? []
  return years.length === 1 ? years[0] + HIDDEN : null
}

function host(value: string): string | null {
  const [, name] = /^https?:\/\/([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8})(?:[/?#][^]*)?$/i.exec(value) ?? []
  return name === undefined ? null : `${name.toLowerCase()}/${HIDDEN}`
}
