import { remainder } from '../checksums.ts'
import { always, type Identifier, identifier, stdnum } from './identifier.ts'

/** Not valid as prefixes (HMRC, NIM39110). */
const NINO = /^(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]?$/u

/** NHS Data Dictionary: modulus 11 over nine digits. */
function nhs(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < 9; i++) sum += (10 - i) * Number(digits[i])
  const check = 11 - (sum % 11)
  return check !== 10 && check % 11 === Number(digits[9]) && !/^(\d)\1+$/u.test(digits)
}

/** Germany's Krankenversichertennummer (§ 290 SGB V): a letter as two digits, then weights 1 and 2, sums of digits. */
function kvnr(code: string): boolean {
  const digits = String(code.charCodeAt(0) - 0x40).padStart(2, '0') + code.slice(1, 9)
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const product = Number(digits[i]) * (i % 2 === 0 ? 1 : 2)
    sum += product > 9 ? product - 9 : product
  }
  return sum % 10 === Number(code[9])
}

/** Lifelong number of a German physician (KBV): weights 4 and 9 over six digits. */
function lanr(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < 6; i++) sum += Number(digits[i]) * (i % 2 === 0 ? 4 : 9)
  return (10 - (sum % 10)) % 10 === Number(digits[6])
}

/** ICAO 9303 weights 7, 3, 1 over the nine characters of a German document number. */
function icao(code: string): boolean {
  let sum = 0
  for (let i = 0; i < code.length - 1; i++) {
    const unit = code.charCodeAt(i)
    sum += (unit >= 0x41 ? unit - 0x37 : unit - 0x30) * [7, 3, 1][i % 3]!
  }
  return sum % 10 === Number(code.at(-1))
}

const POSTCODE = /^(?:GIR0AA|(?:[A-PR-UWYZ](?:\d{1,2}|[A-HK-Y]\d{1,2}|\d[A-HJKPSTUW]|[A-HK-Y]\d[ABEHMNPRVWXY]))\d[ABD-HJLNP-UW-Z]{2})$/u
const UK_LICENCE = /^(?=.{5}\d)[A-Z]{1,5}9{0,4}\d[0156]\d(?:0[1-9]|[12]\d|3[01])\d[A-Z9]{2}[A-Z0-9]{3}$/u

