import { pick, type Random } from '../planted/values.ts'
import { birthday, digits, grouped, letters, luhn, mod1110, mod97, spoilt, two, until, weighted } from './checks.ts'
import { kind, type Kind } from './kinds.ts'

type Draw = (next: Random) => string
const letter = (next: Random, from: string): string => letters(next, 1, from)
const short = (next: Random): string =>
  birthday(next)
    .map((part) => two(Number(part) % 100))
    .join('')
/** Days of birth as `ddmmyy`. */
const dayFirst = (next: Random): string => ((date) => date.slice(4) + date.slice(2, 4) + date.slice(0, 2))(short(next))

const postcode: Draw = (next) =>
  `${pick(next, ['M1', 'B33', 'CR2', 'DN55', 'W1A', 'EC1A'])} ${1 + next(9)}${letters(next, 2, 'ABDEFGHJLNPQRSTUWXYZ')}`
const plateUk: Draw = (next) =>
  `${letters(next, 2, 'ABDEFGHKLMNOPRSTVWXY')}${pick(next, ['05', '19', '52', '71'])} ${letters(next, 3, 'ABCDEFGHJKLMNOPRSTUVWXYZ')}`
const plateIn: Draw = (next) =>
  `${pick(next, ['KA', 'MH', 'DL', 'TN'])} ${two(1 + next(60))} ${letters(next, 2, 'ABCDEFGHJKLMNPRSTUVWXYZ')} ${1000 + next(8999)}`
