import { describe, expect, it } from 'vitest'
import { compilePlan } from '../plan.ts'
import { createRedactor, scanText } from '../redactor.ts'

/** Values stand between brackets that are taken out before the search. */
function expectMasked(entity: string, marked: readonly string[]): void {
  const plan = compilePlan({ [entity]: 'mask' })
  for (const written of marked) {
    const text = written.replaceAll(/[⟦⟧]/gu, '')
    const masked = written.replaceAll(/⟦[^⟧]*⟧/gu, `[${entity}]`)
    expect(scanText(text, plan).text, written).toBe(masked)
    for (let cut = 0; cut <= text.length; cut++) {
      const redactor = createRedactor(plan)
      expect(redactor.push(text.slice(0, cut)) + redactor.push(text.slice(cut)) + redactor.flush(), `${written} at ${cut}`).toBe(masked)
    }
    const redactor = createRedactor(plan)
    expect(text.split('').map((unit) => redactor.push(unit)).join('') + redactor.flush(), written).toBe(masked) // prettier-ignore
  }
}

describe('DATE_TIME (C6, C9)', () => {
  it('finds days and hours as a dozen languages write them, in every chunking', () => {
    expectMasked('DATE_TIME', [
      'on ⟦2024-03-04⟧, at ⟦2024-03-04T12:30:00Z⟧', 'born ⟦03/04/1990⟧', 'am ⟦4.3.2024⟧ um ⟦12:30⟧', '⟦March 4, 2024⟧ and ⟦4 March 2024⟧', '⟦Mar 4, 2024⟧', '⟦04-MAR-2024⟧', '⟦March 4th, 2024⟧ was fine',
      'el ⟦4 de marzo de 2024⟧', 'le ⟦4 février 2024⟧', 'am ⟦4. März 2024⟧', 'em ⟦4 de março de 2024⟧', 'il ⟦4 maggio 2024⟧', 'op ⟦4 maart 2024⟧', 'dnia ⟦4 marca 2024⟧', 'in ⟦May 2023⟧ we met', 'at ⟦10 am⟧ or ⟦10:30 p.m.⟧',
    ]) // prettier-ignore
  })
  it('leaves versions, ratios, fractions and months that are words', () => {
    expectMasked('DATE_TIME', [
      'version 1.2.34',
      'ratio 16:9 and 3/4',
      'section 3.2.1',
      'you may 100 times',
      '99/99/2024',
      'from 2019 to 2024',
      '13/13/2024',
      'sept hommes',
    ])
  })
})

describe('AGE (C6, C9)', () => {
  it('finds the number, behind or before the word for it', () => {
    expectMasked('AGE', [
      'a ⟦45⟧-year-old man',
      '⟦45⟧ years old',
      'aged ⟦45⟧, SSN',
      'age: ⟦45⟧',
      'patient ⟦67⟧ yo',
      'eine ⟦45⟧-jährige Frau',
      '⟦45⟧ Jahre alt',
      'tiene ⟦45⟧ años',
      'una donna di età ⟦45⟧',
      'edad: ⟦45⟧',
      'leeftijd ⟦45⟧',
    ])
  })
  it('leaves other numbers of years and what nobody reaches', () => {
    expectMasked('AGE', ['for 45 years', 'age 450', 'in 14 days', '45% of them', 'page 45', 'the 3-year plan', 'aged 1,234'])
  })
})

describe('ADDRESS (C6, C9)', () => {
  it('finds streets with a number in number-first and name-first countries, with city and code', () => {
    expectMasked('ADDRESS', [
      'at ⟦123 Main Street, Apt 4B, Springfield, IL 62701⟧.', '⟦12 Oak Ave⟧ is near', '⟦123 Main St\nSpringfield, IL 62701⟧', '⟦Hauptstraße 12, 10115 Berlin⟧', '⟦Berliner Straße 12⟧ ist', '⟦12 rue de la Paix, 75002 Paris⟧', '⟦Via della Conciliazione 4, 00193 Roma⟧',
      '⟦Calle Mayor 5, 28013 Madrid⟧', '⟦Kalverstraat 92, 1012 PH Amsterdam⟧', '⟦10 High Street, London SW1A 2AA⟧', '⟦P.O. Box 123⟧', 'in ⟦Springfield, IL 62701⟧', '⟦28 avenue Victor Hugo, 59000 Lille⟧',
    ]) // prettier-ignore
  })
  it('leaves years before courts, counts before names and prose', () => {
    expectMasked('ADDRESS', [
      'On 29 November 2002 the Administrative Court decided',
      'the 2024 World Trade Center',
      '14 Days Later',
      'He paid 12 Euros',
      'Section 12 Applies',
      'see Main Street',
      'Call 12 People',
    ])
  })
})

describe('URL, MAC_ADDRESS, CRYPTO and CREDIT_CARD_TRACK (C6, C9, D5)', () => {
  it('finds addresses of the web without the end of the sentence', () => {
    expectMasked('URL', [
      'see ⟦https://example.com/a?b=c#d⟧, or',
      '(⟦http://example.com/x_(y)⟧)',
      '⟦www.example.co.uk/path⟧.',
      'at ⟦example.com⟧.',
      'ftp: ⟦ftp://files.example.net⟧',
    ])
    expectMasked('URL', ['jane@example.com', 'file.txt', 'e.g. this', 'node.js', 'v1.2.3', 'end.Next'])
  })
  it('finds device addresses', () => {
    expectMasked('MAC_ADDRESS', ['at ⟦00:1b:44:11:3a:b7⟧', '⟦00-1B-44-11-3A-B7⟧'])
    expectMasked('MAC_ADDRESS', ['ff:ff:ff:ff:ff:ff', '00:1b:44:11:3a', '00:1b:44:11:3a:b7:c8', '00:1b-44:11-3a:b7'])
  })
  it('finds wallets by their checksums (Base58Check, BIP 173)', () => {
    expectMasked('CRYPTO', [
      'to ⟦1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa⟧',
      '⟦bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4⟧',
      '⟦0x52908400098527886E0F7030069857D2E4169EE7⟧',
    ])
    expectMasked('CRYPTO', [
      '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb',
      'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5',
      '0x52908400098527886E0F7030069857D2E4169E',
    ])
  })
  it('finds magnetic stripes as a whole (ISO/IEC 7813)', () => {
    expectMasked('CREDIT_CARD_TRACK', ['⟦%B4111111111111111^DOE/JOHN^2512101000?⟧ read', '⟦;4111111111111111=25121010000000000000?⟧'])
    expectMasked('CREDIT_CARD_TRACK', ['%B4111111111111112^DOE/JOHN^2512101000?', 'a=4111111111111111'])
  })
})
