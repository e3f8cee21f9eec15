import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FilterAction } from '#foundation/core'
import { luhn, mod97 } from '../checksums.ts'
import { compilePlan, type FilterPlan, forCall } from '../plan.ts'
import { ENTITIES } from '../presets.ts'
import { createRedactor, scanText } from '../redactor.ts'
import { HOLD_BACK_CAP } from '../segment-machine.ts'
import { digestOf } from './hash.ts'
import { partOf } from './partial.ts'
import { createSubstitutes, MAX_SUBSTITUTES, type SubstituteSources } from './substitutes.ts'
import { SURROGATE_ENTITIES, surrogateOf } from './surrogate.ts'

const LONG_KEY = `sk-proj-${'aB3dE5fG7hJ9kL1mN2pQ4'.repeat(100)}`
const PEM = '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----'
const TEXTS = [
  'Write to jane.doe@example.com, or call +44 20 7946 0958.',
  `card 4111 1111 1111 1111, key ${LONG_KEY} end`,
  `${PEM}\nq@example.com`,
  '😀 4111-1111-1111-1111😀 GB29 NWBK 6016 1331 9268 19 a@example.com,b@example.com',
  'SSN 521-44-9382 at 203.0.113.77, 2001:db8::1 and again 521-44-9382, https://shop.example.com/a?b=1 on 2024-10-12',
]
const KEYS: SubstituteSources = { hashKey: new Uint8Array(32).fill(1), surrogateKey: new Uint8Array(32).fill(2) }
const everything = (action: FilterAction): FilterPlan =>
  forCall(compilePlan(Object.fromEntries([...ENTITIES].map((entity) => [entity, action]))), createSubstitutes(KEYS), null)
const CHANGING = ['surrogate', 'partial', 'hash', 'mask'] as const

describe('what is only counted (C6)', () => {
  it('passes, long or short, and is counted', () => {
    for (const text of TEXTS) {
      const scan = scanText(text, compilePlan({ default: 'log' }))
      expect(scan.text).toBe(text)
      expect(scan.findings.length).toBeGreaterThan(0)
    }
    expect(scanText('jane@example.com 4111111111111111', compilePlan({ CREDIT_CARD: 'mask', default: 'log' }))).toMatchObject({
      text: 'jane@example.com [CREDIT_CARD]',
      findings: [{ entity: 'EMAIL_ADDRESS' }, { entity: 'CREDIT_CARD' }],
    })
  })
})

describe('every action (C6)', () => {
  it('gives the same text for every cutting into pieces', () => {
    const mixes = [
      ...CHANGING.map((action) => ({ default: action })),
      { CREDIT_CARD: 'mask', default: 'log' },
      { CREDIT_CARD: 'partial', EMAIL_ADDRESS: 'hash', PHONE_NUMBER: 'surrogate', URL: 'log', default: 'mask' },
    ] as const
    fc.assert(
      fc.property(
        fc.constantFrom<Readonly<Record<string, FilterAction>>>(...mixes),
        fc.array(fc.constantFrom(...TEXTS), { minLength: 1, maxLength: 3 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 }),
        (actions, texts, sizes) => {
          const text = texts.join(' ')
          const plan = compilePlan(actions)
          const redactor = createRedactor(forCall(plan, createSubstitutes(KEYS), null))
          let out = ''
          for (let at = 0, i = 0; at < text.length; i++) {
            const size = sizes[i % sizes.length]!
            out += redactor.push(text.slice(at, at + size))
            expect(redactor.heldBack).toBeLessThanOrEqual(HOLD_BACK_CAP)
            at += size
          }
          const whole = scanText(text, forCall(plan, createSubstitutes(KEYS), null))
          expect(out + redactor.flush()).toBe(whole.text)
          expect([...redactor.findings.values()].reduce((sum, count) => sum + count, 0)).toBe(whole.findings.length)
        },
      ),
      { seed: 20261127, numRuns: 300 },
    )
  })

  it('shows nothing of a value that it does not know to its end', () => {
    for (const action of CHANGING)
      for (const [text, masked] of [
        [`key ${LONG_KEY} end`, 'key [API_KEY] end'],
        [PEM, '-----BEGIN PRIVATE [API_KEY] PRIVATE KEY-----'],
      ])
        expect(scanText(text!, everything(action)).text, action).toBe(masked)
  })

  it('masks where it is given no keys', () => {
    for (const action of ['surrogate', 'hash'] as const)
      expect(scanText('jane@example.com', compilePlan({ default: action })).text).toBe('[EMAIL_ADDRESS]')
  })

  it('leaves nothing that a second search finds, and the stand-ins of a third are those of the second', () => {
    for (const text of TEXTS)
      for (const action of ['partial', 'hash', 'mask'] as const) {
        const once = scanText(text, forCall(compilePlan({ default: action }), createSubstitutes(KEYS), null)).text
        expect(scanText(once, compilePlan({ default: 'mask' })).text, once).toBe(once)
      }
  })
})

