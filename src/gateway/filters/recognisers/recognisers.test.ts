import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { compilePlan } from '../plan.ts'
import { scanText } from '../redactor.ts'
import { RECOGNISERS } from './registered.ts'

const plan = compilePlan({ default: 'mask' })
const found = (text: string): readonly string[] =>
  scanText(text, plan).findings.map(({ entity, start, end }) => `${entity} ${text.slice(start, end)}`)

/** Values stand between brackets that are taken out before the search. */
function expectValues(entity: string, marked: readonly string[]): void {
  for (const text of marked) {
    const values = [...text.matchAll(/⟦(.*?)⟧/gu)].map((match) => `${entity} ${match[1]}`)
    expect(found(text.replaceAll(/[⟦⟧]/gu, '')), text).toEqual(values)
  }
}
const expectNothing = (texts: readonly string[]): void => expectValues('', texts)

describe('what was found is not let go (C6)', () => {
  it.each(['Account (415) 867-5309', 'Account 030 1234567', 'BIC (415) 867-5309', 'medical record (415) 867-5309'])(
    'a telephone number behind another word: %s',
    (text) => {
      expect(scanText(text, plan).text).not.toMatch(/867-5309|1234567/)
      expect(scanText(text, compilePlan({ PHONE_NUMBER: 'mask' })).text).toContain('[PHONE_NUMBER]')
    },
  )

  it.each(['sk-ant-api03-', 'sk-proj-'])('a key of %s with anything behind it', (prefix) => {
    for (const key of [`${prefix}${'a1B2c3D4'.repeat(12)}`, `${prefix}${'a1B2c3D4'.repeat(120)}`, `${prefix}${'a1B2c3D4'.repeat(12)}-`]) {
      expect(scanText(`key ${key} x`, plan).text).toBe('key [API_KEY] x')
    }
  })
})

describe('EMAIL_ADDRESS (C6, C9)', () => {
  it('finds addresses in use', () => {
    expectValues('EMAIL_ADDRESS', [
      'write to ⟦jane.doe@example.com⟧, please',
      '⟦jane+tag@mail.example.co.uk⟧',
      "Is it ⟦o'brien_99@sub-domain.example.museum⟧?",
      '<⟦a@b.io⟧>;⟦c@d.org⟧',
      'mailto:⟦x.y@example.com⟧.',
      '(⟦müller@bücher.de⟧)',
      '{"mail":"⟦q@example.xn--p1ai⟧"}',
      "-⟦jane@example.com⟧- '⟦jane@example.com⟧'",
    ])
  })
  it('takes at most 64 characters before the sign (RFC 5321 §4.5.3.1.1)', () => {
    expect(found(`${'a'.repeat(100)}@example.com`)).toEqual([`EMAIL_ADDRESS ${'a'.repeat(64)}@example.com`])
  })
  it('leaves what is no address', () => {
    expectNothing(['@user', 'user@', 'user@localhost', 'pkg@1.2.3', 'a@@b.com x', 'a@b.c', 'a @ b.com', 'user@.com', 'x@-.y'])
  })
})

describe('CREDIT_CARD (C6, C9)', () => {
  it('finds numbers of every issuer, bare or in groups', () => {
    expectValues('CREDIT_CARD', [
      'pay ⟦4111111111111111⟧ now',
      '⟦4111 1111 1111 1111⟧',
      '⟦4111-1111-1111-1111⟧.',
      '⟦4111.1111.1111.1111⟧, ⟦4111  1111  1111  1111⟧',
      '⟦378282246310005⟧ ⟦3782 822463 10005⟧',
      '⟦5555555555554444⟧, ⟦2223003122003222⟧',
      '⟦30569309025904⟧; ⟦6011000990139424⟧; ⟦3530111333300000⟧; ⟦6759649826438453⟧',
      '⟦4222222222222⟧',
      'exp 12 ⟦4111 1111 1111 1111⟧ 123',
      'card=⟦4111111111111111⟧&x',
      'no.-⟦4111111111111111⟧',
    ])
  })
  it('leaves numbers that fail the checksum (ISO/IEC 7812-1 annex B)', () => {
    expectNothing(['4111111111111112', '4111 1111 1111 1112', '378282246310006'])
  })
  it('leaves numbers that no issuer gives out, odd groupings, identifiers and fractions', () => {
    expectNothing([
      '9111111111111102',
      '0000 0000 0000 0000',
      '41 11111111 111111',
      '0.4111111111111111',
      'a4111111111111111',
      '4111111111111111b',
      '41111111111111110000',
    ])
  })
})

