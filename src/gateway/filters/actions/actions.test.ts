import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compilePlan } from '../plan.ts'
import { createRedactor, scanText } from '../redactor.ts'

const TEXTS = [
  'Write to jane.doe@example.com, or call +44 20 7946 0958.',
  `card 4111 1111 1111 1111, key sk-proj-${'aB3dE5fG7hJ9kL1mN2pQ4'.repeat(100)} end`,
  '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----\nq@example.com',
  '😀 4111-1111-1111-1111😀 GB29 NWBK 6016 1331 9268 19 a@example.com,b@example.com',
]

describe('what is only counted (C6)', () => {
  const plan = compilePlan({ CREDIT_CARD: 'mask', default: 'log' })

  it('passes, long or short, and is counted', () => {
    for (const text of TEXTS) {
      const scan = scanText(text, compilePlan({ default: 'log' }))
      expect(scan.text).toBe(text)
      expect(scan.findings.length).toBeGreaterThan(0)
    }
    expect(scanText('jane@example.com 4111111111111111', plan)).toMatchObject({
      text: 'jane@example.com [CREDIT_CARD]',
      findings: [{ entity: 'EMAIL_ADDRESS' }, { entity: 'CREDIT_CARD' }],
    })
  })

  it('is the same for every cutting into pieces', () => {
    fc.assert(
      fc.property(fc.constantFrom(...TEXTS), fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 30 }), (text, sizes) => {
        const redactor = createRedactor(plan)
        let out = ''
        for (let at = 0, i = 0; at < text.length; i++) {
          const size = sizes[i % sizes.length]!
          out += redactor.push(text.slice(at, at + size))
          at += size
        }
        const whole = scanText(text, plan)
        expect(out + redactor.flush()).toBe(whole.text)
        expect([...redactor.findings.values()].reduce((sum, count) => sum + count, 0)).toBe(whole.findings.length)
      }),
      { seed: 20261127, numRuns: 200 },
    )
  })
})
