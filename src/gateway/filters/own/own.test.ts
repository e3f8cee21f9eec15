import { describe, expect, it } from 'vitest'
import { compilePlan } from '../plan.ts'
import { createRedactor, scanText } from '../redactor.ts'
import { boundedPattern } from './bounded-pattern.ts'
import { loadRecognisers } from './load-recognisers.ts'

const file = (pattern: string, rest = ''): string =>
  `recognisers:\n  - id: acme\n    entity: ACME_ID\n    pattern: '${pattern}'\n    score: 0.4\n    context: [customer, kunde]\n${rest}`
const refused = (message: string): unknown =>
  expect.objectContaining({ code: 'ERR_FILTER_RECOGNISER', message: expect.stringContaining(message) })

describe('recognisers of a site (C6, C9)', () => {
  it('finds values in every chunking, by context before and after', () => {
    const { recognisers } = loadRecognisers(file(String.raw`AC-\d{6}`), 'own.yaml')
    const plan = compilePlan({ ACME_ID: 'mask' }, { own: recognisers })
    for (const [text, masked] of [
      ['customer AC-123456 called', 'customer [ACME_ID] called'],
      ['AC-123456 is the customer', '[ACME_ID] is the customer'],
      ['part AC-123456 is here', 'part AC-123456 is here'],
      ['customer AC-1234567', 'customer AC-1234567'],
    ] as const) {
      expect(scanText(text, plan).text).toBe(masked)
      const redactor = createRedactor(plan)
      expect(text.split('').map((unit) => redactor.push(unit)).join('') + redactor.flush()).toBe(masked) // prettier-ignore
    }
  })

  it.each([String.raw`\-1`, String.raw`\_1`, '[z-a]1', String.raw`[a-\d]1`])('refuses %s in its own words', (pattern) => {
    expect(() => loadRecognisers(file(pattern), 'own.yaml')).toThrow(expect.objectContaining({ code: 'ERR_FILTER_RECOGNISER' }))
  })

  it('refuses aliases in its own words', () => {
    expect(() => loadRecognisers('recognisers: &a [*a]', 'own.yaml')).toThrow(expect.objectContaining({ code: 'ERR_FILTER_RECOGNISER' }))
  })

  it('asks the validator, of ours or of the library', () => {
    const own = (validator: string) =>
      compilePlan(
        { ACME_ID: 'mask' },
        { own: loadRecognisers(file(String.raw`\d{9}`, `    validator: ${validator}\n`), 'own.yaml').recognisers },
      )
    expect(scanText('customer 111222333', own('stdnum:nl/bsn')).text).toBe('customer [ACME_ID]')
    expect(scanText('customer 111222334', own('stdnum:nl/bsn')).text).toBe('customer 111222334')
    expect(() => own('stdnum:nl/../../x')).toThrow(refused('there is no validator'))
    expect(() => own('stdnum:nl/nothing')).toThrow(refused('there is no validator'))
  })

  it.each([
    ['A+\\d', 'column 2: `+` has no bound; write `{1,20}`'],
    ['A*\\d', 'column 2: `*` has no bound'],
    ['A{3,}\\d', 'column 2: `{3,}` has no bound; write `{3,20}`'],
    ['\\d{1,400}', 'matches up to 400 units; bound it to 320'],
    ['(?:\\d{1,9}){1,9}', 'can match in more than 1000 ways'],
    ['\\d{1,20}\\d{1,20}\\d{1,20}', 'can match in more than 1000 ways'],
    ['(\\d)\\1', 'column 5: it refers back to a group'],
    ['(?<=A)\\d', 'look-around and named groups are not read'],
    ['(?!A)\\d', 'look-around and named groups are not read'],
    ['.\\d', '`.` matches anything'],
    ['^\\d', '`^` looks for the end of a text'],
    ['[^a]\\d', 'a class says what it leaves out'],
    ['A\\d B', 'values hold no white space'],
    ['A\\s\\d', 'values hold no white space'],
    ['A"\\d', '`"` ends every value'],
    ['[a-z]{3,9}', 'it matches words of letters alone'],
    ['\\d{0,3}', 'it matches the empty text'],
    ['(\\d', 'a `(` is not closed'],
    ['\\d)', 'a `)` closes nothing'],
    ['[\\d', 'a `[` is not closed'],
    ['\\d{2}{3}', 'a repeat is repeated'],
    ['\\d{3,2}', 'is no range'],
    ['((((((((((\\d))))))))))', 'nested more than 8 deep'],
    ['\\q\\d', '`\\q` is not read'],
  ])('refuses the pattern %s and says where and what to write', (pattern, message) => {
    expect(() => boundedPattern(pattern)).toThrow(refused(message))
  })

  it('takes time linear in the text for the costliest pattern it accepts', () => {
    const plan = compilePlan({ ACME_ID: 'mask' }, { own: loadRecognisers(file(String.raw`\d{1,15}-?\d{1,31}X`), 'own.yaml').recognisers })
    const cost = (size: number): number => {
      const text = '1'.repeat(size)
      scanText(text, plan)
      const started = process.cpuUsage()
      for (let i = 0; i < 3; i++) scanText(text, plan)
      const { user, system } = process.cpuUsage(started)
      return user + system
    }
    // Four times the text costs four times as much; twice that is left for a busy machine, and quadratic were sixteen times.
    expect(cost(80_000) / cost(20_000)).toBeLessThan(9)
  })

  it('refuses what does not fit: unknown members, doubled ids, no YAML, aliases', () => {
    expect(() => loadRecognisers(file('\\d{4}', '    colour: red\n'), 'own.yaml')).toThrow(refused('own.yaml'))
    expect(() => loadRecognisers(`${file('\\d{4}')}${file('\\d{5}').replace('recognisers:\n', '')}`, 'own.yaml')).toThrow(
      refused('two recognisers have the id `acme`'),
    )
    expect(() => loadRecognisers('a: [', 'own.yaml')).toThrow(refused('own.yaml'))
    expect(() => loadRecognisers('recognisers: []', 'own.yaml')).toThrow(refused('recognisers'))
    expect(() => loadRecognisers(file('\\d{4}').replace('[customer, kunde]', '&a [x]\n    positives: *a'), 'own.yaml')).toThrow()
  })
})
