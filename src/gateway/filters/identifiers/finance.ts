import { mod97 } from '../checksums.ts'
import { always, type Identifier, identifier, type Labelled, phrases } from './identifier.ts'

/** ISO 6166 annex: letters as two digits, then Luhn. */
function isin(code: string): boolean {
  let digits = ''
  for (const sign of code) digits += /\d/u.test(sign) ? sign : String(sign.charCodeAt(0) - 0x37)
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    let digit = Number(digits[digits.length - 1 - i])
    if (i % 2 === 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2
    sum += digit
  }
  return sum % 10 === 0
}

/** ANSI X9.6: letters from 10, every second value doubled, sums of digits. */
function cusip(code: string): boolean {
  let sum = 0
  for (let i = 0; i < 8; i++) {
    const unit = code.charCodeAt(i)
    const value = (unit >= 0x41 ? unit - 0x37 : unit - 0x30) * (i % 2 === 0 ? 1 : 2)
    sum += Math.floor(value / 10) + (value % 10)
  }
  return (10 - (sum % 10)) % 10 === Number(code[8])
}

/** London Stock Exchange: weights 1, 3, 1, 7, 3, 9, no vowels. */
function sedol(code: string): boolean {
  let sum = 0
  for (let i = 0; i < 6; i++) {
    const unit = code.charCodeAt(i)
    sum += (unit >= 0x41 ? unit - 0x37 : unit - 0x30) * [1, 3, 1, 7, 3, 9][i]!
  }
  return (10 - (sum % 10)) % 10 === Number(code[6]) && !/[AEIOU]/u.test(code)
}

/** A month and a year of this century that a card may have. */
function isExpiry(digits: string): boolean {
  const month = Number(digits.slice(0, 2))
  const year = Number(digits.slice(-2))
  return month >= 1 && month <= 12 && year >= 10 && year <= 50 && (digits.length === 4 || digits.slice(2, 4) === '20')
}

/** ISO 3166-1, and the code in use for Kosovo. */
const COUNTRIES =
  'AD|AE|AF|AG|AI|AL|AM|AO|AQ|AR|AS|AT|AU|AW|AX|AZ|BA|BB|BD|BE|BF|BG|BH|BI|BJ|BL|BM|BN|BO|BQ|BR|BS|BT|BV|BW|BY|BZ|CA|CC|CD|CF|CG|CH|CI|CK|CL|CM|CN|CO|CR|CU|CV|CW|CX|CY|CZ|DE|DJ|DK|DM|DO|DZ|EC|EE|EG|EH|ER|ES|ET|FI|FJ|FK|FM|FO|FR|GA|GB|GD|GE|GF|GG|GH|GI|GL|GM|GN|GP|GQ|GR|GS|GT|GU|GW|GY|HK|HM|HN|HR|HT|HU|ID|IE|IL|IM|IN|IO|IQ|IR|IS|IT|JE|JM|JO|JP|KE|KG|KH|KI|KM|KN|KP|KR|KW|KY|KZ|LA|LB|LC|LI|LK|LR|LS|LT|LU|LV|LY|MA|MC|MD|ME|MF|MG|MH|MK|ML|MM|MN|MO|MP|MQ|MR|MS|MT|MU|MV|MW|MX|MY|MZ|NA|NC|NE|NF|NG|NI|NL|NO|NP|NR|NU|NZ|OM|PA|PE|PF|PG|PH|PK|PL|PM|PN|PR|PS|PT|PW|PY|QA|RE|RO|RS|RU|RW|SA|SB|SC|SD|SE|SG|SH|SI|SJ|SK|SL|SM|SN|SO|SR|SS|ST|SV|SX|SY|SZ|TC|TD|TF|TG|TH|TJ|TK|TL|TM|TN|TO|TR|TT|TV|TW|TZ|UA|UG|UM|US|UY|UZ|VA|VC|VE|VG|VI|VN|VU|WF|WS|XK|YE|YT|ZA|ZM|ZW'
