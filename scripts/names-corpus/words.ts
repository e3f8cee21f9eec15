import type { Language } from './templates.ts'

export const BRAND_STARTS = (
  'Nor Vel Tech Byte Rose Blue Green Sun Star Inter Trans Omni Ever Bright True Nova Alpha Delta Core Cloud Data Medi Bio Aqua Terra Silver Red Iron Stone River Oak Summit North ' +
  'Quant Zen Lumi Vita Pharma Auto Logi Fin Pay Swift Hyper Meta Cyber Opti Prime Global United First Royal Atlas Apex Crest Harbor Pine Maple'
).split(' ')
export const BRAND_ENDS =
  'mont ara ix ora ium tec soft core depot wave link works lab net sys bank pay med gen form ley ton field bridge stone grid ware hub point path line cast flow ridge via nex tron ova'.split(
    ' ',
  )
export const BRAND_WORDS = (
  'Analytics Systems Labs Capital Logistics Consulting Pharma Insurance Holdings Partners Technologies Networks Group Industries Solutions Media Energy Health Foods Airlines Motors ' +
  'Software Security Robotics Biotech Ventures Trust Electronics Financial Services Construction Shipping Retail Textiles Hotels Telecom'
).split(' ')

/** Words that stand around names in forms and notes and are none. */
export const DIAGNOSES: Readonly<Record<Language, readonly string[]>> = {
  en: [
    'pneumonia',
    'Type 2 diabetes',
    'Parkinson disease',
    'hypertension',
    'acute appendicitis',
    'Crohn disease',
    'migraine',
    'Hodgkin lymphoma',
    'COPD',
    'a hip fracture',
  ],
  de: [
    'Lungenentzündung',
    'Diabetes mellitus Typ 2',
    'Bluthochdruck',
    'Morbus Parkinson',
    'Blinddarmentzündung',
    'Migräne',
    'COPD',
    'Hüftfraktur',
  ],
  fr: ['une pneumonie', 'un diabète de type 2', 'une hypertension', 'une maladie de Crohn', 'une appendicite', 'une migraine', 'une BPCO'],
  es: ['neumonía', 'diabetes tipo 2', 'hipertensión', 'enfermedad de Parkinson', 'apendicitis', 'migraña', 'EPOC'],
  it: ['polmonite', 'diabete di tipo 2', 'ipertensione', 'morbo di Parkinson', 'appendicite', 'emicrania', 'BPCO'],
  nl: ['longontsteking', 'diabetes type 2', 'hoge bloeddruk', 'ziekte van Parkinson', 'blindedarmontsteking', 'migraine', 'COPD'],
}
export const ACRONYMS =
  'SSN CSV PDF VPN API MRN IBAN PIN IT HR ID DOB URL GDPR HTTP SQL JSON TAN OTP VAT TIN CVV SIM LDAP DNS CRM ERP XML PII PHI EHR ICU CT MRI ECG BMI'.split(
    ' ',
  )
/** What programs call their arguments: a few are names of people as well. */
export const KEYS =
  'max min page limit offset query sort order mark date will type value index size color width height from to user id count total status code text title body url path file line column start end first last next filter rose art bill frank grace drew'.split(
    ' ',
  )