describe('partial (C6)', () => {
  it('leaves what the table says', () => {
    expect([
      partOf('CREDIT_CARD', '4111 1111 1111 1234'),
      partOf('PHONE_NUMBER', '+44 20 7946 0958'),
      partOf('IBAN_CODE', 'GB29 NWBK 6016 1331 9268 19'),
      partOf('EMAIL_ADDRESS', 'Jane.Doe@Example.com'),
      partOf('IP_ADDRESS', '203.0.113.77'),
      partOf('MAC_ADDRESS', '00:1b:63:84:45:e6'),
      partOf('DATE_TIME', '12 March 2024'),
      partOf('URL', 'https://shop.example.com/orders?id=7'),
    ]).toEqual(['****1234', '****958', 'GB****6819', '****@example.com', '203.0.****', '00:1b:63****', '2024****', 'shop.example.com/****'])
  })

  it('shows nothing of what is short, of another form, or not in the table', () => {
    for (const [entity, value] of [
      ['CREDIT_CARD', '411111111111'],
      ['CREDIT_CARD', '4111 1111 1111 1111 jane 1111'],
      ['CREDIT_CARD', '41111111111111111111'],
      ['PHONE_NUMBER', '555-0132'],
      ['EMAIL_ADDRESS', 'a@b.com/path'],
      ['EMAIL_ADDRESS', 'jane'],
      ['IP_ADDRESS', '2001:db8::1'],
      ['DATE_TIME', '2024 to 2025'],
      ['DATE_TIME', '12 March'],
      ['URL', 'https://jane:secret@example.com/'],
      ['US_SSN', '521-44-9382'],
      ['API_KEY', LONG_KEY],
      ['constructor', 'x'],
      ['EMAIL_ADDRESS', `${'a'.repeat(600)}@example.com`],
    ] as const)
      expect(partOf(entity, value), `${entity} ${value}`).toBeNull()
    expect(scanText('SSN 521-44-9382', everything('partial')).text).toBe('SSN [US_SSN]')
  })

  it('never shows more of a card than its last four digits (PCI DSS 3.4.1)', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...'0123456789', ' '), { minLength: 12, maxLength: 22 }), (signs) => {
        const value = signs.join('')
        const shown = (partOf('CREDIT_CARD', value) ?? '').replaceAll(/[^0-9]/g, '')
        expect(shown.length === 0 || shown === value.replaceAll(/[^0-9]/g, '').slice(-4)).toBe(true)
      }),
      { seed: 7, numRuns: 300 },
    )
  })
})

describe('hash (C6)', () => {
  it('is the same for every spelling, and another for each key and entity', () => {
    const one = digestOf(KEYS.hashKey, 'CREDIT_CARD', '4111 1111 1111 1111')
    expect(one).toMatch(/^[a-t]{20}$/)
    expect(digestOf(KEYS.hashKey, 'CREDIT_CARD', '4111-1111-1111-1111')).toBe(one)
    expect(digestOf(KEYS.hashKey, 'EMAIL_ADDRESS', 'Jane@Example.com ')).toBe(digestOf(KEYS.hashKey, 'EMAIL_ADDRESS', 'jane@example.com'))
    expect(digestOf(KEYS.hashKey, 'EMAIL_ADDRESS', 'ja.ne@example.com')).not.toBe(
      digestOf(KEYS.hashKey, 'EMAIL_ADDRESS', 'jane@example.com'),
    )
    expect(digestOf(new Uint8Array(32).fill(9), 'CREDIT_CARD', '4111111111111111')).not.toBe(one)
    expect(digestOf(KEYS.hashKey, 'PHONE_NUMBER', '4111111111111111')).not.toBe(one)
  })

  it('joins two calls', () => {
    const [first, second] = ['a jane@example.com', 'a JANE@example.com'].map((text) => scanText(text, everything('hash')).text.slice(2))
    expect(first).toMatch(/^\[EMAIL_ADDRESS:[a-t]{20}\]$/)
    expect(second).toBe(first)
  })
})