describe('IBAN_CODE (C6, C9)', () => {
  it('finds codes in one piece and in groups, of letters too', () => {
    expectValues('IBAN_CODE', [
      'to ⟦GB29 NWBK 6016 1331 9268 19⟧ today',
      '⟦DE89370400440532013000⟧',
      'IBAN:⟦NL91 ABNA 0417 1643 00⟧.',
      '⟦MT84 MALT 0110 0001 2345 MTLC AST0 01S⟧ x',
      '⟦NO93 8601 1117 947⟧',
      '⟦gb29nwbk60161331926819⟧',
      '⟦GB29 NWBK 6016 1331 9268 19⟧ 2024',
    ])
  })
  it('leaves codes whose check digits are wrong (ISO 7064 MOD 97-10)', () => {
    expectNothing(['GB28 NWBK 6016 1331 9268 19', 'DE89370400440532013001'])
  })
  it('leaves codes of the wrong length for their country', () => {
    expectNothing(['DE8937040044053201300', 'DE893704004405320130000', 'ZZ89370400440532013000'])
  })
})

describe('US_SSN (C6, C9)', () => {
  it('finds numbers as they are written', () => {
    expectValues('US_SSN', [
      'SSN ⟦521-44-9382⟧',
      'it is ⟦521-44-9382⟧.',
      '⟦521 44 9382⟧',
      'ssn: ⟦521449382⟧',
      'social security number ⟦521.44.9382⟧',
      'page 3 ⟦521-44-9382⟧ 12',
      'SSN ⟦521-449382⟧',
      'ssn ⟦52144-9382⟧',
    ])
  })
  it('leaves areas, groups and serials that are never issued', () => {
    expectNothing(['000-44-9382', '666-44-9382', '937-44-9382', '521-00-9382', '521-44-0000', '078-05-1120'])
  })
  it('leaves nine digits without a context word, and parts of longer numbers', () => {
    expectNothing(['order 521449382', '521-44-9382-11', '12-521-44-9382', 'X521-44-9382', '521-44.9382'])
  })
})

describe('IP_ADDRESS (C6, C9)', () => {
  it('finds both versions', () => {
    expectValues('IP_ADDRESS', [
      'from ⟦192.168.0.1⟧.',
      '⟦10.0.0.1⟧:8080, ⟦172.16.0.0⟧/12',
      '⟦2001:db8::1⟧ and ⟦fe80::1ff:fe23:4567:890a%eth0⟧',
      '[⟦2001:0db8:85a3:0000:0000:8a2e:0370:7334⟧]:443',
      '⟦::ffff:192.0.2.128⟧',
      'is ⟦::1⟧.',
    ])
  })
  it('leaves versions, times, code and what is out of range', () => {
    expectNothing([
      'version 1.2.3.4',
      'v1.2.3.4',
      '256.1.1.1',
      '1.2.3',
      '1.2.3.4.5',
      '01.2.3.4',
      'at 12:30:45',
      'std::vector',
      'a::b',
      'fe::de',
      '::',
      '1.2.3.4a',
    ])
  })
})

describe('PHONE_NUMBER (C6, C9)', () => {
  it('finds international numbers', () => {
    expectValues(
      'PHONE_NUMBER',
      [
        '⟦+1 415 555 0132⟧',
        '⟦+44 20 7946 0958⟧ 12 people',
        '⟦+44 (0)20 7946 0958⟧',
        '⟦+4915112345678⟧',
        '⟦+353 1 234 5678⟧',
        '⟦+49 30/1234567⟧',
        '⟦0049 30 1234567⟧',
        '⟦(+33) 1 23 45 67 89⟧',
      ].map((text) => text),
    )
  })
  it('finds national numbers', () => {
    expectValues('PHONE_NUMBER', [
      '⟦415-555-0132⟧ ⟦(415) 555-0132⟧ ⟦(415)555-0132⟧ ⟦415.555.0132⟧',
      '⟦1-800-555-0132⟧',
      '⟦020 7946 0958⟧',
      '⟦0171/1234567⟧ or ⟦09-7625400⟧',
      '⟦06 12 34 56 78⟧',
      '⟦555-123-4567⟧, ⟦(555) 123-4567⟧',
    ])
  })
  it('finds weak forms beside a context word only', () => {
    expectValues('PHONE_NUMBER', [
      'phone: ⟦555-1234⟧',
      'call me at ⟦4155550132⟧',
      'Tel. ⟦612 345 678⟧',
      'order 4155550132',
      'item 555-1234',
      'Teléfono: ⟦612 34 56 78⟧',
      'WhatsApp ⟦5511984565666⟧',
      'my number: ⟦4258829090⟧',
    ])
  })
  it('leaves dates, money, identifiers and plain counts', () => {
    expectNothing([
      'call on 2023-10-12', 'call before 12/31/2024', 'call it 1 000 000', 'phone model 12', '550e8400-e29b-41d4-a716-446655440000', 'ISBN 978-3-16-148410-0', '+1 23', 'call 10.20.30', 'call 05 06 07 08 09', 'id 0171-1234-5678-9012', 'call under 2016/679', '02 04 06 08 10 13',
      'A415-555-0132', '415-555-0132-99',
    ]) // prettier-ignore
  })
})

