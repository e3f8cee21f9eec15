import { always, type Identifier, identifier, type Labelled, phrases } from './identifier.ts'

/** 21 CFR 1301, DEA number: registrant type, letter of the name, then (1+3+5) + 2·(2+4+6) ends in the last digit. */
function dea(code: string): boolean {
  const digit = (i: number): number => Number(code[i + 1])
  return (
    /^[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}$/u.test(code) &&
    (digit(1) + digit(3) + digit(5) + 2 * (digit(2) + digit(4) + digit(6))) % 10 === digit(7)
  )
}

/** ISO 3779: no I, O, Q. */
const VIN = /^[A-HJ-NPR-Z0-9]{17}$/u
const VIN_WEIGHTS = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]
/** 49 CFR 565.15: the check digit in ninth place, of North American vehicles. */
function vin(code: string): boolean {
  if (!VIN.test(code) || !/\d/u.test(code) || !/[A-Z]/u.test(code)) return false
  let sum = 0
  for (let i = 0; i < 17; i++) {
    const sign = code[i]!
    const value = /\d/u.test(sign)
      ? Number(sign)
      : 'ABCDEFGH'.indexOf(sign) + 1 || 'JKLMN'.indexOf(sign) + 1 || { P: 7, R: 9 }[sign] || 'STUVWXYZ'.indexOf(sign) + 2
    sum += value * VIN_WEIGHTS[i]!
  }
  const check = sum % 11
  return code[8] === (check === 10 ? 'X' : String(check))
}

export const HEALTH: readonly Identifier[] = [
  identifier('MEDICAL_LICENSE', 'AA9{7}:.55 A99{7}:.35', dea, 'dea, dea number, dea no, medical license, dea registration'),
  // Blue Cross Blue Shield: a prefix of three letters and the number of the member.
  identifier('HEALTH_PLAN_ID', 'AAA9{9}:.1', always, 'member, subscriber, insured, enrollee, bcbs, blue cross'),
  identifier('NDC_CODE', '99999-9999-99:.5 99999-999-99:.45 9999-9999-99:.45 99999-9999-9:.4 9{11}:.05', always, 'ndc, national drug code, drug code'),
  identifier('ICD10_CODE', 'A99.9:.3 A99.99:.4 A99.999:.4 A99.9A:.4 A99.99A:.45 A99.9999:.3 A99.999A:.55 A99:.05 A9A.9:.4 A9A.99:.45', (code) => /^[A-TV-Z]\d/u.test(code), 'icd, icd-10, icd10, icd-10-cm, diagnosis, dx, diagnose, diagnosis code, diagnostic, diagnostico, diagnosi, rozpoznanie'),
  identifier('VIN', '', vin, 'vin, vehicle identification number, vehicle identification, chassis, fahrgestellnummer, fin, fahrzeug-identifizierungsnummer', { least: 17, most: 17, pattern: VIN, score: 0.65 }),
  // ISO 3779: elsewhere than in North America (1 to 5) the ninth place is the maker's; the last four are digits everywhere.
  identifier('VIN', '', (code) => /\d/u.test(code), '', { least: 17, most: 17, pattern: /^[6-9A-HJ-NPR-Z][A-HJ-NPR-Z0-9]{12}\d{4}$/u, score: 0.08 }),
] // prettier-ignore

const CODE = /^(?=.*\d)[A-Z0-9][A-Z0-9._/-]{2,23}$/u
const LONG_CODE = /^(?=(?:.*\d){3})[A-Z0-9][A-Z0-9._/-]{4,23}$/u

export const HEALTH_LABELLED: readonly Labelled[] = [
  { entity: 'MEDICAL_RECORD_NUMBER', labels: phrases('mrn, medical record, medical record number, medical record no, patient id, patient number, patient no, patient identifier, chart number, chart, hospital number, hospital no, medical file, patient mrn, med rec, medrec, ehr id, unit number, patientennummer, patienten-id, fallnummer, aktenzeichen patient, numero de dossier, dossier medical, ipp, historia clinica, numero de historia clinica, nhc, cartella clinica, numero di cartella, patientnummer, patientnr, processo clinico, numer pacjenta, encounter, encounter id, admission number, accession, accession number, specimen, specimen id, uhid, hospital id, patient record, patient record number, patient file, patient file number, patient code, patient no, inpatient number, outpatient number, mr no, mr number, aufnahmenummer, patientenakte, krankenblattnummer, numero de patient, numero patient, numero de paciente, numero paziente, journalnummer'), pattern: CODE, score: 0.7 },
  { entity: 'HEALTH_PLAN_ID', labels: phrases('member id, subscriber id, insurance id, health plan, health plan id, policy, policy number, insurance policy, insurance number, insurance code, beneficiary number, health insurance number, health insurance id, group number, policyholder id, member number, insurance member, plan id, medicaid, medicaid id, medicaid number, versichertennummer, policennummer, numero de poliza, poliza, numero d adherent, mutuelle, polizza, polisnummer, polisnr, claim number, claim id'), unless: phrases('national insurance, social insurance, password policy, privacy policy, security policy, retention policy, access policy, cookie policy, return policy, refund policy, key policy'), pattern: CODE, score: 0.65 },
  { entity: 'DEVICE_ID', labels: phrases('udi, device id, device identifier, serial, serial number, serial no, device serial, device serial number, implant serial, pacemaker serial, lot number, imei, seriennummer, numero de serie, numero di serie, serienummer, asset tag'), pattern: LONG_CODE, score: 0.6 },
] // prettier-ignore
