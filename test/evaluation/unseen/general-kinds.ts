import { pick, type Random, VALUES } from '../planted/values.ts'
import { base58check, birthday, digits, grouped, letters, luhn, mod97, spoilt, two, until, weighted } from './checks.ts'
import { kind, type Kind } from './kinds.ts'

type Draw = (next: Random) => string
const HEX = '0123456789abcdef'
const hex = (next: Random, count: number): string => letters(next, count, HEX)

const card: Draw = (next) => {
  const [head, sizes] = pick(next, [
    ['4', [4, 4, 4, 4]],
    ['5' + String(1 + next(5)), [4, 4, 4, 4]],
    ['6011', [4, 4, 4, 4]],
    ['37', [4, 6, 5]],
    ['3056', [4, 6, 4]],
    ['3566', [4, 4, 4, 4]],
  ] as const)
  const length = sizes[0] + sizes[1] + sizes[2] + (sizes[3] ?? 0)
  const body = head + digits(next, length - head.length - 1)
  return grouped(body + luhn(body), sizes, pick(next, ['', ' ', '-']))
}
const iban: Draw = (next) => {
  const [country, body] = pick(next, [
    ['AT', digits(next, 16)],
    ['BE', digits(next, 12)],
    ['CH', digits(next, 17)],
    ['DE', digits(next, 18)],
    ['GB', `BARC${digits(next, 14)}`],
    ['IE', `AIBK${digits(next, 14)}`],
    ['IT', `X${digits(next, 22)}`],
    ['SE', digits(next, 20)],
    ['TR', `${digits(next, 5)}0${digits(next, 16)}`],
    ['MT', `MALT${digits(next, 5)}${letters(next, 4)}${digits(next, 14)}`],
  ] as const)
  const value = country + two(98 - mod97(`${body}${country}00`)) + body
  return next(2) === 0 ? value : value.replaceAll(/(.{4})(?=.)/gu, '$1 ')
}
const email: Draw = (next) =>
  `${pick(next, ['m.oyelaran', 'anna_lena', "sean.o'hara", 'billing+eu', 'r2', 'JÖRG.weiß', 'x'])}@${pick(next, ['example.com', 'mail.example.co.uk', 'bücher.example', 'a-b.example.museum', 'xn--bcher-kva.example'])}`
const v4: Draw = (next) => `${1 + next(223)}.${next(256)}.${next(256)}.${1 + next(254)}`
const ip: Draw = (next) =>
  pick(next, [
    v4(next),
    v4(next),
    `${v4(next)}:${1024 + next(60_000)}`.replace(/:\d+$/u, ''),
    `2001:0db8:${hex(next, 4)}:${hex(next, 4)}:${hex(next, 4)}:8a2e:0370:7334`,
    `2001:db8::${1 + next(9)}${hex(next, 3)}`,
    `fe80::1${hex(next, 3)}:2aff:fe9a:${hex(next, 4)}`,
    `::ffff:${v4(next)}`,
  ])
const mac: Draw = (next) => {
  const pairs = Array.from({ length: 6 }, (_, i) => (i === 0 ? '0' : hex(next, 1)) + hex(next, 1))
  return pick(next, [pairs.join(':'), pairs.join('-').toUpperCase(), pairs.join('').replaceAll(/(.{4})(?=.)/gu, '$1.')])
}
const url: Draw = (next) =>
  pick(next, [
    `https://www.example.com/${hex(next, 5)}?id=${next(99)}`,
    `http://192.0.2.${next(250)}:8080/login`,
    `www.example.org/a_(b)`,
    `ftp://files.example.net/${hex(next, 3)}.zip`,
    'https://example.com',
    'shop.example.co.uk/basket',
  ])
const wallet: Draw = (next) => pick(next, [base58check(0, next), base58check(5, next), `0x${hex(next, 40)}`])
const ssn: Draw = (next) => `${pick(next, ['219', '078', '457', '532'])}-${two(11 + next(80))}-${1000 + next(8999)}`
const itin: Draw = (next) => `9${digits(next, 2)}-${70 + next(19)}-${digits(next, 4)}`
const aba: Draw = (next) =>
  until(next, (random) => {
    const value = `${pick(random, ['02', '06', '11', '12', '26', '32'])}${digits(random, 7)}`
    return weighted(value, [3, 7, 1, 3, 7, 1, 3, 7, 1]) % 10 === 0 ? value : null
  })
