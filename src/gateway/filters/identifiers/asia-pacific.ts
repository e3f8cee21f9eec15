import { weightedSum } from '../checksums.ts'
import { always, type Identifier, identifier, isYymmdd, stdnum } from './identifier.ts'

/** Services Australia: weights 1, 3, 7, 9 over eight digits; the first is 2 to 6. */
function medicare(digits: string): boolean {
  return /^[2-6]/u.test(digits) && weightedSum(digits, [1, 3, 7, 9, 1, 3, 7, 9]) % 10 === Number(digits[8])
}

/** Immigration & Checkpoints Authority: S, T, F, G and M with weights 2, 7, 6, 5, 4, 3, 2. */
function nric(code: string): boolean {
  const sum = weightedSum(code.slice(1, 8), [2, 7, 6, 5, 4, 3, 2])
  const check = { S: 'JZIHGFEDCBA', T: 'GFEDCBAJZIH', F: 'XWUTRQPNMLK', G: 'RQPNMLKXWUT', M: 'XWUTRQPNJLK' }[code[0]!]
  if (check === undefined) return false
  // M adds 3 and counts from the other end.
  return code.startsWith('M')
    ? 'KLJNPQRTUWX'[10 - ((sum + 3) % 11)] === code[8] || check[(sum + 3) % 11] === code[8]
    : rest(code[0]!, sum) === code[8]
}

function rest(kind: string, sum: number): string {
  const offset = kind === 'T' || kind === 'G' ? 4 : 0
  const letters = kind === 'S' || kind === 'T' ? 'JZIHGFEDCBA' : 'XWUTRQPNMLK'
  return letters[(sum + offset) % 11]!
}

const RTO =
  /^(?:A[NPRS]|B[HR]|C[GH]|D[DLN]|G[AJ]|H[PR]|J[HK]|K[AL]|L[AD]|M[HLNPZ]|N[L]|O[DR]|P[BY]|RJ|SK|T[NRSG]|U[AKP]|WB)\d{1,2}[A-HJ-NP-Z]{0,3}\d{1,4}$/u

/** Korea: weights 2 to 9, 2 to 5; from October 2020 the last six digits are random, so a wrong check digit is no proof. */
function rrn(digits: string): boolean {
  return isYymmdd(digits) && /^\d{6}[1-49]/u.test(digits)
}
const frn = (digits: string): boolean => isYymmdd(digits) && /^\d{6}[5-8]/u.test(digits)

