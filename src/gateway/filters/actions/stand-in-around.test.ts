import { describe, expect, it } from 'vitest'
import { compilePlan, scanText } from '../index.ts'
import { newToken } from '../vault/tokens.ts'
import { standInAround } from './stand-in-around.ts'
import { createSubstitutes, standIn } from './substitutes.ts'

const substitutes = createSubstitutes({ hashKey: new Uint8Array(32).fill(7), mint: (entity) => newToken(entity) })

describe('what stands for a value (C6)', () => {
  it.each([
    standIn('mask', 'EMAIL_ADDRESS', 'ada@example.org', true, substitutes),
    standIn('partial', 'EMAIL_ADDRESS', 'ada@example.org', true, substitutes),
    standIn('partial', 'CREDIT_CARD', '4111111111111111', true, substitutes),
    standIn('partial', 'IBAN_CODE', 'DE89370400440532013000', true, substitutes),
    standIn('partial', 'IBAN_CODE', 'MT84MALT011000012345MTLCAST001S', true, substitutes),
    standIn('partial', 'PHONE_NUMBER', '+44 20 7946 0018', true, substitutes),
    standIn('partial', 'MAC_ADDRESS', 'A4:5E:60:01:02:03', true, substitutes),
    standIn('partial', 'IP_ADDRESS', '10.1.2.3', true, substitutes),
    standIn('partial', 'URL', 'https://example.org/a', true, substitutes),
    standIn('partial', 'DATE_TIME', '3 May 1987', true, substitutes),
    standIn('hash', 'PHONE_NUMBER', '+44 20 7946 0018', true, substitutes),
    standIn('tokenise', 'PERSON', 'Ada Lovelace', true, substitutes),
  ])('%s is known for it from every stretch within', (written) => {
    const text = `so ${written} and`
    const [from, to] = [3, 3 + written.length]
    const entity = /[A-Z_]+[A-Z]/.exec(written)?.[0]
    // What is left of an address or a link has words that anybody chose.
    const worded = /^\[(?:EMAIL_ADDRESS|URL):\*{0,4}@?[a-z]/.test(written)
    const named = from + 1 + (entity?.length ?? 0)
    for (let start = from; start < to; start++)
      for (let end = start + 1; end <= to; end++)
        if (/^[A-Za-z0-9]/.test(text.slice(start)) && /[A-Za-z0-9]$/.test(text.slice(0, end)))
          expect([start, end, standInAround(text, start, end)]).toEqual([start, end, worded && end > named ? undefined : entity])
    expect(standInAround(text.slice(0, to - 1), from + 2, from + 4)).toBeNull()
  })

  it('has of each entity only the part that is left of it: no name passes beside four stars (C6)', () => {
    const named = ['PERSON:****john.smith', 'PERSON:john.smith****', 'CREDIT_CARD:****john', 'DATE_TIME:smith****', 'IBAN_CODE:****smith']
    for (const written of [...named, 'PERSON:****', 'US_SSN:****6789', 'EMAIL_ADDRESS:****smith', 'PERSON:DE****smith'])
      expect([written, standInAround(`so [${written}] and`, 5, 7)]).toEqual([written, undefined])
    const plan = compilePlan({ PERSON: 'mask' })
    expect(scanText('I spoke to [PERSON:****john.smith] today.', plan).text).not.toContain('smith')
    expect(scanText('I spoke to [PERSON:****John Smith] today.', plan).text).not.toContain('Smith')
  })

  it('carries no name in what is left of an address, a link or an account (C6)', () => {
    const plan = compilePlan({ PERSON: 'mask' })
    for (const written of [
      'URL:john.smith/****',
      'EMAIL_ADDRESS:****@john.smith',
      'EMAIL_ADDRESS:****@anna-smith.com',
      'IBAN_CODE:DE****JOHN',
    ])
      for (const name of ['john', 'smith', 'anna-smith', 'JOHN']) {
        const at = written.indexOf(name)
        if (at >= 0) expect([written, standInAround(`so [${written}] and`, 4 + at, 4 + at + name.length)]).toEqual([written, undefined])
      }
    expect(scanText('I spoke to [URL:John.Smith/****] today.', plan).text).not.toContain('Smith')
    expect(scanText('I met John Smith, see [URL:john.smith/****].', plan).text).not.toContain('smith')
    expect(standInAround('so [URL:john.smith/****] and', 4, 7)).toBe('URL')
  })

  it('is nothing else in brackets: a name is no entity, and nobody is let pass by writing one around', () => {
    for (const text of [
      '[John Smith]',
      '[PERSON:John Smith]',
      '[PERSON:John]',
      '[PERSON:Smith****]',
      '[[PERSON_John]]',
      '[PERSON',
      'PERSON]',
    ])
      expect(standInAround(`${text} `, text.indexOf('P') < 0 ? 1 : text.lastIndexOf('N') - 2, text.length - 1) ?? undefined).toBeUndefined()
    const plan = compilePlan({ PERSON: 'mask' })
    const names = ['[JOHN]', '[JOHN_SMITH]', '[PERSON:John Smith]', '[[PERSON_John Smith]]']
    for (const name of names) expect(standInAround(name, 1, name.length - 1)).not.toBe('PERSON')
    expect(scanText('Please ask [PERSON:John Smith] about it.', plan).text).not.toContain('Smith')
    expect(scanText('Please ask [PERSON] about it.', plan).text).toBe('Please ask [PERSON] about it.')
  })
})
