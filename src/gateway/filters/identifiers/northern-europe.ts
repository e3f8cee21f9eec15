import { type Identifier, identifier, isYymmdd, stdnum } from './identifier.ts'
import { isOfLivingByFirstDigit, isOfLivingDane } from './living.ts'

const finnish = stdnum('fi/hetu')

/** The library takes the code without its sign of the century for a wrong one. */
function hetu(code: string): boolean {
  const parts = /^(\d{6})(\d{3})([A-Z0-9])$/u.exec(code)
  if (!parts) return /^\d{6}[A-FU-Y]\d{3}[A-Z0-9]$/u.test(code) && finnish(code)
  return ['-', '+'].some((century) => finnish(`${parts[1]}${century}${parts[2]}${parts[3]}`))
}

const swedish = stdnum('se/personnummer')
/** With ten digits the library wants the sign of the century. */
function personnummer(digits: string): boolean {
  const short = digits.slice(-10)
  const day = Number(short.slice(4, 6))
  // A coordination number has 60 added to the day.
  const plain = day > 60 ? `${short.slice(0, 4)}${String(day - 60).padStart(2, '0')}` : short.slice(0, 6)
  if (!isYymmdd(plain)) return false
  if (day <= 60) return swedish(`${short.slice(0, 6)}-${short.slice(6)}`)
  let sum = 0
  for (let i = 0; i < 10; i++) {
    const product = Number(short[i]) * (i % 2 === 0 ? 2 : 1)
    sum += product > 9 ? product - 9 : product
  }
  return sum % 10 === 0
}

/** The third digit tells an organisation's number from a person's. */
const organisation = (digits: string): boolean => Number(digits[2]) >= 2 && stdnum('se/orgnr')(digits)

export const NORTHERN_EUROPE: readonly Identifier[] = [
  identifier('SE_PERSONNUMMER', '999999-9999:.7 99999999-9999:.85 9{12}:.35 9{10}:.2', personnummer, 'personnummer, pnr, person nr, samordningsnummer, swedish personal, personal identity number, fodelsenummer'),
  identifier('SE_ORGANISATIONSNUMMER', '999999-9999:.6 9{10}:.2', organisation, 'organisationsnummer, org nr, orgnr, org.nr, organization number'),
  identifier('SE_VAT', 'AA9{12}:.75', (code) => code.startsWith('SE') && stdnum('se/vat')(code), 'moms, momsnummer, vat'),
  identifier('NO_FODSELSNUMMER', '999999_99999:.7 9{11}:.35', stdnum('no/fodselsnummer'), 'fodselsnummer, personnummer, fnr, d-nummer, fodselsnr, national identity'),
  identifier('NO_ORGNR', '999_999_999:.25 9{9}:.15', stdnum('no/orgnr'), 'organisasjonsnummer, orgnr, org.nr, org nr, foretaksregisteret'),
  identifier('NO_BANK_ACCOUNT', '9999.99.99999:.8 9999_99_99999:.6 9{11}:.1', stdnum('no/kontonr'), 'kontonummer, konto, bankkonto, kontonr'),
  identifier('DK_CPR', '999999-9999:.6 999999_9999:.35 9{10}:.1', (digits) => isOfLivingDane(digits) && stdnum('dk/cpr')(digits), 'cpr, cpr-nummer, cpr-nr, personnummer, cprnr, cpr nr'),
  identifier('DK_CVR', 'AA9{8}:.5 9{8}:.15 99_99_99_99:.15', (code) => /^(?:DK|\d)/u.test(code) && stdnum('dk/cvr')(code), 'cvr, cvr-nr, cvr nummer, se-nr, moms'),
  identifier('FI_PERSONAL_IDENTITY_CODE', '999999-999X:.85 999999A999X:.85 999999+999X:.85', hetu, 'henkilotunnus, hetu, personbeteckning, sotu, personal identity code, henkilotunnuksesi'),
  identifier('FI_BUSINESS_ID', '9{7}-9:.55', stdnum('fi/ytunnus'), 'y-tunnus, fo-nummer, business id, ytunnus'),
  identifier('FI_VAT', 'AA9{8}:.55', (code) => code.startsWith('FI') && stdnum('fi/alv')(code), 'alv, vat, alv-numero'),
  identifier('IS_KENNITALA', '999999-9999:.6 9{10}:.2', stdnum('is/kennitala'), 'kennitala, kt'),
  identifier('FO_VAT', '999999:.05', stdnum('fo/vn'), 'vinnutal, v-tal'),
  identifier('EE_PERSONAL_CODE', '9{11}:.3', (digits) => isOfLivingByFirstDigit(digits) && stdnum('ee/ik')(digits), 'isikukood, ik, personal code'),
  identifier('EE_REGISTRY_CODE', '9{8}:.15', stdnum('ee/registrikood'), 'registrikood, registry code'),
  identifier('LV_PERSONAL_CODE', '999999-99999:.55 9{11}:.2', stdnum('lv/pvn'), 'personas kods, personal code, pk'),
  identifier('LT_PERSONAL_CODE', '9{11}:.3', (digits) => isOfLivingByFirstDigit(digits) && stdnum('lt/asmens')(digits), 'asmens kodas, personal code, a.k'),
  identifier('LT_VAT', 'AA9{9}:.5 AA9{12}:.5', (code) => code.startsWith('LT') && stdnum('lt/pvm')(code), 'pvm, pvm kodas, vat'),
] // prettier-ignore