export const ASIA_PACIFIC: readonly Identifier[] = [
  identifier('AU_ABN', '99_999_999_999:.75 9{11}:.3', stdnum('au/abn'), 'abn, australian business number, business number'),
  identifier('AU_ACN', '999_999_999:.5 9{9}:.15', stdnum('au/acn'), 'acn, australian company number, company number'),
  identifier('AU_TFN', '999_999_999:.45 999-999-999:.45 9{9}:.2 9{8}:.05', (digits) => !/^(\d)\1+$/u.test(digits) && stdnum('au/tfn')(digits), 'tfn, tax file number, tax file, ato'),
  identifier('AU_MEDICARE', '9999_99999_9:.7 9{10}:.2 9999-99999-9:.7', medicare, 'medicare, medicare number, medicare card'),
  identifier('NZ_IRD', '99-999-999:.5 999-999-999:.5 9{9}:.1 9{8}:.1', stdnum('nz/ird'), 'ird, ird number, inland revenue'),
  identifier('NZ_NHI', 'AAA9999:.3 AAA99A9:.3 AAA99AA:.3', nhi, 'nhi, national health index, nhi number'),
  identifier('NZ_BANK_ACCOUNT', '99-9999-9{7}-99:.85 99-9999-9{7}-999:.85', stdnum('nz/bank'), 'bank account, account'),
  identifier('SG_NRIC_FIN', 'A9{7}A:.65', nric, 'nric, fin, singapore, identity card, fin number'),
  identifier('SG_UEN', '9{8}A:.55 9{9}A:.55 A99AA9999A:.7', stdnum('sg/uen'), 'uen, unique entity number, business registration'),
  identifier('IN_AADHAAR', '9999_9999_9999:.55 9999-9999-9999:.6 9{12}:.3', (digits) => !/^[01]/u.test(digits) && stdnum('in/aadhaar')(digits), 'aadhaar, aadhar, uidai, adhaar, आधार'),
  identifier('IN_PAN', 'A{5}9999A:.55', (code) => /^[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]$/u.test(code) && !code.slice(5, 9).startsWith('0000'), 'pan, pan card, permanent account number, income tax'),
  identifier('IN_GSTIN', '99A{5}9999AXAX:.8', stdnum('in/gstin'), 'gstin, gst, gst number'),
  identifier('IN_VOTER', 'AAA9{7}:.5', (code) => /^[A-Z]{2}[A-Z]/u.test(code), 'voter, voter id, epic, elector, election card'),
  identifier('IN_VEHICLE_REGISTRATION', 'AA_99_AA_9999:.75 AA-99-AA-9999:.8 AA99AA9999:.6 AA_99_A_9999:.75 AA99A9999:.55 AA-99-A-9999:.75 AA9AA9999:.4 AA_9_AA_9999:.5 AA9A9999:.3 AA_99AA_9999:.7 AA99_AA_9999:.7', (code) => RTO.test(code), 'vehicle, registration, rto, number plate, car, bike, license plate'),
  identifier('KR_RRN', '999999-9{7}:.75 9{13}:.2', rrn, 'rrn, resident registration, 주민등록번호, 주민번호, 주민등록'),
  identifier('KR_FRN', '999999-9{7}:.75 9{13}:.2', frn, 'frn, foreigner registration, 외국인등록번호, alien registration'),
  identifier('KR_BRN', '999-99-99999:.65 9{10}:.15', stdnum('kr/brn'), 'brn, business registration, 사업자등록번호, 사업자번호'),
  identifier('KR_DRIVER_LICENSE', '99-99-999999-99:.7 9{12}:.05', (digits) => Number(digits.slice(0, 2)) >= 11 && Number(digits.slice(0, 2)) <= 28, 'driver license, driving license, 운전면허, 면허번호, 운전면허번호'),
  identifier('KR_PASSPORT', 'A9{8}:.05 A999A9999:.4', (code) => /^[MSRGD]/u.test(code), 'passport, 여권, 여권번호'),
  identifier('JP_MY_NUMBER', '9999_9999_9999:.3 9{12}:.15 9999-9999-9999:.3', myNumber, 'my number, individual number, マイナンバー, 個人番号'),
  identifier('JP_CORPORATE_NUMBER', '9{13}:.2 9-9999-9999-9999:.7', stdnum('jp/cn'), '法人番号, corporate number'),
  identifier('CN_RESIDENT_ID', '9{17}A:.85 9{18}:.6', stdnum('cn/ric'), '身份证, 身份证号, 居民身份证, resident identity, id card'),
  identifier('CN_USCC', '99999999XXXX99999A:.3', stdnum('cn/uscc'), '统一社会信用代码, uscc, unified social credit', undefined),
  identifier('HK_HKID', 'A9{6}:.05 A999999_9:.1 A999999(9:.45 AA999999(9:.45 AA9{7}:.4 A9{7}:.3', stdnum('hk/hkid'), 'hkid, hong kong identity, 身份證, hong kong id'),
  identifier('TW_NATIONAL_ID', 'A9{9}:.4', stdnum('tw/natid'), '身分證, 身分證字號, national id, taiwan'),
  identifier('TW_BUSINESS_NUMBER', '9{8}:.1', stdnum('tw/ubn'), '統一編號, 統編, ubn, business administration'),
  identifier('TH_TNIN', '9-9999-99999-99-9:.9 9_9999_99999_99_9:.8 9{13}:.35', stdnum('th/idnr'), 'thai, national id, tnin, บัตรประชาชน, เลขประจำตัวประชาชน, เลขบัตรประชาชน, thai id, thai national'),
  identifier('MY_NRIC', '999999-99-9999:.75 9{12}:.2', stdnum('my/nric'), 'nric, mykad, ic, ic number, no. k/p, kad pengenalan'),
  identifier('ID_NPWP', '99.999.999.9-999.999:.9 9{15}:.2', (digits) => /^\d{15}$/u.test(digits), 'npwp, nomor pokok wajib pajak'),
  identifier('ID_NIK', '9{16}:.15', nik, 'nik, ktp, nomor induk kependudukan'),
  identifier('PH_TIN', '999-999-999-999:.6 999-999-999-99999:.6 999-999-999:.2 9{12}:.05 9{9}:.05', always, 'tin, tax identification number, bir, tin number, tax identification'),
  identifier('PH_SSS', '99-9{7}-9:.6', always, 'sss, social security system'),
  identifier('PH_MOBILE', '9999-999-9999:.6 9999_999_9999:.6 9{11}:.35 639{9}:.2', (digits) => /^(?:0|63)9\d{9}$/u.test(digits), 'mobile, philippines, gcash, globe, smart, cell, cellphone, phone, call, text, contact, viber'),
  identifier('VN_TAX_CODE', '9{10}:.15 9{10}-999:.5', stdnum('vn/mst'), 'ma so thue, mst'),
  identifier('VN_CCCD', '9{12}:.1', (digits) => /^0\d{2}[0-3]/u.test(digits), 'cccd, can cuoc, can cuoc cong dan'),
  identifier('PK_CNIC', '99999-9{7}-9:.85 9{13}:.15', stdnum('pk/cnic'), 'cnic, nic, nadra, identity card'),
  identifier('LK_NIC', '9{9}A:.4 9{12}:.05', (code) => /^(?:\d{9}[VX]|(?:19|20)\d{10})$/u.test(code), 'nic, national identity card'),
  identifier('BD_NID', '9{10}:.05 9{13}:.05 9{17}:.1', always, 'nid, national id, জাতীয় পরিচয়পত্র'),
] // prettier-ignore

