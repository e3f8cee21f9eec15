import { describe, expect, it } from 'vitest'
import { compilePlan } from '../plan.ts'
import { createRedactor, scanText } from '../redactor.ts'
import { RECOGNISERS } from './registered.ts'

/** Everything is looked for at once, as `redoubt filter scan` does. */
const plan = compilePlan(Object.fromEntries(RECOGNISERS.flatMap(({ entities }) => entities.map((entity) => [entity, 'mask'] as const))))

/** Values whose form says little, as notes, forms and letters of a dozen languages write them. They stand between brackets that are taken out before the search. */
const WRITTEN: Readonly<Record<string, readonly string[]>> = {
  AGE: [
    'He is a ⟦63⟧-year-old teacher', 'the ⟦63⟧ year old was admitted', 'woman, ⟦63⟧, with chest pain', 'pt is ⟦63⟧ y/o F', '⟦63⟧yo male', 'a ⟦63⟧ y.o. man', 'at the age of ⟦63⟧ he retired',
    'at age ⟦63⟧', 'my mother is ⟦63⟧ years of age', 'Age (years): ⟦63⟧', 'age = ⟦63⟧', 'Patient age ⟦63⟧', 'ages ⟦7⟧ and 9', 'she turned ⟦63⟧ last week', 'he just turned ⟦18⟧',
    'age group: adult, age: ⟦44⟧ yrs', 'their ages: ⟦12⟧', 'age no. ⟦37⟧', 'age #⟦37⟧', 'the age of the patient is ⟦63⟧', 'the age of our client: ⟦41⟧', 'the age of the applicant was ⟦29⟧',
    'age of insured ⟦52⟧', 'We hold "⟦37⟧" as the age on file.', '⟦62⟧ is his age', '⟦62⟧ as her age', 'Patientin, ⟦63⟧ Jahre, klagt', 'eine ⟦63⟧jährige Patientin', 'der ⟦63⟧-jährige Mann',
    'Alter: ⟦63⟧', 'Alter des Patienten: ⟦63⟧', 'im Alter von ⟦63⟧ Jahren', 'Er ist ⟦63⟧ Jahre alt', 'ist ⟦63⟧ geworden', 'âgé de ⟦63⟧ ans', 'âgée de ⟦63⟧ ans', 'elle a ⟦63⟧ ans',
    "à l'âge de ⟦63⟧ ans", 'âge : ⟦63⟧ ans', 'patiente de ⟦63⟧ ans', 'un homme de ⟦63⟧ ans', 'Âge du patient : ⟦63⟧', 'de ⟦63⟧ años de edad', 'tiene ⟦63⟧ años', 'edad: ⟦63⟧ años', 'a los ⟦63⟧ años',
    'mujer de ⟦63⟧ años', 'edad del paciente: ⟦63⟧', 'ha ⟦63⟧ anni', 'di anni ⟦63⟧', 'donna di ⟦63⟧ anni', 'età: ⟦63⟧', "all'età di ⟦63⟧ anni", 'is ⟦63⟧ jaar oud', 'een ⟦63⟧-jarige vrouw',
    'leeftijd: ⟦63⟧ jaar', 'op ⟦63⟧-jarige leeftijd', 'tem ⟦63⟧ anos', 'idade: ⟦63⟧', 'com ⟦63⟧ anos de idade', 'wiek: ⟦63⟧ lat', 'w wieku ⟦63⟧ lat', '⟦63⟧-letni mężczyzna', 'ma ⟦63⟧ lat',
    'ålder: ⟦63⟧', '⟦63⟧ år gammal', 'alder: ⟦63⟧ år', 'en ⟦63⟧-årig kvinna', 'ikä: ⟦63⟧', '⟦63⟧-vuotias nainen', 'yaş: ⟦63⟧', '⟦63⟧ yaşında', 'возраст: ⟦63⟧', 'věk: ⟦63⟧ let', 'kor: ⟦63⟧ év',
    '⟦63⟧ éves', 'A ⟦4⟧-month-old infant', '⟦6⟧ weeks old', '⟦63⟧ M presenting with',
  ],
  PASSWORD: [
    'pwd: ⟦Tr0ub4dor&3⟧', 'password: ⟦hunter2!⟧', 'passphrase is ⟦Corr3ct-H0rse-Battery⟧', 'the password is "⟦S3cr3t!pass⟧"', 'pw=⟦aB3$kk9z⟧', 'pw: ⟦Winter2024!⟧',
    'Login: jdoe / Password: ⟦Winter2024!⟧', 'password for the account: ⟦Winter2024!⟧', 'the password for our client: ⟦Winter2024!⟧', 'password of the user is ⟦Winter2024!⟧',
    'my password for online banking is ⟦Winter2024!⟧', 'password #⟦Winter2024!⟧', 'password no. ⟦Winter2024!⟧', '⟦Winter2024!⟧ is the password', '⟦Winter2024!⟧ is my password',
    'use ⟦Winter2024!⟧ as the password', 'We hold "⟦Winter2024!⟧" as the password on file.', 'temporary password ⟦Winter2024!⟧', 'new password: ⟦Winter2024!⟧', 'one-time password: ⟦xK9#mmQ2⟧',
    'DB_PASSWORD=⟦p@ssW0rd!⟧', '"password": "⟦p@ssW0rd!⟧"', '--password ⟦p@ssW0rd!⟧', 'password | ⟦p@ssW0rd!⟧', '| password | ⟦p@ssW0rd!⟧ |', '<td>password</td><td>⟦p@ssW0rd!⟧</td>',
    'Passwort: ⟦Sommer2024!⟧', 'Das Passwort lautet ⟦Sommer2024!⟧', 'Mein Kennwort ist ⟦Sommer2024!⟧', 'Ihr neues Passwort: ⟦Sommer2024!⟧', 'Zugangskennwort: ⟦Sommer2024!⟧',
    'mot de passe : ⟦Ete2024!x⟧', 'votre mot de passe est ⟦Ete2024!x⟧', 'le mot de passe provisoire est ⟦Ete2024!x⟧', 'mdp : ⟦Ete2024!x⟧', 'contraseña: ⟦Verano24!⟧', 'su contraseña es ⟦Verano24!⟧',
    'la clave es ⟦Verano24!⟧', 'password temporanea: ⟦Estate24!⟧', 'la password è ⟦Estate24!⟧', 'wachtwoord: ⟦Zomer24!⟧', 'het wachtwoord is ⟦Zomer24!⟧', 'senha: ⟦Verao24!x⟧', 'a senha é ⟦Verao24!x⟧',
    'hasło: ⟦Lato2024!⟧', 'lösenord: ⟦Sommar24!⟧', 'adgangskode: ⟦Sommer24!⟧', 'passord: ⟦Sommer24!⟧', 'salasana: ⟦Kesa2024!⟧', 'heslo: ⟦Leto2024!⟧', 'jelszó: ⟦Nyar2024!⟧', 'parolă: ⟦Vara2024!⟧',
    'пароль: ⟦Leto2024!⟧', 'passcode ⟦A1b2C3d4⟧', 'password -> ⟦Winter2024!⟧', 'password was changed to ⟦Winter2024!⟧', 'password has been reset to ⟦Winter2024!⟧', 'password will be ⟦Winter2024!⟧',
    'Password:\n⟦Winter2024!⟧', "password = '⟦Winter2024!⟧'", 'password:⟦qwerty12345⟧', 'wifi password: ⟦guest4711wlan⟧',
  ],
  ADDRESS: [
    '⟦98 Kingsway, Hove BN3 2QT⟧', '⟦12 Broadway, New York, NY 10004⟧', 'at ⟦7 The Paddocks, Bath BA1 2AB⟧', '⟦133 Kingsway, London WC2B 6NH⟧', '⟦Flat 2, 14 The Mall, Bristol BS8 4DR⟧',
    '⟦221B Baker Street, London NW1 6XE⟧', '⟦Unit 5, 20 Station Road, Leeds LS1 4DY⟧', '⟦45 Strand, London WC2N 5HZ⟧', '⟦10 Piccadilly, London W1J 9LL⟧',
    '⟦350 Fifth Avenue, Suite 300, New York, NY 10118⟧', '⟦1600 Pennsylvania Ave NW, Washington, DC 20500⟧', '⟦PO Box 4512, Austin, TX 78765⟧', '⟦Post Office Box 12, Boise, ID 83701⟧',
    '⟦2300 County Road 12, Waco, TX 76705⟧', '⟦800 W El Camino Real, Mountain View, CA 94040⟧', '⟦55 State Route 9, Hudson, NY 12534⟧', '⟦1 Infinite Loop, Cupertino, CA 95014⟧',
    '⟦Postfach 10 20 30, 20095 Hamburg⟧', '⟦Schillerstraße 5, 04103 Leipzig⟧', '⟦Am Markt 3, 99084 Erfurt⟧', '⟦Lange Reihe 12, 20099 Hamburg⟧', '⟦Im Winkel 8, 79100 Freiburg⟧',
    '⟦Zum Sportplatz 2, 35392 Gießen⟧', '⟦Hauptstr. 12a, D-80331 München⟧', '⟦Mariahilfer Straße 10/4/12, 1070 Wien⟧', '⟦Bahnhofstrasse 1, CH-8001 Zürich⟧', '⟦Kohlmarkt 6, 1010 Wien⟧',
    '⟦Jungfernstieg 7, 20354 Hamburg⟧', '⟦Römerberg 23, 60311 Frankfurt⟧', '⟦12 bis, rue de la République, 69002 Lyon⟧', '⟦3 place du Marché, 67000 Strasbourg⟧', '⟦BP 123, 75008 Paris⟧',
    '⟦15 quai des Brumes, 76600 Le Havre⟧', '⟦8 lotissement des Pins, 13600 La Ciotat⟧', '⟦22 cité Bergère, 75009 Paris⟧', '⟦4 montée Saint-Barthélemy, 69005 Lyon⟧',
    '⟦Calle de Alcalá 45, 3º B, 28014 Madrid⟧', '⟦C/ Mayor, 12, 2º izq., 28013 Madrid⟧', '⟦Av. Diagonal 640, 08017 Barcelona⟧', '⟦Gran Vía 28, 28013 Madrid⟧',
    '⟦Paseo de la Castellana, 100, 28046 Madrid⟧', '⟦Pza. de España 3, 41013 Sevilla⟧', '⟦Via Garibaldi 12, 20121 Milano MI⟧', '⟦Piazza San Marco 1, 30124 Venezia⟧',
    '⟦Corso Vittorio Emanuele II 25, 10123 Torino⟧', '⟦Casella Postale 77, 00187 Roma⟧', '⟦Largo Augusto 7, 20122 Milano⟧', '⟦Strada Nuova 3, 16124 Genova⟧', '⟦Prinsengracht 263, 1016 GV Amsterdam⟧',
    '⟦Postbus 1234, 3500 BE Utrecht⟧', '⟦Lange Voorhout 8, 2514 ED Den Haag⟧', '⟦Coolsingel 40, 3011 AD Rotterdam⟧', '⟦Rua Augusta 1500, 01304-001 São Paulo⟧',
    '⟦Rua do Ouro 12, 3.º Esq., 1100-063 Lisboa⟧', '⟦Drottninggatan 5, 111 51 Stockholm⟧', '⟦Box 7014, 103 86 Stockholm⟧', '⟦Postboks 123, 0103 Oslo⟧', '⟦Vesterbrogade 3, 1620 København V⟧',
    '⟦Mannerheimintie 5, 00100 Helsinki⟧', '⟦Str. Lipscani 10, 030031 București⟧', '⟦123 King St W, Toronto, ON M5H 1A1⟧', '⟦45 George Street, Sydney NSW 2000⟧', '⟦12 Queen Street, Auckland 1010⟧',
    '⟦10 Downing St⟧',
  ],
  PASSPORT: [
    'passport of the applicant: ⟦912803456⟧', 'passport no. ⟦C01X00T47⟧; it is', 'passport number of our client: ⟦912803456⟧', 'Reisepass Nr. ⟦C01X00T47⟧', 'passport (⟦912803456⟧)',
    'passport #⟦912803456⟧', '⟦912803456⟧ is the passport number of Mr Smith', 'passport held: ⟦912803456⟧', 'holder of passport ⟦912803456⟧', 'passport issued to her is ⟦912803456⟧',
    "client's passport: ⟦912803456⟧", 'passport number for customer: ⟦912803456⟧', 'N° de passeport : ⟦12AB34567⟧', 'numéro du passeport ⟦12AB34567⟧', 'pasaporte nº ⟦AAB123456⟧',
    'passaporto n. ⟦YA1234567⟧', 'Passport No\t⟦912803456⟧',
  ],
  US_DRIVER_LICENSE: [
    "driver's license of the customer: ⟦D1234567⟧", 'license number is ⟦D1234567⟧', 'DL# ⟦D1234567⟧', 'driving licence no. ⟦D1234567⟧', "⟦D1234567⟧ is the driver's license number",
    'driver license for our client: ⟦D1234567⟧', 'permis de conduire n° ⟦12AA34567⟧', 'DL number ⟦D123-4567-8901⟧', 'CA DL ⟦D1234567⟧', 'Führerschein-Nr.: ⟦B072RRE2I55⟧', 'patente n. ⟦U1A23B456C⟧',
  ],
  US_BANK_NUMBER: [
    'bank account of our client: ⟦000123456789⟧', 'account no. ⟦000123456789⟧; wanted', 'acct # ⟦000123456789⟧', 'a/c ⟦000123456789⟧', 'a/c no. ⟦000123456789⟧',
    'checking account for the customer: ⟦000123456789⟧', 'Account Number:\n⟦000123456789⟧', '⟦000123456789⟧ is the account number', 'Konto-Nr. ⟦1234567890⟧',
    'Kontonummer des Kunden: ⟦1234567890⟧', 'compte n° ⟦00012345678⟧', 'numéro de compte ⟦00012345678⟧', 'nº de cuenta ⟦0001234567⟧', 'cuenta corriente ⟦0001234567⟧', 'rekening ⟦123456789⟧',
    'beneficiary account ⟦000123456789⟧', 'transfer to account ⟦000123456789⟧',
  ],
  MEDICAL_RECORD_NUMBER: [
    'MRN of our client: ⟦MR-843779⟧', 'MRN no. ⟦843779⟧;', 'MRN for this patient: ⟦843779⟧', 'medical record no ⟦843779⟧', 'Medical Record #⟦843779⟧', '⟦MR-843779⟧ is the MRN',
    'Patient ID of the patient: ⟦P-843779⟧', 'hospital no. ⟦843779⟧', 'UHID: ⟦843779⟧', 'patient file number ⟦843779⟧', 'Patientennummer: ⟦843779⟧', 'Fallnummer ⟦843779⟧', 'Aufnahmenummer: ⟦843779⟧',
    'numéro de dossier médical : ⟦843779⟧', 'número de historia clínica ⟦843779⟧', 'numero cartella clinica ⟦843779⟧', 'patiëntnummer ⟦843779⟧', 'Med. Rec. No.: ⟦843779⟧', 'chart no. ⟦843779⟧',
    'MR No: ⟦843779⟧',
  ],
} // prettier-ignore