/** German writes every noun with a capital, and makes new ones by joining: these are heads and tails of such words. */
export const NOUN_HEADS = (
  'Versicherungs Kunden Arbeits Rechnungs Kranken Daten Bank Auto Haus Reise Schul Sport Stadt Wohnungs Verkehrs Sicherheits Gesundheits Umwelt Energie Handels ' +
  'Steuer Fahrzeug Lebens Wetter Computer Telefon Bau Garten Küchen Winter'
).split(' ')
export const NOUN_TAILS = (
  'vertrag nummer zeit konto wagen plan bericht schutz stelle dienst preis karte frage antrag liste regel kosten anlage messung verwaltung gebühr ordnung betrieb leistung ' +
  'prüfung werkstatt verein'
).split(' ')
export const NOUNS = (
  'Vertrag Rechnung Bericht Ordner Zahl Antrag Januar Ministerium Grund Gesetz Frage Antwort Hund Katze Tisch Stuhl Buch Schule Kind Kinder Mutter Vater Arbeit Arzt Ärztin ' +
  'Chef Kollege Firma Geld Bank Konto Karte Zug Bahnhof Flug Urlaub Sommer Winter Abend Morgen Woche Stunde Problem Lösung Fehler Programm Datei Rechner Handy Wohnung Miete ' +
  'Vermieter Garten Auto Fahrrad Straße Brücke Wasser Feuer Schmerzen Fieber Husten Operation Untersuchung Behandlung Medikament Klinik Patient Versicherung Schaden Unfall ' +
  'Polizei Gericht Anwalt Urteil Regierung Wahl Partei Steuer Freiheit Liebe Angst Freude Musik Film Rezept Suppe Kuchen Kaffee Brot Wein Ausbildung Studium Prüfung Zeugnis'
).split(' ')
export const DRUGS = [
  'Metformin',
  'Ibuprofen',
  'Amoxicillin',
  'Lisinopril',
  'Paracetamol',
  'Aspirin',
  'Insulin',
  'Ramipril',
  'Xarelto',
  'Pfizer vaccine',
  'Atorvastatin',
  'Omeprazole',
]
export const TITLES: Readonly<Record<Language, readonly string[]>> = {
  en: ['Mr.', 'Mrs.', 'Ms.', 'Dr.', 'Mr', 'Mrs', 'Prof.'],
  de: ['Herr', 'Frau', 'Dr.', 'Prof. Dr.'],
  fr: ['M.', 'Mme', 'Dr'],
  es: ['Sr.', 'Sra.', 'Dr.', 'Dra.', 'don', 'doña'],
  it: ['sig.', 'sig.ra', 'dott.', 'Avv.'],
  nl: ['dhr.', 'mevr.', 'dr.'],
}
export const DAYS: Readonly<Record<Language, readonly string[]>> = {
  en: ['Monday', 'Tuesday', 'Friday', 'Sunday', 'tomorrow', 'next week'],
  de: ['Montag', 'Dienstag', 'Freitag', 'Sonntag'],
  fr: ['lundi', 'mardi', 'vendredi', 'dimanche'],
  es: ['lunes', 'martes', 'viernes', 'domingo'],
  it: ['lunedì', 'martedì', 'venerdì', 'domenica'],
  nl: ['maandag', 'dinsdag', 'vrijdag', 'zondag'],
}
export const MONTHS: Readonly<Record<Language, readonly string[]>> = {
  en: ['January', 'March', 'May', 'April', 'August', 'October'],
  de: ['Januar', 'März', 'Mai', 'August', 'Oktober'],
  fr: ['janvier', 'mars', 'mai', 'août', 'octobre'],
  es: ['enero', 'marzo', 'mayo', 'agosto', 'octubre'],
  it: ['gennaio', 'marzo', 'maggio', 'agosto', 'ottobre'],
  nl: ['januari', 'maart', 'mei', 'augustus', 'oktober'],
}
export const HOSPITALS: Readonly<Record<Language, readonly string[]>> = {
  en: [
    '{CITY} General Hospital',
    'St. {FIRST} Hospital',
    'Memorial Hospital',
    '{LAST} Medical Center',
    '{CITY} Clinic',
    'Mercy Hospital',
    '{CITY} University Hospital',
  ],
  de: ['Universitätsklinikum {CITY}', 'Klinikum {CITY}', 'St.-{FIRST}-Krankenhaus', 'Krankenhaus {CITY}'],
  fr: ['Hôpital {LAST}', 'CHU de {CITY}', 'Clinique Saint-{FIRST}', 'Centre hospitalier de {CITY}'],
  es: ['Hospital General de {CITY}', 'Hospital San {FIRST}', 'Clínica {LAST}'],
  it: ['Ospedale San {FIRST}', 'Ospedale di {CITY}', 'Policlinico di {CITY}', 'Clinica {LAST}'],
  nl: ['{CITY} Ziekenhuis', 'Sint {FIRST} Ziekenhuis', 'Medisch Centrum {CITY}'],
}
export const BANKS: Readonly<Record<Language, readonly string[]>> = {
  en: ['Bank of {CITY}', '{LAST} National Bank', 'First {CITY} Bank', '{BRAND} Bank', '{LAST} & {LAST} Trust'],
  de: ['Sparkasse {CITY}', 'Volksbank {CITY}', '{BRAND} Bank AG', 'Bankhaus {LAST}'],
  fr: ['Banque {LAST}', 'Crédit {BRAND}', 'Caisse de {CITY}', 'Banque de {CITY}'],
  es: ['Banco {BRAND}', 'Banco de {CITY}', 'Caja {CITY}'],
  it: ['Banca {BRAND}', 'Banca di {CITY}', 'Cassa di Risparmio di {CITY}'],
  nl: ['{BRAND} Bank', 'Bank {LAST}', 'Spaarbank {CITY}'],
}
export const UNIVERSITIES: Readonly<Record<Language, readonly string[]>> = {
  en: ['University of {CITY}', '{CITY} University', '{LAST} College'],
  de: ['Universität {CITY}', 'Hochschule {CITY}'],
  fr: ['Université de {CITY}', 'École {LAST}'],
  es: ['Universidad de {CITY}', 'Universidad {LAST}'],
  it: ['Università di {CITY}', 'Politecnico di {CITY}'],
  nl: ['Universiteit {CITY}', 'Hogeschool {CITY}'],
}
