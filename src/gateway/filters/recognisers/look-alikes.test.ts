import { describe, expect, it } from 'vitest'
import { compilePlan } from '../plan.ts'
import { createRedactor, scanText } from '../redactor.ts'
import { RECOGNISERS } from './registered.ts'

/** Everything is looked for at once, as `redoubt filter scan` does. */
const plan = compilePlan(Object.fromEntries(RECOGNISERS.flatMap(({ entities }) => entities.map((entity) => [entity, 'mask'] as const))))

function found(text: string): readonly string[] {
  const { text: masked, findings } = scanText(text, plan)
  for (let cut = 0; cut <= text.length; cut++) {
    const redactor = createRedactor(plan)
    expect(redactor.push(text.slice(0, cut)) + redactor.push(text.slice(cut)) + redactor.flush(), `${text} at ${cut}`).toBe(masked)
  }
  return findings.map(({ entity, start, end }) => `${entity} ${text.slice(start, end)}`)
}

describe('a number with a slip in it is not taken for another one (C6, C9)', () => {
  it.each([
    ['no telephone behind the word for a number with check digits', 'NHS number: 772 559 8892'],
    ['nor with dashes', 'nhs: 822-292-2520'],
    ['nor where a word for telephones is near as well', 'my South African ID number is 8808068127087'],
    ['nor the end of a longer number', 'Re: 2 92 03 35 586 103 94, thanks'],
    ['nor the end of one that begins with a day', 'I wrote 950514 0824 08662 down twice.'],
    ['nor a day and a serial', 'my henkilötunnus is 011150-4237'],
    ['nor behind a country code that nobody has', 'phone: +999 313 9045'],
    ['nor a decimal fraction', 'sum = 008703.35669395'],
    ['nor dots and dashes at once', 'It was 034.276.629-56 before.'],
    ['no insurance number inside `national insurance number`', 'national insurance number: QQ412130C'],
    ['no account inside `permanent account number`', 'permanent account number: ABCZE12345'],
    ['no registration number inside `resident registration number`', 'resident registration number 991332-1234567'],
    ['no card of an airline behind another word', 'numéro de sécurité sociale 174087111637887'],
    ['no account of any shape in the form of a Norwegian one', 'kontonummer: 7992 48 36830'],
    ['nor of one of New Zealand', 'bank account: 01-0562-9753630-821'],
    ['no licence of any shape in the form of a Korean one', 'driver license: 10-86-111121-71'],
    ['no Turkish plate at the end of an Indian one', 'vehicle: BH 05 NI 9814'],
    ['nor where no word stands before it', 'I saw QX 10 MN 9380 there'],
    ['no telephone that goes on by the same sign', 'my number: 2606-0174-1660'],
    ['no Colombian number that is not given out yet', 'cedula juridica: 3015254065'],
    ['no number of somebody born in 1868', 'personnummer: 211068-6190'],
    ['nor in 1889, in Polish', 'pesel: 89861234568'],
    ['nor in 1889, in Estonian', 'isikukood: 18906120017'],
  ])('%s', (_what, text) => {
    expect(found(text)).toEqual([])
  })

  it('is found where its own word stands, or none', () => {
    expect(found('call 772 559 8892')).toEqual(['PHONE_NUMBER 772 559 8892'])
    expect(found('822-292-2520')).toEqual(['PHONE_NUMBER 822-292-2520'])
    expect(found('020 7946 0958 0161 496 0345')).toEqual(['PHONE_NUMBER 020 7946 0958', 'PHONE_NUMBER 0161 496 0345'])
    expect(found('insurance number: W12345678')).toEqual(['HEALTH_PLAN_ID W12345678'])
    expect(found('account number: 747611993960')).toEqual(['US_BANK_NUMBER 747611993960'])
    expect(found('kontonummer: 79924836830')).toEqual(['US_BANK_NUMBER 79924836830'])
    expect(found('dni: 27099488 A')).toEqual(['AR_DNI 27099488'])
    expect(found('plaka: 05 NI 9814')).toEqual(['TR_LICENSE_PLATE 05 NI 9814'])
    expect(found('call 2606-0174')).toEqual(['PHONE_NUMBER 2606-0174'])
    expect(found('cedula: 1112959260')).toEqual(['CO_CEDULA 1112959260'])
    expect(found('(11) 91243-8125, São Paulo')).toEqual(['PHONE_NUMBER (11) 91243-8125'])
  })
})

