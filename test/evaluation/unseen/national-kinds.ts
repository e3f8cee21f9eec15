import { pick, type Random } from '../planted/values.ts'
import { birthday, digits, fiscalCheck, grouped, letters, luhn, mod1110, mod97, spoilt, two, until, verhoeff, weighted } from './checks.ts'
import { kind, type Kind } from './kinds.ts'

type Draw = (next: Random) => string

const by11 = (body: string, weights: readonly number[]): number => weighted(body, weights) % 11
/** Wrong check digit, and the first form with a digit too few or too many. */
const spoil = (right: Draw): readonly Draw[] => [
  (next) => spoilt(right(next), next),
  (next) => right(next).replace(/\d(?=\D*$)/u, ''),
  (next) => right(next).replace(/(\d)(\D*)$/u, (_all, digit: string, rest: string) => `${digit}${next(10)}${next(10)}${rest}`),
]
const short = (next: Random): readonly [string, string] => {
  const [year, month, day] = birthday(next)
  return [`${two(year % 100)}${month}${day}`, String(year)]
}

const nhs: Draw = (next) => {
  const value = until(next, (random) => {
    const body = pick(random, ['4', '6', '7']) + digits(random, 8)
    const check = (11 - by11(body, [10, 9, 8, 7, 6, 5, 4, 3, 2])) % 11
    return check === 10 ? null : body + String(check)
  })
  return pick(next, [grouped(value, [3, 3, 4], ' '), grouped(value, [3, 3, 4], '-')])
}
/** The fourth digit is 0 or 1, which no exchange of North America begins with: changed in its last digit it is nothing else. */
const lowNhs: Draw = (next) => until(next, (random) => ((value) => ('01'.includes(value[4]!) ? value : null))(nhs(random)))
const abn: Draw = (next) =>
  until(next, (random) => {
    // The check digits are 11 to 99.
    const value = `${11 + random(89)}${digits(random, 9)}`
    const minus = `${Number(value[0]) - 1}${value.slice(1)}`
    return weighted(minus, [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) % 89 === 0 ? grouped(value, [2, 3, 3, 3], ' ') : null
  })
const acn: Draw = (next) => {
  const body = `00${digits(next, 6)}`
  return grouped(body + String((10 - (weighted(body, [8, 7, 6, 5, 4, 3, 2, 1]) % 10)) % 10), [3, 3, 3], ' ')
}
const tfn: Draw = (next) =>
  until(next, (random) => {
    const value = `${1 + random(9)}${digits(random, 8)}`
    if (by11(value, [1, 4, 3, 7, 5, 8, 6, 9, 10]) !== 0) return null
    return random(2) === 0 ? value : grouped(value, [3, 3, 3], ' ')
  })
const medicare: Draw = (next) => {
  const body = String(2 + next(5)) + digits(next, 7)
  const value = body + String(weighted(body, [1, 3, 7, 9, 1, 3, 7, 9]) % 10) + String(1 + next(9))
  return pick(next, [value, grouped(value, [4, 5, 1], ' ')])
}
const aadhaar: Draw = (next) => {
  const body = String(2 + next(8)) + digits(next, 10)
  return grouped(body + verhoeff(body), [4, 4, 4], pick(next, [' ', '-']))
}
const pan: Draw = (next) =>
  `${letters(next, 3)}${pick(next, ['P', 'C', 'H', 'F'])}${letters(next, 1)}${1 + next(9)}${digits(next, 3)}${letters(next, 1)}`
const nric: Draw = (next) => {
  const body = digits(next, 7)
  const kindOf = pick(next, ['S', 'T', 'F', 'G'])
  const sum = weighted(body, [2, 7, 6, 5, 4, 3, 2]) + (kindOf === 'T' || kindOf === 'G' ? 4 : 0)
  return kindOf + body + ('ST'.includes(kindOf) ? 'JZIHGFEDCBA' : 'XWUTRQPNMLK')[sum % 11]!
}
const pesel: Draw = (next) => {
  const body = short(next)[0] + digits(next, 4)
  return body + String((10 - (weighted(body, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10)) % 10)
}
const dni: Draw = (next) => {
  const body = String(1 + next(9)) + digits(next, 7)
  return body + pick(next, ['', '-']) + 'TRWAGMYFPDXBNJZSQVHLCKE'[Number(body) % 23]!
}
const nie: Draw = (next) => {
  const [head, body] = [next(3), digits(next, 7)]
  return 'XYZ'[head]! + body + 'TRWAGMYFPDXBNJZSQVHLCKE'[Number(String(head) + body) % 23]!
}
const fiscal: Draw = (next) => {
  const [year, , day] = birthday(next)
  const consonants = 'BCDFGLMNPRSTVZ'
  const body =
    letters(next, 6, consonants) + two(year % 100) + pick(next, [...'ABCDEHLMPRST']) + day + pick(next, ['H501', 'F205', 'L219', 'F839'])
  return body + fiscalCheck(body)
}
const hetu: Draw = (next) => {
  const [year, month, day] = birthday(next)
  const [date, serial] = [`${day}${month}${two(year % 100)}`, String(2 + next(890)).padStart(3, '0')]
  return `${date}${year < 2000 ? '-' : 'A'}${serial}${'0123456789ABCDEFHJKLMNPRSTUVWXY'[Number(date + serial) % 31]!}`
}
const personnummer: Draw = (next) => {
  const [date, year] = short(next)
  const body = date + digits(next, 3)
  return `${pick(next, ['', year.slice(0, 2)])}${date}-${body.slice(6)}${luhn(body)}`
}
const rrn: Draw = (next) => {
  const [date, year] = short(next)
  const body = date + (year < '2000' ? pick(next, ['1', '2']) : pick(next, ['3', '4'])) + digits(next, 5)
  return grouped(body + String((11 - by11(body, [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5])) % 10), [6, 7], '-')
}
const thai: Draw = (next) => {
  const body = String(1 + next(8)) + digits(next, 11)
  return grouped(body + String((11 - by11(body, [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2])) % 10), [1, 4, 5, 2, 1], pick(next, ['-', ' ']))
}
const taxId: Draw = (next) => {
  // Of the ten digits one stands twice and one is missing.
  const shuffled = until(next, (random) => {
    const drawn = [...'0123456789']
      .map((sign) => [random(1000), sign] as const)
      .sort((a, b) => a[0] - b[0])
      .map(([, sign]) => sign)
    drawn[9] = drawn[random(8)]!
    return drawn[0] === '0' ? null : drawn.join('')
  })
  return pick(next, [shuffled + mod1110(shuffled), grouped(shuffled + mod1110(shuffled), [2, 3, 3, 3], ' ')])
}
const kvnr: Draw = (next) => {
  const [head, body] = [next(26), digits(next, 8)]
  return String.fromCharCode(65 + head) + body + luhnLeft(two(head + 1) + body)
}
/** As Luhn, doubled from the left: weights 1, 2, 1, 2 … */
function luhnLeft(body: string): string {
  let sum = 0
  for (const [i, sign] of [...body].entries()) {
    const doubled = Number(sign) * (i % 2 === 0 ? 1 : 2)
    sum += Math.floor(doubled / 10) + (doubled % 10)
  }
  return String(sum % 10)
}
const turkish: Draw = (next) => {
  const d = [...(String(1 + next(9)) + digits(next, 8))].map(Number)
  const odd = d[0]! + d[2]! + d[4]! + d[6]! + d[8]!
  const even = d[1]! + d[3]! + d[5]! + d[7]!
  const tenth = (((odd * 7 - even) % 10) + 10) % 10
  return d.join('') + String(tenth) + String((odd + even + tenth) % 10)
}
const southAfrican: Draw = (next) => {
  const body = `${short(next)[0]}${digits(next, 4)}08`
  return pick(next, [body + luhn(body), grouped(body + luhn(body), [6, 4, 3], ' ')])
}
const sin: Draw = (next) => {
  const body = String(1 + next(7)) + digits(next, 7)
  return grouped(body + luhn(body), [3, 3, 3], pick(next, [' ', '-']))
}
const cpf: Draw = (next) => {
  const body = digits(next, 9)
  const digit = (text: string): string => {
    const rest = [...text].reduce((sum, sign, i) => sum + Number(sign) * (text.length + 1 - i), 0) % 11
    return String(rest < 2 ? 0 : 11 - rest)
  }
  const first = digit(body)
  return `${grouped(body, [3, 3, 3], '.')}-${first}${digit(body + first)}`
}
const nir: Draw = (next) => {
  const [year, month] = birthday(next)
  const body = `${1 + next(2)}${two(year % 100)}${month}${10 + next(80)}${String(1 + next(900)).padStart(3, '0')}${String(1 + next(900)).padStart(3, '0')}`
  const key = two(97 - mod97(body))
  return pick(next, [body + key, `${grouped(body, [1, 2, 2, 2, 3, 3], ' ')} ${key}`])
}
const bsn: Draw = (next) =>
  until(next, (random) => {
    const value = String(1 + random(9)) + digits(random, 8)
    return (weighted(value, [9, 8, 7, 6, 5, 4, 3, 2]) - Number(value[8])) % 11 === 0 ? value : null
  })
const belgian: Draw = (next) => {
  const [date, year] = short(next)
  const serial = String(1 + next(997)).padStart(3, '0')
  const check = two(97 - (Number((year < '2000' ? '' : '2') + date + serial) % 97))
  return `${grouped(date, [2, 2, 2], '.')}-${serial}.${check}`
}
const nino: Draw = (next) => {
  const head = pick(next, ['AB', 'CE', 'JK', 'PW', 'SR'])
  const body = digits(next, 6)
  return pick(next, [`${head}${body}C`, `${head} ${grouped(body, [2, 2, 2], ' ')} A`])
}
const nip: Draw = (next) =>
  until(next, (random) => {
    const body = String(1 + random(9)) + digits(random, 8)
    const check = by11(body, [6, 5, 7, 2, 3, 4, 5, 6, 7])
    return check === 10 ? null : grouped(body + String(check), [3, 3, 2, 2], '-')
  })
const ivaIt: Draw = (next) => {
  // The office is that of a province.
  const body = `0${digits(next, 6)}${String(1 + next(99)).padStart(3, '0')}`
  return body + luhn(body)
}
const vatDe: Draw = (next) => {
  const body = String(1 + next(9)) + digits(next, 7)
  return `DE${body}${mod1110(body)}`
}
const brn: Draw = (next) => {
  const body = `${100 + next(899)}${two(1 + next(89))}${digits(next, 4)}`
  const sum = weighted(body, [1, 3, 7, 1, 3, 7, 1, 3, 5]) + Math.floor((Number(body[8]) * 5) / 10)
  return grouped(body + String((10 - (sum % 10)) % 10), [3, 2, 5], '-')
}

/** National numbers of persons and companies. */
export const NATIONAL_KINDS: readonly Kind[] = [
  kind('UK_NHS', 'NHS number|NHS no', true, nhs, (next) => spoilt(lowNhs(next), next), (next) => nhs(next).slice(0, -1), (next) => `${nhs(next)}${digits(next, 2)}`),
  kind('UK_NINO', 'national insurance number|NINO', true, nino, (next) => `QQ${digits(next, 6)}C`, (next) => `AB${digits(next, 7)}C`, (next) => `${nino(next)}${digits(next, 1)}`),
  kind('AU_ABN', 'ABN|Australian business number', true, abn, ...spoil(abn)),
  kind('AU_ACN', 'ACN|Australian company number', true, acn, ...spoil(acn)),
  kind('AU_TFN', 'TFN|tax file number', false, tfn, ...spoil(tfn)),
  kind('AU_MEDICARE', 'Medicare number|medicare card', false, medicare, (next) => `1${digits(next, 9)}`, (next) => digits(next, 8), (next) => digits(next, 13)),
  kind('IN_AADHAAR', 'Aadhaar|UIDAI number', true, aadhaar, ...spoil(aadhaar)),
  kind('IN_PAN', 'PAN|permanent account number', true, pan, (next) => `${letters(next, 3)}Z${letters(next, 1)}${digits(next, 4)}${letters(next, 1)}`, (next) => `${letters(next, 5)}${digits(next, 5)}`, (next) => pan(next).slice(0, 9)),
  kind('SG_NRIC_FIN', 'NRIC|FIN', true, nric, ...spoil(nric)),
  kind('PL_PESEL', 'PESEL|numer PESEL', true, pesel, ...spoil(pesel)),
  kind('PL_NIP', 'NIP|numer NIP', true, nip, ...spoil(nip)),
  kind('ES_NIF', 'DNI|NIF', true, dni, ...spoil(dni)),
  kind('ES_NIE', 'NIE|número de identificación de extranjero', true, nie, ...spoil(nie)),
  kind('IT_FISCAL_CODE', 'codice fiscale|fiscal code', true, fiscal, ...spoil(fiscal)),
  kind('IT_VAT_CODE', 'partita IVA|P.IVA', false, ivaIt, ...spoil(ivaIt)),
  kind('FI_PERSONAL_IDENTITY_CODE', 'henkilötunnus|HETU', true, hetu, ...spoil(hetu)),
  kind('SE_PERSONNUMMER', 'personnummer|samordningsnummer', true, personnummer, (next) => spoilt(personnummer(next), next), (next) => `991332-${digits(next, 4)}`),
  kind('KR_RRN', '주민등록번호|resident registration number', true, rrn, (next) => `991332-${digits(next, 7)}`, (next) => `900101-${digits(next, 5)}`),
  kind('KR_BRN', '사업자등록번호|business registration number', true, brn, (next) => spoilt(brn(next), next), (next) => `${brn(next)}${digits(next, 2)}`),
  kind('TH_TNIN', 'Thai national ID|เลขประจำตัวประชาชน', true, thai, ...spoil(thai)),
  kind('DE_TAX_ID', 'Steuer-ID|steuerliche Identifikationsnummer', false, taxId, ...spoil(taxId)),
  kind('DE_HEALTH_INSURANCE', 'Krankenversichertennummer|KVNR', true, kvnr, ...spoil(kvnr)),
  kind('DE_VAT_ID', 'USt-IdNr|Umsatzsteuer-Identifikationsnummer', true, vatDe, ...spoil(vatDe)),
  kind('TR_NATIONAL_ID', 'TC kimlik no|TCKN', true, turkish, ...spoil(turkish)),
  kind('ZA_ID_NUMBER', 'South African ID number|RSA ID', true, southAfrican, ...spoil(southAfrican)),
  kind('CA_SIN', 'SIN|social insurance number', true, sin, ...spoil(sin)),
  kind('BR_CPF', 'CPF|cadastro de pessoas físicas', true, cpf, ...spoil(cpf)),
  kind('FR_NIR', 'numéro de sécurité sociale|NIR', true, nir, ...spoil(nir)),
  kind('NL_BSN', 'BSN|burgerservicenummer', false, bsn, ...spoil(bsn)),
  kind('BE_NATIONAL_NUMBER', 'rijksregisternummer|numéro national', true, belgian, ...spoil(belgian)),
] // prettier-ignore