// Put together at run time, so that no scanner takes them for real ones.
const secret = (...parts: readonly string[]): string => parts.join('')

describe('API_KEY (C6, C9)', () => {
  it('finds the forms of vendors', () => {
    const tail = 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'
    for (const key of [
      secret('sk-', 'proj-', tail),
      secret('sk-', 'ant-api03-', tail, '-_AA'),
      secret('sk-', tail),
      secret('AK', 'IA', 'IOSFODNN7EXAMPLE'),
      secret('gh', 'p_', tail),
      secret('github', '_pat_', tail),
      secret('AI', 'za', tail.slice(0, 35)),
      secret('xo', 'xb-', '123456789012-', tail),
      secret('sk', '_live_', tail),
      secret('hf', '_', tail),
      secret('glpat', '-', tail.slice(0, 20)),
    ]) {
      expect(found(`use ${key} here`), key.slice(0, 6)).toEqual([`API_KEY ${key}`])
      expect(found(`KEY="${key}"`), key.slice(0, 6)).toEqual([`API_KEY ${key}`])
    }
  })
  it('finds JSON web tokens by their decoded header (RFC 7515 §3.1)', () => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const token = `${part({ typ: 'JWT', alg: 'EdDSA' })}.${part({ sub: 'jane' })}.c2lnbmF0dXJl`
    expect(found(`see ${token} end`)).toEqual([`API_KEY ${token}`])
    expect(found(`eyJ${'x'.repeat(30)}.abc.def`)).toEqual([])
  })
  it('finds what a word like `api_key` or `Bearer` announces, if it looks random', () => {
    expectValues('API_KEY', [
      'api_key = "⟦9f8a7b6c5d4e3f2a1b0c⟧"',
      'Authorization: Bearer ⟦abcdEFGH1234ijklMNOP5678⟧',
      '"client_secret":"⟦x7Kp/2mQ+9vLsW3tYbN1⟧"',
      'MY_API_KEY:⟦9f8a7b6c5d4e3f2a1b0c⟧',
    ])
  })
  it('masks the body of a private key up to its footer (RFC 7468 §2)', () => {
    const pem = '-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc/d+f==\n-----END RSA PRIVATE KEY-----'
    expect(scanText(`a ${pem} b jane@example.com`, plan).text).toBe(
      'a -----BEGIN RSA PRIVATE [API_KEY] RSA PRIVATE KEY----- b [EMAIL_ADDRESS]',
    )
    expect(scanText('-----BEGIN PGP PRIVATE KEY BLOCK-----\nxyz', plan).text).toBe('-----BEGIN PGP PRIVATE KEY [API_KEY]')
    expect(scanText('-----BEGIN PUBLIC KEY-----\nMIIEow', plan).findings).toEqual([])
  })
  it('leaves names, digests and words', () => {
    expectNothing([
      'sk-learn-compatible-estimators',
      'the internationalisation-of-things',
      'sha256:9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c',
      'api_key = "your_api_key_here"',
      'AKIAshort',
      'token: aaaaaaaaaaaaaaaaaaaaaa11',
    ])
  })
})

describe('look-alike characters (C9)', () => {
  it('finds values in full-width digits, with unusual dashes, spaces and invisible units', () => {
    expect(found('４１１１ １１１１ １１１１ １１１１')).toHaveLength(1)
    expect(found('4111\u200b1111\u20601111\u00ad1111')).toHaveLength(1)
    expect(found('4111 \u200b1111 \u20601111 \u00ad1111')).toHaveLength(1)
    expect(found('\u202a4111\u200e1111\u20661111\u20691111\u202c')).toHaveLength(1)
    expect(found('call me\u2014415-555-0132\u2014today')).toEqual(['PHONE_NUMBER 415-555-0132'])
    expect(found('415\u2011555\u20110132')).toHaveLength(1)
    expect(found('4111\u00a01111\u202f1111\u00a01111')).toHaveLength(1)
    expect(found('jane\u200b@example\uff0ecom')).toHaveLength(1)
    expect(found('٤١١١١١١١١١١١١١١١')).toHaveLength(1)
  })
  it('counts offsets in UTF-16 units of the raw text', () => {
    expect(found('😀\u200b😀 4111\u200b1111\u200b1111\u200b1111 😀')).toEqual(['CREDIT_CARD 4111\u200b1111\u200b1111\u200b1111'])
  })
})

it('registers every recogniser of the folder, one a file', () => {
  const files = readdirSync(fileURLToPath(new URL('.', import.meta.url))).filter(
    (name) => !name.includes('.test.') && name !== 'registered.ts',
  )
  const own = RECOGNISERS.filter(({ entities }) => entities.length === 1)
  expect(own.map(({ entities: [entity] }) => `${entity.toLowerCase().replaceAll('_', '-')}.ts`).sort()).toEqual(files.sort())
  const all = RECOGNISERS.flatMap(({ entities }) => entities)
  expect(new Set(all).size).toBe(all.length)
})