const dea: Draw = (next) => {
  const body = digits(next, 6)
  const sum = Number(body[0]) + Number(body[2]) + Number(body[4]) + 2 * (Number(body[1]) + Number(body[3]) + Number(body[5]))
  return `${pick(next, ['A', 'B', 'F', 'M'])}${letters(next, 1)}${body}${sum % 10}`
}
const npi: Draw = (next) => {
  const body = `1${digits(next, 8)}`
  return body + luhn(`80840${body}`)
}
const mbi: Draw = (next) => {
  const letter = (): string => letters(next, 1, 'ACDEFGHJKMNPQRTUVWXY')
  const [a, b, c] = [
    `${1 + next(9)}${letter()}${letter()}${next(10)}`,
    `${letter()}${next(10)}${next(10)}`,
    `${letter()}${letter()}${next(10)}${next(10)}`,
  ]
  return pick(next, [`${a}${b}${c}`, `${a}-${b}-${c}`])
}
const isin: Draw = (next) => {
  const body = pick(next, ['US', 'DE', 'FR']) + digits(next, 9)
  return body + luhn(body.replaceAll(/[A-Z]/gu, (sign) => String(sign.charCodeAt(0) - 55)))
}
const date: Draw = (next) => {
  const [year, month, day] = birthday(next)
  const name = ['Jan', 'February', 'Mar', 'April', 'May', 'June', 'July', 'August', 'Sept', 'October', 'Nov', 'December'][Number(month) - 1]!
  return pick(next, [`${year}-${month}-${day}`, `${day}/${month}/${year}`, `${month}/${day}/${year}`, `${day}.${month}.${year}`, `${day}-${month}-${year}`, `${name} ${Number(day)}, ${year}`, `${Number(day)} ${name} ${year}`, `${Number(day)}th ${name} ${year}`, `${year}/${month}/${day}`, `${day}-${name.slice(0, 3)}-${year}`])
} // prettier-ignore

/** As printed on cards and in letters of thirty countries. */
const PHONES =
  '+1 (212) 555-0198|(312) 664-2871|646.555.0147|020 7946 0958|+44 7700 900123|01632 960983|0161 496 0345|030 901820|+49 151 23456789|0049 89 636 48018|06 12 34 56 78|+33 1 70 18 99 00|91 123 45 67|+34 612 345 678|02 3031 1234|+39 347 123 4567|020 624 1111|+31 6 12345678|02 512 12 34|+32 470 12 34 56|044 668 18 00|+41 79 123 45 67|01 58 858 0|+43 664 1234567|08-123 456 78|+46 70 123 45 67|22 12 34 56|+47 912 34 567|33 12 34 56|+45 20 12 34 56|09 1234 5678|+358 40 1234567|22 123 45 67|+48 601 234 567|+420 601 123 456|+36 20 123 4567|+40 721 234 567|210 123 4567|+30 691 234 5678|+351 912 345 678|+353 87 123 4567|+90 532 123 45 67|+972 54 123 4567|+971 50 123 4567|+27 82 123 4567|+234 803 123 4567|+91 98765 43210|022 2345 6789|+86 138 1234 5678|090-1234-5678|+81 3 1234 5678|010-1234-5678|+82 2 312 3456|+65 9123 4567|+61 412 345 678|(02) 9876 5432|+64 21 123 4567|(11) 91234-5678|+55 21 98765-4321|+52 55 1234 5678|+54 11 4123-4567|+56 9 8765 4321|+57 300 123 4567|+63 917 123 4567|+62 812 3456 7890|+66 81 234 5678|+84 91 234 56 78|+380 67 123 4567|+7 912 345-67-89|8 (495) 123-45-67'