const vin: Draw = (next) => {
  const values = '0123456789.ABCDEFGH..JKLMN.P.R..STUVWXYZ'
  const value = (sign: string): number => values.indexOf(sign) % 10
  return until(next, (random) => {
    const body = `1${letters(random, 2, 'CFGHN')}${letters(random, 5, 'ABCDEFGHJKLMNPRSTUVWXYZ')}0${letters(random, 2, 'ABCDEFGHJKLMN')}${digits(random, 6)}`
    const sum = weighted([...body].map((sign) => String(value(sign))).join(''), [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2])
    return body.slice(0, 8) + (sum % 11 === 10 ? 'X' : String(sum % 11)) + body.slice(9)
  })
}
const ahv: Draw = (next) => {
  const body = `756${digits(next, 9)}`
  return grouped(body + String((10 - (weighted(body, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]) % 10)) % 10), [3, 4, 4, 2], '.')
}
const cpr: Draw = (next) => `${dayFirst(next)}-${1000 + next(3000)}`
const norwegian: Draw = (next) =>
  until(next, (random) => {
    const body = dayFirst(random) + String(100 + random(399))
    const first = (11 - (weighted(body, [3, 7, 6, 1, 8, 9, 4, 5, 2]) % 11)) % 11
    const second = (11 - (weighted(body + String(first), [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11)) % 11
    return first > 9 || second > 9 || Number(body.slice(4, 6)) < 40 ? null : `${body.slice(0, 6)} ${body.slice(6)}${first}${second}`
  })
const pps: Draw = (next) => {
  const body = digits(next, 7)
  return body + 'WABCDEFGHIJKLMNOPQRSTUV'[weighted(body, [8, 7, 6, 5, 4, 3, 2]) % 23]!
}
const rodne: Draw = (next) =>
  until(next, (random) => {
    const date = short(random)
    const value = date + digits(random, 4)
    return Number(date.slice(0, 2)) >= 54 && Number(value) % 11 === 0 ? grouped(value, [6, 4], '/') : null
  })
const cnp: Draw = (next) => {
  const body = `${1 + next(2)}${short(next)}${two(1 + next(39))}${String(1 + next(900)).padStart(3, '0')}`
  const rest = weighted(body, [2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11
  return body + String(rest === 10 ? 1 : rest)
}
const oib: Draw = (next) => ((body) => body + mod1110(body))(digits(next, 10))
const snils: Draw = (next) => {
  const body = String(2 + next(8)) + digits(next, 8)
  return `${grouped(body, [3, 3, 3], '-')} ${two((weighted(body, [9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101) % 100)}`
}
const cuit: Draw = (next) =>
  until(next, (random) => {
    const body = pick(random, ['20', '27', '23', '30']) + digits(random, 8)
    const check = (11 - (weighted(body, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11)) % 11
    return check > 9 ? null : grouped(body + String(check), [2, 8, 1], '-')
  })
const rut: Draw = (next) => {
  const body = String(10_000_000 + next(14_000_000))
  const check = 11 - (weighted([...body].reverse().join(''), [2, 3, 4, 5, 6, 7, 2, 3]) % 11)
  return `${grouped(body, [2, 3, 3], '.')}-${check === 11 ? '0' : check === 10 ? 'K' : check}`
}
const resident: Draw = (next) => {
  const body = `110105${birthday(next).join('')}${digits(next, 3)}`
  return body + '10X98765432'[weighted(body, [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11]!
}
const taiwanese: Draw = (next) => {
  const head = next(8)
  const body = `${1 + next(2)}${digits(next, 7)}`
  const sum = 1 + head * 9 + weighted(body, [8, 7, 6, 5, 4, 3, 2, 1])
  return 'ABCDEFGH'[head]! + body + String((10 - (sum % 10)) % 10)
}
const mykad: Draw = (next) => `${short(next)}-${pick(next, ['01', '10', '14'])}-${1000 + next(8999)}`
const israeli: Draw = (next) => ((body) => body + luhn(body))(String(1 + next(8)) + digits(next, 7))
const curp: Draw = (next) => {
  const body = `${letter(next, 'BCDFGHJKLMNPRST')}${letter(next, 'AEIOU')}${letters(next, 2, 'BCDFGHJKLMNPRST')}${short(next)}${pick(next, ['H', 'M'])}${pick(next, ['DF', 'JC', 'NL'])}${letters(next, 3, 'BCDFGHJKLMNPRST')}0`
  const sum = [...body].reduce((total, sign, i) => total + '0123456789ABCDEFGHIJKLMN.OPQRSTUVWXYZ'.indexOf(sign) * (18 - i), 0)
  return body + String((10 - (sum % 10)) % 10)
}
const lei: Draw = (next) => ((body) => body + two(98 - mod97(`${body}00`)))(`${digits(next, 4)}00${letters(next, 6)}${digits(next, 6)}`)
const key: Draw = (next) => pick(next, ['AKIA', 'ASIA']) + letters(next, 16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')

const spoil =
  (right: Draw): Draw =>
  (next) =>
    spoilt(right(next), next)
const longer =
  (right: Draw): Draw =>
  (next) =>
    `${right(next)}${digits(next, 3)}`

/** Further papers, plates, codes and national numbers. */
export const FURTHER_KINDS: readonly Kind[] = [
  kind('UK_POSTCODE', 'postcode|post code', true, postcode, (next) => `${letters(next, 3)} ${next(10)}${letters(next, 2)}`),
  kind('UK_VEHICLE_REGISTRATION', 'vehicle registration|number plate', false, plateUk, longer(plateUk)),
  kind('IN_VEHICLE_REGISTRATION', 'vehicle number|registration', true, plateIn, (next) => `QX ${plateIn(next).slice(3)}`),
  kind('IN_VOTER', 'voter ID|EPIC number', false, (next) => `${letters(next, 3)}${digits(next, 7)}`, (next) => `${letters(next, 3)}${digits(next, 4)}`),
  kind('VIN', 'VIN|chassis number', true, vin, (next) => `${vin(next).slice(0, 16)}O`, (next) => vin(next).slice(0, 15)),
  kind('CH_AHV', 'AHV-Nummer|numéro AVS', true, ahv, spoil(ahv)),
  kind('DK_CPR', 'CPR-nummer|CPR', false, cpr, (next) => `99${cpr(next).slice(2)}`),
  kind('NO_FODSELSNUMMER', 'fødselsnummer|personnummer', true, norwegian, spoil(norwegian)),
  kind('IE_PPS', 'PPS number|PPSN', true, pps, (next) => `${pps(next).slice(0, 6)}${letter(next, 'XYZ')}`),
  kind('CZ_BIRTH_NUMBER', 'rodné číslo|rodného čísla', true, rodne, spoil(rodne)),
  kind('RO_CNP', 'CNP|cod numeric personal', false, cnp, spoil(cnp)),
  kind('HR_OIB', 'OIB|osobni identifikacijski broj', false, oib, spoil(oib)),
  kind('RU_SNILS', 'СНИЛС|SNILS', true, snils, spoil(snils)),
  kind('AR_CUIL', 'CUIT|CUIL', true, cuit, spoil(cuit)),
  kind('CL_RUT', 'RUT|rol único tributario', true, rut, spoil(rut)),
  kind('CN_RESIDENT_ID', '身份证号|resident identity card', true, resident, spoil(resident)),
  kind('TW_NATIONAL_ID', '身分證字號|Taiwan national ID', false, taiwanese, spoil(taiwanese)),
  kind('MY_NRIC', 'MyKad|NRIC', true, mykad, (next) => `99${mykad(next).slice(2, 4)}77-${mykad(next).slice(7)}`),
  kind('IL_ID_NUMBER', 'teudat zehut|Israeli ID', false, israeli, spoil(israeli)),
  kind('MX_CURP', 'CURP|clave única de registro', true, curp, spoil(curp)),
  kind('LEI', 'LEI|legal entity identifier', true, lei, spoil(lei)),
  kind('API_KEY', 'access key|API key', true, key, (next) => key(next).slice(0, 9)),
  kind('AGE', 'age|aged', false, (next) => String(20 + next(70)), (next) => String(200 + next(700))),
  kind('PASSWORD', 'password|passwd', false, (next) => `${letters(next, 4)}${letters(next, 3, 'abcdefg')}${next(90)}!${letters(next, 2)}`, () => 'required'),
] // prettier-ignore
