/**
 * Sentences with places for values. Recognisers may be tuned on `development` alone; `validation` chooses between variants, `test` is for the
 * report. The three share no template. Written for this purpose.
 */
export const TEMPLATES = {
  development: [
    'Please call {name} at {PHONE_NUMBER} before {DATE_TIME}.',
    'My card is {CREDIT_CARD} and I paid {amount} for order {order}.',
    'Patient {name}, MRN {MEDICAL_RECORD_NUMBER}, was born on {DATE_TIME}.',
    'Send it to {ADDRESS}.',
    'The {AGE}-year-old patient was admitted with chest pain.',
    'Login from {IP_ADDRESS} failed {count} times for {EMAIL_ADDRESS}.',
    'Bitte überweisen Sie {amount} auf {IBAN_CODE}.',
    'ssn: {US_SSN}, phone: {PHONE_NUMBER}',
    'Build {version} of {count} files, commit {hash}.',
    'His passport number {PASSPORT} expires soon.',
  ],
  validation: [
    'You can reach me on {PHONE_NUMBER} or write to {EMAIL_ADDRESS}.',
    'We ship {order} to {ADDRESS}, arriving {DATE_TIME}.',
    'Insurance member ID {HEALTH_PLAN_ID}; date of birth {DATE_TIME}.',
    'Account number {US_BANK_NUMBER} was charged {amount}.',
    'Charge the Visa {CREDIT_CARD} again, said {name}, aged {AGE}.',
    'The password is {PASSWORD}, change it at {URL}.',
    'Release {version} fixed {count} bugs in {count} days.',
    'export TOKEN={API_KEY}',
    'Mon numéro est le {PHONE_NUMBER}, j’habite {ADDRESS}.',
    'SSN {US_SSN} belongs to account holder {name}.',
    'Hi, this is {name}. My number is {PHONE_NUMBER} and my email is {EMAIL_ADDRESS}.',
    'Could you update my address to {ADDRESS}? Thanks, {name}',
    'I was double charged {amount} on {DATE_TIME} for order {order}; card {CREDIT_CARD}.',
    'Refund the amount to IBAN {IBAN_CODE}, please.',
    'The customer’s social security number is {US_SSN} and she lives at {ADDRESS}.',
    '{name} ({AGE} years old) came in on {DATE_TIME}, chart number {MEDICAL_RECORD_NUMBER}, blood pressure 120/80.',
    'Discharge planned for {DATE_TIME}. Contact relatives: {PHONE_NUMBER}.',
    'Subscriber ID {HEALTH_PLAN_ID}, group plan, valid from {DATE_TIME}.',
    'Server {IP_ADDRESS} answered in {count} ms; see {URL} for details.',
    'Driver’s license {US_DRIVER_LICENSE} was copied together with passport {PASSPORT}.',
    'wire to checking account {US_BANK_NUMBER}, reference {order}',
    'password: {PASSWORD}',
    'curl -H "Authorization: Bearer {API_KEY}" {URL}',
    'Meine Telefonnummer lautet {PHONE_NUMBER}, die Adresse {ADDRESS}.',
    'Né le {DATE_TIME}, téléphone {PHONE_NUMBER}, courriel {EMAIL_ADDRESS}.',
    'Mi teléfono es {PHONE_NUMBER} y vivo en {ADDRESS}.',
    'Il mio numero è {PHONE_NUMBER}, carta {CREDIT_CARD}.',
    'Proszę dzwonić: {PHONE_NUMBER}. Konto {IBAN_CODE}.',
    'Upgraded from {version} to {version}, {count} tests passed, digest {hash}.',
    'We sold {count} units of item {order} at {amount} each.',
    'The meeting covers {count} topics in {count} minutes; nothing personal is in it.',
    'Ticket {order}: user {EMAIL_ADDRESS} cannot log in from {IP_ADDRESS}.',
    '{name};{DATE_TIME};{PHONE_NUMBER};{EMAIL_ADDRESS}',
    '{"name":"{name}","ssn":"{US_SSN}","card":"{CREDIT_CARD}"}',
    'phone={PHONE_NUMBER}&mail={EMAIL_ADDRESS}',
  ],
  test: [
    'From: {name} <{EMAIL_ADDRESS}> To: support. My phone changed, it is now {PHONE_NUMBER}.',
    'Kindly reverse the charge on {CREDIT_CARD}; it was posted {DATE_TIME}.',
    'Claimant {name}, age {AGE}, SSN {US_SSN}, resides at {ADDRESS}.',
    'Ihre Überweisung an {IBAN_CODE} vom {DATE_TIME} über {amount} ist eingegangen.',
    'Patient ID: {MEDICAL_RECORD_NUMBER} | DOB: {DATE_TIME} | Tel: {PHONE_NUMBER}',
    'Policy number {HEALTH_PLAN_ID} does not cover {count} of the {count} visits.',
    'Host {IP_ADDRESS} was blocked after {count} attempts, ticket {order}.',
    'Log in at {URL} with user {EMAIL_ADDRESS} and password {PASSWORD}',
    'savings account {US_BANK_NUMBER} was closed on {DATE_TIME}',
    'Votre rendez-vous du {DATE_TIME} aura lieu au {ADDRESS}.',
    'Bel mij op {PHONE_NUMBER} of mail naar {EMAIL_ADDRESS}.',
    'Invoice {order} over {amount} covers {count} hours; version {version} of the terms applies.',
    'Nothing was found in {count} rows; checksum {hash}.',
    'Passport no. {PASSPORT}, licence number {US_DRIVER_LICENSE}',
    'const client = create("{API_KEY}", { retries: {count} })',
  ],
} as const
export type Split = keyof typeof TEMPLATES

/** Words that tell the language of a template; the others are English. */
const TELLING: readonly (readonly [language: string, words: RegExp])[] = [
  ['de', /\b(?:Bitte|Ihre|Meine|lautet)\b/u],
  ['fr', /\b(?:Votre|numéro est|Né le|téléphone)/u],
  ['es', /\b(?:Mi|vivo)\b/u],
  ['it', /\bIl mio\b/u],
  ['nl', /\bBel mij\b/u],
  ['pl', /\bProszę\b/u],
]

export function languageOf(template: string): string {
  return TELLING.find(([, words]) => words.test(template))?.[0] ?? 'en'
}
