import { always, type Identifier, identifier, type Labelled, phrases } from './identifier.ts'

const LICENCE = /^(?=(?:.*\d){3})[A-Z0-9][A-Z0-9-]{3,19}$/u
const PASSPORT = /^(?=(?:.*\d){3})[A-Z0-9]{6,12}$/u
const CODE = /^(?=(?:.*\d){2})[A-Z0-9][A-Z0-9._/-]{2,23}$/u

/** Passports, licences and other papers whose form says little: they count directly after their label only. */
export const DOCUMENTS: readonly Identifier[] = [
  identifier('US_PASSPORT', '9{9}:.05 A9{8}:.2', () => true, 'us passport, united states passport, passport us, american passport, travel document, passport card'),
  identifier('UK_PASSPORT', '9{9}:.04 AA9{7}:.1', () => true, 'uk passport, british passport, hmpo, british'),
  identifier('DE_PASSPORT', '', (code) => /\d/u.test(code), 'reisepass, reisepassnummer, passnummer, pass-nr, reisepass-nr', { least: 9, most: 10, pattern: /^[CFGHJK][CFGHJKLMNPRTVWXYZ0-9]{8}\d?$/u, score: 0.08 }),
  identifier('ES_PASSPORT', 'AAA999999:.15 AA999999:.1', () => true, 'pasaporte, spanish passport, pasaporte espanol, numero de pasaporte'),
  identifier('IT_PASSPORT', 'AA9{7}:.1', () => true, 'passaporto, italian passport, numero passaporto'),
  identifier('IT_IDENTITY_CARD', 'AA99999AA:.3 AA9{7}:.05 9{7}AA:.2', () => true, 'carta d identita, carta di identita, cie, identity card, documento'),
  identifier('IT_DRIVER_LICENSE', 'AA9{7}A:.3', () => true, 'patente, patente di guida, driver license, driving license, licenza'),
  identifier('IN_PASSPORT', 'A9{7}:.1 A99_99999:.1', (code) => /^[A-PR-WY][1-9]\d{5}[1-9]$/u.test(code), 'indian passport, passport india, passport, passport number'),
  identifier('DE_FUEHRERSCHEIN', 'A99XXXXX999:.1', (code) => /^[A-Z]\d{2}[A-Z0-9]{6}\d[A-Z0-9]$/u.test(code), 'fuhrerschein, fuhrerscheinnummer, fahrerlaubnis, driving licence, fuhrerschein-nr', { least: 11, most: 11, pattern: /^[A-Z]\d{2}[A-Z0-9]{6}\d[A-Z0-9]$/u, score: 0.1 }),
  // In groups, as Michigan, Maryland and New York print them.
  identifier('US_DRIVER_LICENSE', 'A_999_999_999_999:.1 A-999-999-999-999:.1 999_999_999:.05', always, 'driver license, driver s license, drivers license, driving license, license, dl, driver licence, driver s licence, drivers licence, license number'),
  identifier('DE_HANDELSREGISTER', 'AAA_9999:.3 AAA_99999:.5 AAA_999999:.55 AAA_999:.2 AAA9999:.2 AAA99999:.3 AAA999999:.3', (code) => /^HR[AB]/u.test(code), 'handelsregister, amtsgericht, registergericht, hrb, hra, ag'),
] // prettier-ignore

export const DOCUMENTS_LABELLED: readonly Labelled[] = [
  { entity: 'PASSPORT', labels: phrases('passport, passport number, passport no, passport id, passeport, reisepass, pasaporte, passaporto, paspoort, paszport, passnummer, passaporte, pas, travel document, паспорт, паспорта, pasaport'), pattern: PASSPORT, score: 0.6 },
  { entity: 'US_DRIVER_LICENSE', labels: phrases("driver's license, driver license, drivers license, driver s license, driving license, license, license number, dl, dl number, licence, driver's licence, driver s licence, drivers licence, license id, driver's lic, driver license id, driving permit, permis de conduire, permiso de conducir, licencia de conducir, rijbewijs, rijbewijsnummer, prawo jazdy, carteira de motorista, cnh, driver id, patente, patente di guida, fuhrerschein, fuhrerscheinnummer, korkort, korkortsnummer, korekort"), pattern: LICENCE, score: 0.65 },
  { entity: 'ACCESS_CODE', labels: phrases('pin, pincode, otp, one-time code, one time password, verification code, 2fa code, passcode, door code, alarm code, access code, tan, mtan, geheimzahl, bestatigungscode, zugangscode, einmalcode, code secret, code confidentiel, code de verification, codigo de verificacion, codigo de acceso, codice di verifica, codigo de verificacao, verificatiecode, toegangscode'), pattern: /^\d{4,8}$/u, score: 0.6 },
  { entity: 'EMPLOYEE_ID', labels: phrases('employee id, employee number, staff id, badge number, badge, personnel number, personalnummer, personalnr, personal-nr, mitarbeiternummer, mitarbeiternr, personeelsnummer, matricule, numero de empleado, matricola, employee no, staff number'), pattern: CODE, score: 0.6 },
  { entity: 'CUSTOMER_ID', labels: phrases('customer id, customer number, client id, client number, user id, userid, account id, kundennummer, kunden-nr, kundennr, kd-nr, kdnr, mitgliedsnummer, mitgliedsnr, numero client, n client, no client, numero de cliente, codice cliente, klantnummer, klantnr, kundnummer, kundenummer, numer klienta, member account'), pattern: CODE, score: 0.6 },
  { entity: 'US_LICENSE_PLATE', labels: phrases('license plate, licence plate, plate number, plate, tag number, registration plate, immatriculation, matricula, targa, kenteken, numer rejestracyjny'), pattern: /^(?=.*\d)[A-Z0-9]{2,4}[ -]?[A-Z0-9]{2,5}$/u, score: 0.6 },
  { entity: 'CERTIFICATE_NUMBER', labels: phrases('certificate number, license certificate, registration number, certificate no, medical license number, nursing license, state license, license no'), unless: phrases('resident registration, business registration, company registration, foreigner registration, alien registration, vat registration, tax registration'), pattern: CODE, score: 0.55 },
] // prettier-ignore
