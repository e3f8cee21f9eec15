import { luhn, weightedSum } from '../checksums.ts'
import { always, type Identifier, identifier, stdnum } from './identifier.ts'

/** American Bankers Association: weights 3, 7, 1; the first two digits are a Federal Reserve district, a thrift's or an electronic one. */
function aba(digits: string): boolean {
  const head = Number(digits.slice(0, 2))
  const known = (head >= 1 && head <= 12) || (head >= 21 && head <= 32) || (head >= 61 && head <= 72) || head === 80
  return known && weightedSum(digits, [3, 7, 1, 3, 7, 1, 3, 7, 1]) % 10 === 0
}

/** IRS Publication 1915: 9xx and a group of 50 to 65, 70 to 88, 90 to 92 or 94 to 99. */
function itin(digits: string): boolean {
  const group = Number(digits.slice(3, 5))
  return digits.startsWith('9') && ((group >= 50 && group <= 65) || (group >= 70 && group <= 88) || (group >= 90 && group !== 93))
}

/** CMS, Medicare Beneficiary Identifier format: no S, L, O, I, B, Z. */
const MBI = /^[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d[AC-HJKMNP-RT-Y]{2}\d{2}$/u
/** 45 CFR 162.406: Luhn over the issuer prefix 80840 and the number. */
const npi = (digits: string): boolean => /^[12]/u.test(digits) && luhn(`80840${digits}`) && !/^(\d)\1+$/u.test(digits)

export const NORTH_AMERICA: readonly Identifier[] = [
  identifier('ABA_ROUTING_NUMBER', '9{9}:.2 9999-9999-9:.6', aba, 'aba, routing, routing number, transit number, bank routing, rtn, aba number, wire, routing no'),
  identifier('US_ITIN', '999-99-9999:.7 999_99_9999:.5 999-999999:.3 99999-9999:.3 9{9}:.2', itin, 'itin, individual taxpayer, taxpayer id, tax id, taxpayer identification, tax payer'),
  identifier('US_EIN', '99-9{7}:.45 9{9}:.05', stdnum('us/ein'), 'ein, fein, employer identification, tax id, federal tax, tin, taxpayer identification, tax identification'),
  identifier('US_MBI', '9AX9AX9AA99:.85 9AX9-AX9-AA99:.9 9AX9_AX9_AA99:.8', (code) => MBI.test(code), 'mbi, medicare, medicare beneficiary, beneficiary id, hic, cms'),
  identifier('US_NPI', '9{10}:.2 9999-999-999:.5 9999_999_999:.3', npi, 'npi, national provider, provider identifier, provider id, provider number'),
  identifier('US_ZIP_CODE', '99999-9999:.55 99999:.05', (code) => Number(code.slice(0, 5)) > 500, 'zip, zip code, zipcode, postal code'),
  identifier('CA_SIN', '999-999-999:.6 999_999_999:.5 9{9}:.2', (digits) => !/^[08]/u.test(digits) && stdnum('ca/sin')(digits), 'sin, social insurance, social insurance number, nas, numero d assurance sociale, assurance sociale'),
  identifier('CA_BN', '9{9}:.1 9{9}AA9999:.75 9{9}_AA_9999:.75', (code) => stdnum('ca/bn')(code), 'bn, business number, numero d entreprise, gst, hst'),
  identifier('CA_POSTAL_CODE', 'A9A_9A9:.6 A9A9A9:.25 A9A-9A9:.5', (code) => /^[ABCEGHJ-NPR-TVXY]\d[ABCEGHJ-NPR-TV-Z]\d[ABCEGHJ-NPR-TV-Z]\d$/u.test(code), 'postal code, code postal'),
  identifier('CA_BC_PHN', '9999_999_999:.35 9{10}:.15', stdnum('ca/bc_bhn'), 'phn, personal health number, msp, bc services card'),
  identifier('CA_ONTARIO_HEALTH_CARD', '9999-999-999-AA:.8 9999-999-999:.3 9999_999_999_AA:.7 9{10}AA:.4', (code) => luhn(code.slice(0, 10)), 'ohip, health card, health insurance number, carte sante'),
  identifier('CA_RAMQ', 'AAAA_9999_9999:.7 AAAA9{8}:.4', (code) => Number(code.slice(6, 8)) % 50 <= 12, 'ramq, carte d assurance maladie, assurance maladie, numero d assurance maladie'),
  identifier('MX_CURP', 'A{4}9{6}A{6}X9:.9', stdnum('mx/curp'), 'curp, clave unica de registro'),
  identifier('MX_RFC', 'A{4}9{6}XXX:.55 A{3}9{6}XXX:.4 A{4}-9{6}-XXX:.75 A{3}-9{6}-XXX:.7', stdnum('mx/rfc'), 'rfc, registro federal de contribuyentes'),
  identifier('MX_CLABE', '9{18}:.5 999_999_9{11}_9:.7', stdnum('mx/clabe'), 'clabe, clave bancaria, cuenta clabe, interbancaria'),
  identifier('MX_NSS', '9{11}:.15 99-99-99-9999-9:.6', luhn, 'nss, imss, numero de seguridad social, seguro social'),
  identifier('US_MEDICAID_ID', '', always, 'medicaid', { least: 8, most: 14, pattern: /^(?=.*\d.*\d.*\d.*\d)[A-Z0-9]+$/u, score: 0.05 }),
] // prettier-ignore