/** Words of the same kinds that announce nothing. */
const NOTHING: readonly string[] = [
  'for 45 years', 'age 450', 'in 14 days', 'the 3-year plan', 'signing a 3 year deal', 'the man gets 20 years', 'it was 20 years ago', 'il y a 45 ans', 'a licence for 2 years', 'the average age rose',
  'version 63 F', 'woman, 6,300 others', '10 M users', '63 F is cold', 'the 63 is his bus',
  'password: required', 'the password is wrong', 'reset your password in 3 steps', 'password must have 12 signs', 'the password policy v2.1 applies', 'password for the server: server-01.local', 'password change on: 2024-03-04',
  'pass | 12.5ms', 'pins D4 and D5', '| pin | GPIO4 |', 'Winter2024! was the title', 'Winter2024! is a password manager',
  'On 3 Broadway shows', '5 Kingsway buses', 'the 12 Apostles, Victoria', '3 Broadway, please', 'Act 5, Scene 2', 'Section 3, 10115 Words', 'March 12, 2000 Germany', 'Windows 11, 20099 Users', 'In 2024 Paris hosted', 'since 2012 via London',
  'During 1996', 'Spring 2007', 'Remembering 25 years', 'address: Room 212', 'Box 12, thanks', 'BP 450 million', 'account for 2023 figures', 'on account of 300 people', 'license for client 2023', 'the account manager 2023', 'customer service 24/7',
] // prettier-ignore

function scanned(text: string): ReturnType<typeof scanText> {
  const whole = scanText(text, plan)
  for (let cut = 0; cut <= text.length; cut++) {
    const redactor = createRedactor(plan)
    expect(redactor.push(text.slice(0, cut)) + redactor.push(text.slice(cut)) + redactor.flush(), `${text} at ${cut}`).toBe(whole.text)
  }
  return whole
}

describe('values whose form says little (C6, C9)', () => {
  it.each(Object.entries(WRITTEN))('%s is found beside its words, in every cutting', (_entity, texts) => {
    const missed = texts.filter((written) => {
      const start = written.indexOf('⟦')
      const end = written.indexOf('⟧') - 1
      return !scanned(written.replaceAll(/[⟦⟧]/gu, '')).findings.some((finding) => finding.start <= start && finding.end >= end)
    })
    expect(missed).toEqual([])
  })

  it('and nothing where their words announce none', () => {
    expect(NOTHING.filter((text) => scanned(text).findings.some(({ entity }) => entity !== 'DATE_TIME'))).toEqual([])
  })
})
