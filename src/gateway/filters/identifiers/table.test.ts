import { describe, expect, it } from 'vitest'
import { compilePlan } from '../plan.ts'
import { createRedactor, scanText } from '../redactor.ts'
import type { Identifier } from './identifier.ts'
import { IDENTIFIERS } from './table.ts'
import { valuesOf } from './values.fixture.ts'

const SEED = Number(process.env['REDOUBT_SEED'] ?? 20_261_127)
const entities = [...new Set(IDENTIFIERS.map(({ entity }) => entity))]
const planOf = (entity: string) => compilePlan({ [entity]: 'mask' })

function streamed(text: string, entity: string, size: number): string {
  const redactor = createRedactor(planOf(entity))
  let out = ''
  for (let at = 0; at < text.length; at += size) out += redactor.push(text.slice(at, at + size))
  return out + redactor.flush()
}

/** A value of every form of every row, with the row's own context word before it. */
const CASES = IDENTIFIERS.flatMap((identifier) =>
  valuesOf(identifier, SEED).map(({ value, wrong }) => ({ identifier, value, wrong, word: wordOf(identifier) })),
)

function wordOf({ entity, context }: Identifier): string {
  return context.find((phrase) => phrase !== '') ?? IDENTIFIERS.find((other) => other.entity === entity)!.context[0]!
}

/** Whether another row of the same kind takes it: what has a check digit in one country has none in another. */
const isRightElsewhere = (identifier: Identifier, value: string): boolean =>
  IDENTIFIERS.some(
    (other) => other !== identifier && other.entity === identifier.entity && other.code?.pattern.test(value) === true && other.valid(value),
  )

describe(`tables of identifiers (C6, C9), seed ${SEED}`, () => {
  it('has a value for every row', () => {
    const covered = new Set(CASES.map(({ identifier }) => identifier))
    expect(IDENTIFIERS.filter((identifier) => !covered.has(identifier)).map(({ entity }) => entity)).toEqual([])
  })

  it('finds the values of every row behind its context word', () => {
    const missed = CASES.filter(({ identifier: { entity }, value, word }) => {
      const text = `${word}: ${value}, x`
      return !scanText(text, planOf(entity)).text.endsWith(`: [${entity}], x`)
    })
    expect(missed.map(({ identifier, value, word }) => `${identifier.entity}: ${word} ${value}`)).toEqual([])
  })

  it('leaves values whose check digits or ranges are wrong', () => {
    const flagged = CASES.filter(({ identifier, wrong, word }) => {
      const { entity } = identifier
      if (wrong === null || isRightElsewhere(identifier, wrong)) return false
      // A part of it may be a number of its own.
      const findings = scanText(`${word}: ${wrong}, x`, planOf(entity)).findings
      return findings.some(({ start, end }) => end - start === wrong.length)
    })
    expect(flagged.map(({ identifier, wrong }) => `${identifier.entity}: ${wrong}`)).toEqual([])
    expect(CASES.filter(({ wrong }) => wrong !== null).length).toBeGreaterThan(250)
  })

  it('gives identical output for every two-way split and for single characters, whatever stands after', () => {
    for (const {
      identifier: { entity },
      value,
      word,
    } of CASES) {
      for (const text of [`${word} ${value}.`, `${value} (${word})`, value]) {
        const whole = scanText(text, planOf(entity)).text
        expect(streamed(text, entity, 1), text).toBe(whole)
        for (let cut = 1; cut < text.length; cut++) {
          const redactor = createRedactor(planOf(entity))
          expect(redactor.push(text.slice(0, cut)) + redactor.push(text.slice(cut)) + redactor.flush(), `${text} at ${cut}`).toBe(whole)
        }
      }
    }
  }, 60_000)

  it('leaves what its label announces as another number, where the form alone says little', () => {
    const all = compilePlan({ default: 'mask' })
    // Nine digits in threes that a Canadian number might be, too, and that fail the check digit of what they are said to be.
    expect(scanText('tfn: 373 615 590', all).findings).toEqual([])
    expect(scanText('sin: 373 615 590', all).text).toBe('sin: [CA_SIN]')
  })

  it('covers national numbers of sixty countries at least', () => {
    const countries = new Set(entities.map((entity) => /^([A-Z]{2})_/u.exec(entity)?.[1]).filter((code) => code !== undefined))
    expect(countries.size).toBeGreaterThanOrEqual(60)
  })
})