describe('surrogate (C6)', () => {
  const draw = (entity: string, value: string, key = 2): string => surrogateOf(new Uint8Array(32).fill(key), entity, value)!

  it('has the form of the value and is nobody’s', () => {
    for (let i = 0; i < 500; i++) {
      const card = draw('CREDIT_CARD', '4111 1111 1111 1111', i)
      expect(card).toMatch(/^9999 \d{4} \d{4} \d{4}$/)
      expect(luhn(card.replaceAll(' ', ''))).toBe(true)
      expect(draw('EMAIL_ADDRESS', 'jane@corp.com', i)).toMatch(/^[a-t]{8}@example\.org$/)
      expect(draw('PHONE_NUMBER', '+44 20 7946 0958', i)).toMatch(/^\+44 7700 900\d{3}$/)
      expect(draw('PHONE_NUMBER', '(415) 867-5309', i)).toMatch(/^\+1 [2-9](?!11)[0-8]\d-555-01\d\d$/)
      const iban = draw('IBAN_CODE', 'GB29 NWBK 6016 1331 9268 19', i)
      expect(iban).toMatch(/^ZZ\d\d[A-Z]{4}\d{14}$/)
      expect(mod97(iban.slice(4) + iban.slice(0, 4))).toBe(1)
      expect(draw('US_SSN', '521-44-9382', i)).toMatch(/^666-(?!00)\d\d-(?!0000)\d{4}$/)
      expect(draw('IP_ADDRESS', '8.8.8.8', i)).toMatch(/^(?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d{1,3}$/)
      expect(draw('IP_ADDRESS', '2a00::1', i)).toMatch(/^2001:db8::/)
      expect(draw('MAC_ADDRESS', '00:1b:63:84:45:e6', i)).toMatch(/^00:00:5e:00:53:[0-9a-f]{2}$/)
    }
    expect(SURROGATE_ENTITIES).not.toContain('API_KEY')
    expect(scanText(PEM, everything('surrogate')).text).toContain('[API_KEY]')
  })

  it('a stand-in of a card or social security number is no such number to the recognisers', () => {
    for (let i = 0; i < 200; i++)
      for (const [entity, value] of [
        ['CREDIT_CARD', '4111111111111111'],
        ['US_SSN', '521-44-9382'],
      ] as const)
        expect(scanText(draw(entity, value, i), compilePlan({ [entity]: 'mask' })).findings, draw(entity, value, i)).toEqual([])
  })

  it('is the same within a call, another in the next, and never one for two values', () => {
    const text = Array.from({ length: 300 }, (_, i) => `u${i}@corp.com 9.9.${i >> 8}.${i & 255}`).join('\n')
    const plan = compilePlan({ EMAIL_ADDRESS: 'surrogate', IP_ADDRESS: 'surrogate' })
    const call = createSubstitutes({ hashKey: KEYS.hashKey })
    const out = scanText(text, forCall(plan, call, null)).text
    const stands = out.split(/[\n ]/).filter((stand) => !stand.startsWith('['))
    expect(new Set(stands).size).toBe(stands.length)
    expect(stands.length).toBeGreaterThan(500)
    expect(scanText(text, forCall(plan, call, null)).text).toBe(out)
    expect(scanText(text, forCall(plan, createSubstitutes({ hashKey: KEYS.hashKey }), null)).text).not.toBe(out)
  })

  it('is bounded: what comes after the most stand-ins of a call is masked', () => {
    const call = createSubstitutes(KEYS)
    for (let i = 0; i < MAX_SUBSTITUTES; i++) call.of('hash', 'EMAIL_ADDRESS', `u${i}@example.com`)
    expect(call.of('hash', 'EMAIL_ADDRESS', 'one-more@example.com')).toBeNull()
    expect(call.of('hash', 'EMAIL_ADDRESS', 'u1@example.com')).not.toBeNull()
  })
})
