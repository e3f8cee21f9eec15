import type { SpecialCategory } from '#foundation/core'
import { Lexicon } from '../contexts.ts'
import { Segment } from '../recogniser.ts'

/** What columns with data of GDPR art. 9(1) are called, in English, German, French, Spanish, Italian, Dutch, Polish, Portuguese and Swedish. */
const SPECIAL: Readonly<Record<SpecialCategory, string>> = {
  health:
    'diagnosis, diagnoses, disease, illness, medical, medical condition, health, disability, disabled, medication, drug, prescription, symptom, symptoms, allergy, allergies, blood type, blood group, blood pressure, bmi, hiv, pregnancy, pregnant, smoker, smoking, alcohol, icd, icd 10, patient, insulin, glucose, diabetes, cholesterol, therapy, vaccination, vaccinated, sick leave, chest pain, tumor, tumour, cancer, stroke, ' +
    'krankheit, diagnose, gesundheit, behinderung, behinderungsgrad, medikament, schwanger, schwangerschaft, blutgruppe, krankheitstage, raucher, ' +
    'maladie, santé, diagnostic, handicap, médicament, grossesse, enceinte, groupe sanguin, enfermedad, salud, diagnóstico, discapacidad, medicamento, embarazo, embarazada, grupo sanguíneo, malattia, salute, diagnosi, disabilità, farmaco, gravidanza, gruppo sanguigno, ' +
    'ziekte, gezondheid, medicatie, zwanger, bloedgroep, choroba, zdrowie, diagnoza, rozpoznanie, niepełnosprawność, ciąża, grupa krwi, doença, saúde, gravidez, deficiência, sjukdom, hälsa, diagnos, funktionsnedsättning',
  religion:
    'religion, religious, religious belief, faith, church, church tax, denomination, konfession, religionszugehörigkeit, kirche, kirchensteuer, glaube, religieux, croyance, église, religión, creencia, iglesia, religione, chiesa, confessione, geloof, kerk, godsdienst, religie, wyznanie, religia, kościół, religião, igreja, kyrka, trossamfund',
  ethnicity:
    'race, ethnicity, ethnic, ethnic group, ethnic origin, racial, skin colour, skin color, caste, tribe, indigenous, ethnie, ethnische herkunft, ethnizität, hautfarbe, rasse, origine ethnique, raza, etnia, origen étnico, razza, origine etnica, etniciteit, etnische afkomst, huidskleur, pochodzenie etniczne, raça, etnicitet',
  politics:
    'political, politics, political party, party affiliation, party membership, political opinion, voted for, voting intention, vote, philosophical belief, partei, parteizugehörigkeit, politische meinung, parti politique, opinion politique, partido político, opinión política, partito politico, opinione politica, politieke partij, politieke voorkeur, partia polityczna, poglądy polityczne, opinião política, politisk åsikt',
  'trade-union':
    'trade union, labor union, labour union, union member, union membership, union dues, gewerkschaft, gewerkschaftsmitglied, syndicat, affiliation syndicale, sindicato, afiliación sindical, sindacato, vakbond, vakbondslid, związek zawodowy, fackförbund',
  'sex-life':
    'sexual orientation, sexuality, sexual, sex life, gender identity, lgbt, lgbtq, sexuelle orientierung, sexualität, orientation sexuelle, orientación sexual, orientamento sessuale, seksuele geaardheid, seksuele oriëntatie, orientacja seksualna, orientação sexual, sexuell läggning',
  biometric:
    'biometric, biometrics, fingerprint, fingerprints, iris scan, retina scan, face template, face embedding, face encoding, voice print, voiceprint, palm print, fingerabdruck, biometrie, empreinte digitale, empreintes digitales, huella dactilar, huellas dactilares, biométrico, impronta digitale, vingerafdruk, odcisk palca, impressão digital, fingeravtryck',
  genetic:
    'genetic, genetics, genome, genotype, dna, snp, brca, allele, mutation, genetisch, genom, genotyp, génétique, adn, genético, genetico, genoom, dna profile, genetyczny',
}

/** What columns are called that say who a row is about, whatever their values look like. */
const PERSON =
  'first name, last name, surname, full name, given name, family name, maiden name, middle name, forename, patient name, customer name, employee name, client name, vorname, nachname, familienname, geburtsname, prénom, nom de famille, nom complet, apellido, apellidos, nombre completo, cognome, nome completo, voornaam, achternaam, imię, nazwisko, sobrenome, apelido, fornamn, förnamn, efternamn'
const PERSON_ALONE = new Set(['name', 'names', 'nom', 'nombre', 'nome', 'naam', 'namn', 'person'])
const BIRTH =
  'date of birth, dob, birth date, birthdate, birthday, geburtsdatum, geburtstag, date de naissance, fecha de nacimiento, data di nascita, geboortedatum, data urodzenia, data de nascimento, födelsedatum'
/** Whom a row may be about. */
const SUBJECT =
  'patient, customer, client, applicant, borrower, employee, person, subject, member, insured, policyholder, student, user, citizen, donor, resident, kunde, kunden, kundennummer, mitarbeiter, antragsteller, versicherter, bürger, assuré, salarié, cliente, paciente, empleado, solicitante, dipendente, paziente, klant, medewerker, patiënt, klient, pacjent, pracownik, kund, anställd'
const IDENTIFIER =
  'id, identifier, number, no, nr, num, uuid, guid, key, code, nummer, kennung, numéro, número, numero, identificador, identificativo, ref'

const lexicon = new Lexicon()
const phrases = (text: string): readonly string[] => text.split(', ')
for (const [category, words] of Object.entries(SPECIAL)) lexicon.add(category, phrases(words))
lexicon.add('PERSON', phrases(PERSON))
lexicon.add('DATE_OF_BIRTH', phrases(BIRTH))
lexicon.add('subject', phrases(SUBJECT))
// A lexicon of its own: these words say nothing between a label and its value, and much at the end of a name.
const IDENTIFIERS: ReadonlySet<string> = new Set(phrases(IDENTIFIER))

export interface ColumnMeaning {
  readonly categories: readonly SpecialCategory[]
  /** `PERSON`, `DATE_OF_BIRTH`. */
  readonly entities: readonly string[]
  /** Names a kind of person: `patient`, `customer_id`. */
  readonly isSubject: boolean
  /** Ends with a word for an identifier. */
  readonly isIdentifier: boolean
}

/** What the name of a column says: `patientName`, `date-of-birth`, `ETHNIC_GROUP`. */
export function meaningOf(name: string): ColumnMeaning {
  const words = lexicon.before(new Segment(`${name} `, ''), name.length + 1)
  const lower = name.trim().toLowerCase()
  const last = /[\p{L}]+$/u.exec(name.replace(/([\p{Ll}\d])(\p{Lu})/gu, '$1_$2').toLowerCase())?.[0] ?? ''
  return {
    categories: (Object.keys(SPECIAL) as SpecialCategory[]).filter((category) => words.has(category)),
    entities: [
      ...(words.has('PERSON') || PERSON_ALONE.has(lower) ? ['PERSON'] : []),
      ...(words.has('DATE_OF_BIRTH') ? ['DATE_OF_BIRTH'] : []),
    ],
    isSubject: words.has('subject'),
    isIdentifier: IDENTIFIERS.has(last),
  }
}