/** New Zealand, HISO 10046: the older format by modulus 11 over letters 1 to 24 without I and O; the newer by 23. */
function nhi(code: string): boolean {
  if (/[IO]/u.test(code)) return false
  const value = (sign: string): number => (/\d/u.test(sign) ? Number(sign) : 'ABCDEFGHJKLMNPQRSTUVWXYZ'.indexOf(sign) + 1)
  const sum = [7, 6, 5, 4, 3, 2].reduce((total, weight, i) => total + weight * value(code[i]!), 0)
  if (/^[A-Z]{3}\d{4}$/u.test(code)) return sum % 11 !== 0 && (11 - (sum % 11)) % 10 === Number(code[6])
  return 'ABCDEFGHJKLMNPQRSTUVWXYZ'[23 - (sum % 24)] === code[6] || 'ABCDEFGHJKLMNPQRSTUVWXYZ'[(24 - (sum % 24)) % 24] === code[6]
}

/** Japan: weights 6 5 4 3 2 7 6 5 4 3 2, modulus 11. */
function myNumber(digits: string): boolean {
  const check = 11 - (weightedSum(digits, [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11)
  return (check > 9 ? 0 : check) === Number(digits[11])
}

/** Indonesia: a region, the day of birth (women's plus 40), a serial. */
function nik(digits: string): boolean {
  const day = Number(digits.slice(6, 8))
  const month = Number(digits.slice(8, 10))
  return month >= 1 && month <= 12 && day % 40 >= 1 && day % 40 <= 31 && day <= 71 && /^[1-9]/u.test(digits)
}