describe('a code before its label (C6, C9)', () => {
  it('is found where only a verb stands between', () => {
    expect(found('912803456 is my passport number')).toEqual(['PASSPORT 912803456'])
    expect(found('We hold "MR-843779" as the MRN on file.')).toEqual(['MEDICAL_RECORD_NUMBER MR-843779'])
  })

  it.each(['912803456 and a passport', 'gate 912803456, passport control', '1234 is my passport number', '912803456 is not here'])(
    'is left elsewhere: %s',
    (text) => {
      expect(found(text)).toEqual([])
    },
  )
})

describe('values in tables and pages (C6, C9)', () => {
  it('are found behind quotes, brackets and tags', () => {
    expect(found('{"age": "45", "open": true}')).toEqual(['AGE 45'])
    expect(found('her age (45) has changed')).toEqual(['AGE 45'])
    expect(found('<td>age</td><td>45</td>')).toEqual(['AGE 45'])
    expect(found('<li>password: <b>JXDTdab41!VU</b></li>')).toEqual(['PASSWORD JXDTdab41!VU'])
    expect(found('<td>MRN</td><td>H1561462</td>')).toEqual(['MEDICAL_RECORD_NUMBER H1561462'])
    expect(found('MAC address 0f6e.284e.f5cb')).toEqual(['MAC_ADDRESS 0f6e.284e.f5cb'])
    expect(found('her address (141 E 17th St Apt 9B, New York, NY 10026)')).toEqual(['ADDRESS 141 E 17th St Apt 9B, New York, NY 10026'])
    expect(found('Flat 5, 54 Marlborough Road, Sheffield S10 2GW')).toEqual(['ADDRESS Flat 5, 54 Marlborough Road, Sheffield S10 2GW'])
    expect(found('98, avenue des Champs-Élysées, 69006 Lyon')).toEqual(['ADDRESS 98, avenue des Champs-Élysées, 69006 Lyon'])
    expect(found('150 bis rue du Faubourg Saint-Antoine, 75015 Paris')).toEqual([
      'ADDRESS 150 bis rue du Faubourg Saint-Antoine, 75015 Paris',
    ])
  })

  it.each(['the age of (1999) reason', 'page "45"', '<b>page</b><b>45</b>', 'a.b.c 0f6e.284e', 'In 1998, place your order'])(
    'but not %s',
    (text) => {
      expect(found(text)).toEqual([])
    },
  )
})

describe('addresses and telephones as letters write them (C6, C9)', () => {
  it.each([
    ['ADDRESS', 'Ich wohne in der Bahnhofstraße 47b', '.'],
    ['ADDRESS', 'Jag bor på Arvids Väg 78', '.'],
    ['ADDRESS', 'Mieszkam: ul. Kulesza 1/6', '.'],
    ['ADDRESS', 'I live at 402 Waters Brook', ', ok?'],
    ['PHONE_NUMBER', 'Call 847-955-0246 x830', ' today'],
    ['PHONE_NUMBER', 'Ruf mich an: (0524) 363474917', ', danke'],
    ['PHONE_NUMBER', 'reach +275830292490', ' now'],
    ['SWIFT_CODE', 'BIC YRBIMP8Y', '.'],
    ['PASSPORT', 'passport X0LY8JW4I', '.'],
  ])('%s: %s%s', (entity, before, after) => {
    const { findings } = scanText(before + after, plan)
    expect(findings.filter(({ end }) => end === before.length).map((finding) => finding.entity)).toEqual([entity])
  })

  it.each(['402 waters run dry', 'he ran 12 miles, x830', 'Gate 83 is open', 'Chapter 5 is long.'])('but not %s', (text) => {
    expect(found(text)).toEqual([])
  })
})