const DRAWN = PHONES.split('|')
/** Every digit but the leading ones is drawn anew. */
const phone: Draw = (next) => {
  const shape = pick(next, DRAWN)
  return shape.slice(0, 8) + shape.slice(8).replaceAll(/\d/gu, () => String(1 + next(9)))
}
/** Of two words in a country where it is written with blanks only: such numbers need a word near. */
const internationalPhone: Draw = (next) =>
  until(next, (random) => ((value) => (/^(?:\+|00|\()/u.test(value) ? value : null))(phone(random)))
const address: Draw = (next) => {
  const number = 1 + next(240)
  return pick(next, [
    `${number} Willowbrook Lane, Madison, WI ${53_701 + next(90)}`,
    `${number} E 17th St Apt ${1 + next(9)}B, New York, NY 100${10 + next(80)}`,
    `${number} Kingsway, Hove BN3 ${1 + next(8)}QT`,
    `Flat ${1 + next(9)}, ${number} Marlborough Road, Sheffield S10 2GW`,
    `Schillerstraße ${number}a, 0${4100 + next(200)} Leipzig`,
    `Am Alten Markt ${number}, ${50_667 + next(9)} Köln`,
    `${number} bis rue du Faubourg Saint-Antoine, 750${10 + next(10)} Paris`,
    `${number}, avenue des Champs-Élysées, 69006 Lyon`,
  ])
}

const plain: (entity: string) => Draw = (entity) => VALUES[entity]!

export const GENERAL_KINDS: readonly Kind[] = [
  kind('CREDIT_CARD', 'credit card|card number', true, card, (next) => spoilt(card(next), next), (next) => `4${digits(next, 10)}`, (next) => `9${digits(next, 15)}`),
  kind('IBAN_CODE', 'IBAN|account IBAN', true, iban, (next) => spoilt(iban(next), next), (next) => iban(next).slice(0, -3).trim(), (next) => `ZZ${iban(next).slice(2)}`),
  kind('EMAIL_ADDRESS', 'e-mail|email address', true, email, (next) => email(next).split('@')[0]! + '@', (next) => `@${hex(next, 5)}`, () => 'name at example dot com'),
  kind('IP_ADDRESS', 'IP address|client IP', true, ip, (next) => `${256 + next(700)}.${next(256)}.1.2`, (next) => `${next(99)}.${next(99)}.${next(99)}`, (next) => `${v4(next)}.${next(9)}.${next(9)}`, (next) => `2001:db8:${hex(next, 5)}:1`),
  kind('MAC_ADDRESS', 'MAC address|hardware address', true, mac, (next) => mac(next).slice(0, -3), () => '00:1G:2H:3J:4K:5L', (next) => `${hex(next, 2)}:${hex(next, 2)}:${hex(next, 2)}`),
  kind('URL', 'link|website', true, url, () => 'http://', () => 'www.', () => 'example', (next) => `file${next(9)}.txt`),
  kind('CRYPTO', 'wallet|bitcoin address', true, wallet, (next) => spoilt(base58check(0, next), next), (next) => `0x${hex(next, 12)}`, (next) => spoilt(base58check(5, next), next)),
  kind('US_SSN', 'SSN|social security number', true, ssn, (next) => `000-${two(11 + next(80))}-${digits(next, 4)}`, (next) => `666-${two(11 + next(80))}-${digits(next, 4)}`, (next) => `457-00-${digits(next, 4)}`, (next) => `457-${two(11 + next(80))}-0000`, (next) => `${ssn(next)}${digits(next, 2)}`),
  kind('US_ITIN', 'ITIN|individual taxpayer identification number', true, itin, (next) => `9${digits(next, 2)}-${10 + next(30)}-${digits(next, 4)}`, (next) => `9${digits(next, 2)}-93-${digits(next, 3)}`),
  kind('ABA_ROUTING_NUMBER', 'routing number|ABA', false, aba, (next) => spoilt(aba(next), next), (next) => `99${digits(next, 7)}`, (next) => digits(next, 8)),
  kind('MEDICAL_LICENSE', 'DEA number|DEA registration', true, dea, (next) => spoilt(dea(next), next), (next) => dea(next).slice(0, 8), (next) => `${letters(next, 2)}${digits(next, 8)}`),
  kind('US_NPI', 'NPI|national provider identifier', false, npi, (next) => spoilt(npi(next), next), (next) => `5${digits(next, 9)}`, (next) => digits(next, 8)),
  kind('US_MBI', 'Medicare beneficiary ID|MBI', true, mbi, (next) => `0${mbi(next).slice(1)}`, (next) => `${mbi(next).slice(0, 1)}S${mbi(next).slice(2)}`, (next) => mbi(next).slice(0, -1)),
  kind('ISIN', 'ISIN|security ISIN', true, isin, (next) => spoilt(isin(next), next), (next) => isin(next).slice(0, 11), (next) => `QQ${digits(next, 10)}`),
  kind('DATE_TIME', 'date of birth|born on', true, date, (next) => `${1950 + next(50)}-${13 + next(80)}-${two(1 + next(28))}`, (next) => `${32 + next(60)}/${13 + next(60)}/${1950 + next(50)}`, (next) => `${32 + next(60)}.${two(1 + next(12))}.${next(10)}`),
  kind('PHONE_NUMBER', 'phone|mobile', false, phone, (next) => digits(next, 4), (next) => `+${digits(next, 3)}`, (next) => `+999 ${digits(next, 3)} ${digits(next, 4)}`, () => '123-45'),
  kind('PHONE_NUMBER', 'call|tel.', true, internationalPhone),
  kind('ADDRESS', 'address|home address', true, address, (next) => `${next(99)} items`, () => 'on the street where you live', (next) => `Room ${next(300)}`),
  kind('US_BANK_NUMBER', 'bank account number|checking account', false, plain('US_BANK_NUMBER')),
  kind('US_DRIVER_LICENSE', "driver's license|driving license number", false, (next) => pick(next, [`${letters(next, 1)}${digits(next, 7)}`, digits(next, 9), `${letters(next, 1)}${digits(next, 3)}-${digits(next, 4)}-${digits(next, 4)}`])),
  kind('PASSPORT', 'passport|passport number', false, (next) => pick(next, [digits(next, 9), `${letters(next, 1)}${digits(next, 8)}`, `${letters(next, 2)}${digits(next, 7)}`])),
  kind('MEDICAL_RECORD_NUMBER', 'MRN|medical record number', false, plain('MEDICAL_RECORD_NUMBER')),
] // prettier-ignore