/** A French department, a Belgian or Dutch number and the like are checked by the library. */
export const WESTERN_EUROPE: readonly Identifier[] = [
  identifier('UK_NHS', '999-999-9999:.6 999_999_9999:.6 9{10}:.2', nhs, 'nhs, nhs number, nhs no, national health service, health services authority'),
  identifier('UK_NINO', 'AA999999A:.75 AA_99_99_99_A:.85 AA_999999_A:.75 AA999999_A:.6 AA-99-99-99-A:.85 AA999999:.2', (code) => NINO.test(code), 'national insurance, nino, ni number, national insurance number, ni no, insurance number'),
  identifier('UK_UTR', '9{10}:.1 99999_99999:.1', stdnum('gb/utr'), 'utr, unique taxpayer reference, tax reference, self assessment'),
  identifier('UK_VAT', 'AA9{9}:.6 AA_999_9999_99:.6 9{9}:.1 999_9999_99:.15', (code) => /^(?:GB|XI|\d)/u.test(code) && stdnum('gb/vat')(code), 'vat, vat number, vat registration, vat reg no'),
  identifier('UK_POSTCODE', 'A9_9AA:.55 A99_9AA:.6 AA9_9AA:.6 AA99_9AA:.65 A9A_9AA:.65 AA9A_9AA:.7 A99AA:.1 A999AA:.2 AA99AA:.1 AA999AA:.2 A9A9AA:.2 AA9A9AA:.2 AAA_9AA:.1', (code) => POSTCODE.test(code), 'postcode, post code, postal code'),
  identifier('UK_DRIVING_LICENCE', 'A{5}9{6}AXXAA:.8 A{5}9{6}A9XAA:.8 A{5}9{6}AA9AA:.8 A{4}99{6}AA9AA:.6 A{3}999{6}AA9AA:.6 AA9999{6}AA9AA:.6', (code) => UK_LICENCE.test(code), 'driving licence, driver licence, driving license, licence number, dvla', { least: 16, most: 16, pattern: UK_LICENCE, score: 0.6 }),
  identifier('UK_VEHICLE_REGISTRATION', 'AA99_AAA:.55 AA99AAA:.4 A999_AAA:.2 A999AAA:.1 AAA_999A:.2 AAA999A:.1', (code) => /^(?:[A-HJ-PR-Y][A-HJ-PR-Y](?:0[1-9]|[1-7]\d)[A-HJ-PR-Z]{3}|[A-Z]\d{3}[A-Z]{3}|[A-Z]{3}\d{3}[A-Z])$/u.test(code), 'registration, vehicle, number plate, plate, reg, car, van, licence plate, license plate, dvla, vrm'),
  identifier('IE_PPS', '9{7}A:.6 9{7}AA:.6', stdnum('ie/pps'), 'pps, ppsn, pps number, personal public service'),
  identifier('IE_VAT', 'AA9{7}A:.6 AA9{7}AA:.6 AA9A9{5}A:.6', (code) => code.startsWith('IE') && stdnum('ie/vat')(code), 'vat, vat number'),
  identifier('DE_TAX_ID', '99_999_999_999:.7 9{11}:.3', stdnum('de/idnr'), 'steuer-id, steuerid, steuer-identifikationsnummer, steueridentifikationsnummer, identifikationsnummer, idnr, id nr, steuerliche identifikationsnummer, tin, tax id, steuernummer'),
  identifier('DE_TAX_NUMBER', '99/999/99999:.6 999/999/99999:.6 999/9999/9999:.6 9999/999/99999:.5 9{13}:.1 9{10}:.05 9{11}:.05', (code) => /^(?!0+$)/u.test(code), 'steuernummer, st.-nr, stnr, st nr, tax number, finanzamt'),
  identifier('DE_SOCIAL_SECURITY', '99_999999_A_999:.8 99_99_99_99_A_999:.8 99999999A999:.7', stdnum('de/svnr'), 'sozialversicherungsnummer, rentenversicherungsnummer, versicherungsnummer, rvnr, sv-nummer, svnr, versicherungsnr, rentenversicherung'),
  identifier('DE_HEALTH_INSURANCE', 'A9{9}:.55', kvnr, 'krankenversichertennummer, versichertennummer, kvnr, krankenkasse, gesundheitskarte, egk, krankenversicherungsnummer, versicherten-id'),
  identifier('DE_LANR', '9{9}:.15', lanr, 'lanr, arztnummer, lebenslange arztnummer'),
  identifier('DE_BSNR', '9{9}:.05', always, 'bsnr, betriebsstattennummer, betriebsstatten-nr'),
  identifier('DE_ID_CARD', 'A9{8}9:.1', icao, 'personalausweis, personalausweisnummer, personalausweisnr, ausweisnummer, ausweis, ausweis-nr, id card, identity card'),
  // BSI TR-03127: since 2010 of letters that no digit is taken for and no word is made of, with the check digit or without.
  identifier('DE_ID_CARD', '', (code) => /\d/u.test(code) && (code.length === 9 || icao(code)), '', { least: 9, most: 10, pattern: /^[LMNPRTVWXY][CFGHJKLMNPRTVWXYZ0-9]{8}\d?$/u, score: 0.08 }),
  identifier('DE_VAT_ID', 'AA9{9}:.65 AA_9{9}:.65 AA_999_999_999:.65', (code) => code.startsWith('DE') && stdnum('de/vat')(code), 'ust-id, ust-idnr, umsatzsteuer, umsatzsteuer-id, umsatzsteuer-identifikationsnummer, vat, ustid, tax id, vat id, vat number'),
  identifier('DE_PLZ', '99999:.05 A-99999:.5', (code) => Number(code.replace('D', '')) >= 1000, 'plz, postleitzahl'),
  identifier('DE_KFZ', 'A-AA_99:.1 A-AA_999:.5 A-AA_9999:.5 AA-AA_99:.5 AA-AA_999:.55 AA-AA_9999:.55 AAA-AA_99:.5 AAA-AA_999:.55 A-A_999:.3 A-A_9999:.3 AA-A_999:.3 AA-A_9999:.35 AAA-A_99:.3 AAA-A_999:.35 A_AA_9999:.2 AA_AA_999:.2 AA_AA_9999:.2 AAA_AA_999:.2', (code) => /^[A-ZÄÖÜ]{2,5}[1-9]\d{1,3}$/u.test(code), 'kennzeichen, kfz, kfz-kennzeichen, nummernschild, fahrzeug, auto, pkw, zulassung'),
  identifier('AT_SOCIAL_SECURITY', '9999_999999:.35 9{10}:.2 9999-999999:.4', stdnum('at/vnr'), 'sozialversicherungsnummer, svnr, sv-nummer, versicherungsnummer, vsnr, svnr.'),
  identifier('AT_TAX_NUMBER', '99-999/9999:.7', stdnum('at/tin'), 'steuernummer, abgabenkontonummer'),
  identifier('AT_VAT', 'AAA9{8}:.65', (code) => code.startsWith('ATU') && stdnum('at/uid')(code), 'uid, uid-nummer, ust-id, vat'),
  identifier('CH_AHV', '999.9999.9999.99:.9 9{13}:.3 999_9999_9999_99:.85', stdnum('ch/ssn'), 'ahv, ahv-nummer, ahvn13, avs, numero avs, sozialversicherungsnummer, avs-nr, navs'),
  identifier('CH_UID', 'AAA-999.999.999:.85 AAA9{9}:.6', (code) => code.startsWith('CHE') && stdnum('ch/uid')(code), 'uid, mwst, ide, unternehmens-identifikationsnummer'),
  identifier('LI_PEID', '9{12}:.05', stdnum('li/peid'), 'peid, personenidentifikationsnummer'),
  identifier('FR_NIR', '9_99_99_99_999_999_99:.85 9_99_99_99_999_999:.6 9{15}:.55 9{13}:.1 9_99_99_9A_999_999_99:.85 9{6}A9{8}:.4', (code) => code.length === 13 || stdnum('fr/nir')(code), 'nir, securite sociale, numero de securite sociale, insee, carte vitale, n secu, secu'),
  identifier('FR_NIF', '99_99_999_999_999:.6 9{13}:.2', stdnum('fr/nif'), 'numero fiscal, nif, spi, identifiant fiscal, reference fiscale'),
  identifier('FR_SIREN', '999_999_999:.25 9{9}:.15', stdnum('fr/siren'), 'siren, rcs, numero siren'),
  identifier('FR_SIRET', '999_999_999_99999:.7 9{14}:.2', stdnum('fr/siret'), 'siret, numero siret'),
  identifier('FR_VAT', 'AA9{11}:.7 AA_99_999999999:.7 AA_99_999_999_999:.7', (code) => code.startsWith('FR') && remainder(code.slice(4), 97) >= 0 && stdnum('fr/tva')(code), 'tva, tva intracommunautaire, vat'),
  identifier('MC_VAT', 'AA9{11}:.5', (code) => code.startsWith('FR') && stdnum('mc/tva')(code), 'tva, vat, monaco'),
  identifier('NL_BSN', '9{9}:.15 9999.99.999:.6 9999_99_999:.5', stdnum('nl/bsn'), 'bsn, burgerservicenummer, sofinummer, sofi, burger service nummer, sofi-nummer'),
  identifier('NL_VAT', 'AA9{9}A99:.8 AA_9999.99.999.A99:.8', (code) => code.startsWith('NL') && stdnum('nl/btw')(code), 'btw, btw-nummer, btw-id, vat'),
  identifier('BE_NATIONAL_NUMBER', '99.99.99-999.99:.9 9{11}:.3 99_99_99-999_99:.8 9{6}-999-99:.7', stdnum('be/nn'), 'rijksregisternummer, numero national, registre national, niss, insz, national number, rijksregister, rrn'),
  identifier('BE_VAT', 'AA9{10}:.65 AA_9999.999.999:.75 9999.999.999:.5 9{10}:.2', (code) => /^(?:BE|\d)/u.test(code) && stdnum('be/vat')(code), 'btw, tva, vat, ondernemingsnummer, numero d entreprise, kbo, bce'),
  identifier('LU_VAT', 'AA9{8}:.55', (code) => code.startsWith('LU') && stdnum('lu/tva')(code), 'tva, vat'),
] // prettier-ignore
