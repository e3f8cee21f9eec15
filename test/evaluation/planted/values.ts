/** Values to plant, each valid where there is a check digit. @see templates.ts */
export type Random = (below: number) => number

/** Park & Miller 1988: the same numbers for the same seed on every machine. */
export function random(seed: number): Random {
  let state = (seed % 2_147_483_646) + 1
  return (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

export const pick = <T>(next: Random, from: readonly T[]): T => from[next(from.length)]!
const digits = (next: Random, count: number): string => Array.from({ length: count }, () => next(10)).join('')
const two = (value: number): string => String(value).padStart(2, '0')

function luhnDigit(body: string): string {
  let sum = 0
  for (let i = 0; i < body.length; i++) {
    const digit = Number(body[body.length - 1 - i])
    sum += i % 2 === 0 ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit
  }
  return String((10 - (sum % 10)) % 10)
}

function card(next: Random): string {
  const head = pick(next, ['4', '51', '55', '2221', '34', '37', '6011', '3528', '36'])
  const length = head.startsWith('3') && head !== '3528' ? (head === '36' ? 14 : 15) : 16
  const body = head + digits(next, length - head.length - 1)
  const number = body + luhnDigit(body)
  if (length !== 16) return number
  const sign = pick(next, ['', ' ', '-'])
  return number.replaceAll(/(\d{4})(?=\d)/gu, `$1${sign}`)
}

function iban(next: Random): string {
  const [country, body] = pick(next, [
    ['DE', digits(next, 18)],
    ['GB', `NWBK${digits(next, 14)}`],
    ['FR', digits(next, 23)],
    ['ES', digits(next, 20)],
    ['NL', `ABNA${digits(next, 10)}`],
    ['PL', digits(next, 24)],
  ] as const)
  const numeric = `${body}${country}00`.replaceAll(/[A-Z]/gu, (sign) => String(sign.charCodeAt(0) - 55))
  const compact = country + two(98 - Number(BigInt(numeric) % 97n)) + body
  return next(2) === 0 ? compact : compact.replaceAll(/(.{4})(?=.)/gu, '$1 ')
}

function ssn(next: Random): string {
  const area = String(1 + next(898)).padStart(3, '0')
  return `${area === '666' ? '665' : area}-${two(1 + next(99))}-${String(1 + next(9999)).padStart(4, '0')}`
}

const FIRST = ['amara', 'bodo', 'chloe', 'dinesh', 'elif', 'farid', 'greta', 'hugo', 'ines', 'jonas']
const LAST = ['okafor', 'brandt', 'moreau', 'patel', 'yilmaz', 'haddad', 'lindqvist', 'silva', 'kowalska', 'tanaka']

const email = (next: Random): string =>
  `${pick(next, FIRST)}${pick(next, ['.', '_', ''])}${pick(next, LAST)}${next(3) === 0 ? next(99) : ''}@${pick(next, ['example.com', 'mail.example.org', 'klinik-nord.example', 'post.example.co.uk', 'firma.de'])}`

/** National and international spellings of a dozen countries. */
function phone(next: Random): string {
  const d = (count: number): string => digits(next, count)
  const area = `${2 + next(8)}${1 + next(8)}${next(10)}`.replace(/11$/u, '23')
  const line = `${2 + next(8)}${d(2)}`
  return pick(next, [
    `(${area}) ${line}-${d(4)}`,
    `${area}-${line}-${d(4)}`,
    `${area}.${line}.${d(4)}`,
    `+1 ${area} ${line} ${d(4)}`,
    `+1-${area}-${line}-${d(4)}`,
    `1-${area}-${line}-${d(4)}`,
    `+44 20 ${7 + next(2)}${d(3)} ${d(4)}`,
    `020 7${d(3)} ${d(4)}`,
    `07${d(3)} ${d(6)}`,
    `+49 30 ${d(7)}`,
    `030 ${1 + next(9)}${d(6)}`,
    `0171 ${1 + next(9)}${d(6)}`,
    `+49 (0)89 ${d(6)}`,
    `01 4${d(1)} ${d(2)} ${d(2)} ${d(2)}`,
    `+33 6 ${d(2)} ${d(2)} ${d(2)} ${d(2)}`,
    `+34 6${d(2)} ${d(3)} ${d(3)}`,
    `+39 02 ${d(4)} ${d(4)}`,
    `+48 5${d(2)} ${d(3)} ${d(3)}`,
    `+31 6 ${d(8)}`,
    `+91 9${d(4)} ${d(5)}`,
    `+55 11 9${d(4)}-${d(4)}`,
    `+61 4${d(2)} ${d(3)} ${d(3)}`,
  ])
}

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']

function date(next: Random): string {
  const [year, month, day] = [1930 + next(95), 1 + next(12), 1 + next(28)]
  const name = MONTHS[month - 1]!
  return pick(next, [
    `${year}-${two(month)}-${two(day)}`,
    `${two(month)}/${two(day)}/${year}`,
    `${day}.${month}.${year}`,
    `${name} ${day}, ${year}`,
    `${day} ${name} ${year}`,
    `${name.slice(0, 3)} ${day}, ${year}`,
    `${two(day)}-${name.slice(0, 3).toUpperCase()}-${year}`,
    `the ${day}th of ${name} ${year}`.replace('the ', ''),
    `${year}/${two(month)}/${two(day)}`,
    `${day} de ${pick(next, ['enero', 'marzo', 'agosto', 'diciembre'])} de ${year}`,
    `${day}. ${pick(next, ['Januar', 'März', 'Mai', 'Oktober'])} ${year}`,
    `${day} ${pick(next, ['janvier', 'février', 'août', 'décembre'])} ${year}`,
  ])
}

const US_CITIES = ['Springfield, IL', 'Austin, TX', 'Portland, OR', 'Dayton, OH', 'San Marcos, CA']

function address(next: Random): string {
  const number = 1 + next(9800)
  const small = 1 + next(180)
  return pick(next, [
    `${number} ${pick(next, ['Oak', 'Maple', 'North Lincoln', 'Old Mill', 'Martin Luther King'])} ${pick(next, ['Street', 'St.', 'Avenue', 'Ave', 'Road', 'Drive', 'Lane', 'Blvd'])}, ${pick(next, US_CITIES)} ${10_000 + next(89_999)}`,
    `${number} ${pick(next, ['Elm', 'Cedar', 'Sunset', '5th', '42nd'])} ${pick(next, ['Street', 'Avenue', 'Court', 'Way'])}, Apt ${1 + next(40)}, ${pick(next, US_CITIES)} ${10_000 + next(89_999)}`,
    `${number} ${pick(next, ['Birch', 'Harbor View', 'Willow'])} ${pick(next, ['Lane', 'Road', 'Circle'])}`,
    `${small} ${pick(next, ['High', 'Church', 'Station', 'Queen'])} ${pick(next, ['Street', 'Road'])}, ${pick(next, ['Leeds LS1 4AP', 'Bristol BS1 5TR', 'London SW1A 2AA'])}`,
    `${pick(next, ['Hauptstraße', 'Lindenweg', 'Bahnhofstr.', 'Berliner Straße', 'Karl-Marx-Allee'])} ${small}, ${10_000 + next(89_999)} ${pick(next, ['Berlin', 'Hamburg', 'München'])}`,
    `${small} ${pick(next, ['rue de la République', 'avenue Victor Hugo', 'boulevard Saint-Michel', 'rue des Lilas'])}, ${10_000 + next(85_000)} ${pick(next, ['Paris', 'Lyon', 'Lille'])}`,
    `Calle ${pick(next, ['Mayor', 'de Alcalá', 'San Juan'])} ${small}, ${28_001 + next(40)} Madrid`,
    `Via ${pick(next, ['Roma', 'Garibaldi', 'della Conciliazione'])} ${small}, 00${100 + next(90)} Roma`,
    `${pick(next, ['Kalverstraat', 'Prinsengracht', 'Dorpsstraat'])} ${small}, ${1000 + next(8999)} AB Amsterdam`,
    `ul. ${pick(next, ['Marszałkowska', 'Długa', 'Polna'])} ${small}, 00-${100 + next(899)} Warszawa`,
    `P.O. Box ${number}`,
  ])
}

const token = (next: Random, length: number): string =>
  Array.from({ length }, (_, i) => (i % 4 === 3 ? next(10) : 'abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ'[next(46)])).join('')

/** By entity; `name`, `city` and `word` are no values of ours. */
export const VALUES: Readonly<Record<string, (next: Random) => string>> = {
  CREDIT_CARD: card,
  IBAN_CODE: iban,
  US_SSN: ssn,
  EMAIL_ADDRESS: email,
  PHONE_NUMBER: phone,
  DATE_TIME: date,
  ADDRESS: address,
  AGE: (next) => String(18 + next(80)),
  IP_ADDRESS: (next) => (next(4) === 0 ? `2001:db8::${(1 + next(65_000)).toString(16)}:${(1 + next(65_000)).toString(16)}` : `${1 + next(220)}.${next(256)}.${next(256)}.${1 + next(250)}`),
  URL: (next) => `https://${pick(next, ['www.', '', 'portal.'])}${pick(next, ['example.com', 'klinik.example', 'shop.example.net'])}/${pick(next, ['login', 'a/b?id=12', 'records/2024', ''])}`.replace(/\/$/u, ''),
  MEDICAL_RECORD_NUMBER: (next) => pick(next, [digits(next, 8), `MR-${digits(next, 6)}`, `H${digits(next, 7)}`]),
  HEALTH_PLAN_ID: (next) => pick(next, [`XKD${digits(next, 9)}`, `${digits(next, 5)}-AB`, `W${digits(next, 8)}`]),
  US_BANK_NUMBER: (next) => String(1 + next(9)) + digits(next, 8 + next(4)),
  PASSPORT: (next) => `${'ABCEHKLMPX'[next(10)]}${'ABCDEFGHKX'[next(10)]}${digits(next, 7)}`,
  US_DRIVER_LICENSE: (next) => `${'ABCDEFGHSTW'[next(11)]}${digits(next, 3)}-${digits(next, 4)}-${digits(next, 4)}`,
  PASSWORD: (next) => pick(next, [`${token(next, 6)}!${next(99)}`, `Summer#${2000 + next(30)}`, `${token(next, 9)}$`]),
  API_KEY: (next) => pick(next, [`sk-proj-${token(next, 32)}`, `ghp_${token(next, 36)}`, `xoxb-${digits(next, 11)}-${token(next, 24)}`]),
} // prettier-ignore

export const PLAIN: Readonly<Record<string, (next: Random) => string>> = {
  name: (next) => `${pick(next, ['Amara', 'Bodo', 'Chloé', 'Dinesh', 'Elif', 'Farid', 'Greta'])} ${pick(next, ['Okafor', 'Brandt', 'Moreau', 'Patel', 'Yılmaz', 'Haddad'])}`,
  amount: (next) => pick(next, [`$${1 + next(900)}.${two(next(100))}`, `${1 + next(90)},${100 + next(899)}.00 EUR`, `${1 + next(90)} 000 kr`]),
  order: (next) => pick(next, [`PO-${digits(next, 7)}`, digits(next, 9), `INV/${2000 + next(30)}/${digits(next, 4)}`, digits(next, 10)]),
  count: (next) => String(2 + next(900)),
  version: (next) => `${next(9)}.${next(20)}.${next(20)}`,
  hash: (next) => Array.from({ length: 40 }, () => next(16).toString(16)).join(''),
} // prettier-ignore