const BIC = new RegExp(String.raw`^[A-Z]{4}(?:${COUNTRIES})[A-Z2-9][A-NP-Z0-9](?:XXX|[A-WYZ0-9][A-Z0-9]{2})?$`, 'u')
const ISIN = new RegExp(String.raw`^(?:${COUNTRIES}|XS|EU)[A-Z0-9]{9}\d$`, 'u')

export const FINANCE: readonly Identifier[] = [
  identifier('SWIFT_CODE', '', always, 'swift, bic, swift code, bic code, swift/bic, bank identifier', { least: 8, most: 8, pattern: BIC, score: 0.05 }),
  identifier('SWIFT_CODE', '', always, '', { least: 11, most: 11, pattern: BIC, score: 0.2 }),
  identifier('ISIN', '', isin, 'isin, security, bond, securities, wertpapier, fund', { least: 12, most: 12, pattern: ISIN, score: 0.6 }),
  identifier('CUSIP', '', cusip, 'cusip, cusip number', { least: 9, most: 9, pattern: /^[0-9]{3}[0-9A-Z]{5}\d$/u, score: 0.1 }),
  identifier('SEDOL', '', sedol, 'sedol', { least: 7, most: 7, pattern: /^[0-9B-DF-HJ-NP-TV-Z]{6}\d$/u, score: 0.05 }),
  identifier('LEI', '', (code) => mod97(code) === 1, 'lei, legal entity identifier', { least: 20, most: 20, pattern: /^[A-Z0-9]{18}\d{2}$/u, score: 0.7 }),
  identifier('UK_SORT_CODE', '99-99-99:.2 9{6}:.05', always, 'sort code, sort, sortcode'),
  identifier('IN_IFSC', '', always, 'ifsc, ifsc code', { least: 11, most: 11, pattern: /^[A-Z]{4}0[A-Z0-9]{6}$/u, score: 0.45 }),
  identifier('AU_BSB', '999-999:.2 9{6}:.05', always, 'bsb, bsb number'),
  identifier('CREDIT_CARD_CVV', '999:.05 9999:.05', always, 'cvv, cvc, cvv2, cvc2, cid, security code, card verification, verification code, sicherheitscode, prufziffer, kartenprufnummer, cryptogramme, codigo de seguridad, codice di sicurezza, cvv code, pin cvv, cvc code, cvv on the card, code on the card, code on the back, code on back, digits on the back'),
  identifier('CREDIT_CARD_EXPIRY', '99/99:.1 99/9999:.1 99-99:.05 99-9999:.05 99_/_99:.1 9999:.01', isExpiry, 'exp, expiry, expires, expiration, exp date, expiration date, expiry date, valid thru, valid until, good thru, gultig bis, gultig, ablaufdatum, date d expiration, expire le, caducidad, vencimiento, valido hasta, scadenza, validade, vervaldatum, vv'),
] // prettier-ignore

const ACCOUNT = /^(?=(?:.*\d){4})[A-Z0-9][A-Z0-9-]{3,27}$/u

export const FINANCE_LABELLED: readonly Labelled[] = [
  { entity: 'US_BANK_NUMBER', labels: phrases('bank account, account, account number, account no, acct, acct no, acct number, checking account, savings account, checking, savings, bank account number, debit account, accnum, acc, bank acct, deposit account, direct deposit, kontonummer, kontonr, konto, numero de cuenta, cuenta, compte, numero de compte, conto, numero di conto, rekeningnummer, rachunek, conta, a/c, a/c no, a/c number, cuenta corriente, cuenta bancaria, compte bancaire, conto corrente, rekening, bankrekening, conta corrente, numer konta, numer rachunku, bankkonto'), unless: phrases('permanent account, cuenta clabe'), pattern: ACCOUNT, score: 0.65 },
] // prettier-ignore
