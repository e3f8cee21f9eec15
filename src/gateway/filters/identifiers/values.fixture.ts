import type { Identifier } from './identifier.ts'

/** A value in one of a row's forms, and one like it that its checks refuse; null where there are no checks to fail. */
export interface Sample {
  readonly value: string
  readonly wrong: string | null
}

const TRIES = 6_000

/** Park & Miller 1988: the same numbers for the same seed on every machine. */
export function random(seed: number): (below: number) => number {
  let state = (seed % 2_147_483_646) + 1
  return (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const DIGITS = '0123456789'
/** Heads that random letters and digits hardly ever have: countries, kinds of register, days of birth, regions. */
const HEADS: Readonly<Record<string, readonly string[]>> = {
  DE_HANDELSREGISTER: ['HRB'], CH_UID: ['CHE'], AT_VAT: ['ATU'], GH_CARD: ['GHA'], CN_RESIDENT_ID: ['11010519'], CN_USCC: ['91110000'],
  MX_CURP: ['HEGG560427MVZRRL'], IT_FISCAL_CODE: ['RSSMRA85T10A562'], MU_NID: ['A15018'], AE_EMIRATES_ID: ['784'], UK_DRIVING_LICENCE: ['MORGA657054SM9', 'MORGA65705', 'MORG9657054', 'MOR99657054', 'MO999657054'],
  CU_NI: ['910203'], GT_CUI: ['21491758'], ID_NIK: ['317101'], TN_MF: ['1234567/A/M/', '1234567'], VN_CCCD: ['0010'], FR_NIR: ['1 85 05 78 006 084', '185057800608', '295109912611193'],
} // prettier-ignore

/** Whole values from the publications that define them, for what random signs never hit. */
const PUBLISHED: Readonly<Record<string, readonly string[]>> = {
  VIN: ['1M8GDM9AXKP042788', 'WVWZZZ1JZ3W386752'], DE_ID_CARD: ['L01X00T471', 'L01X00T47'],
  SWIFT_CODE: ['DEUTDEFF', 'DEUTDEFF500'], ISIN: ['US0378331005'], CUSIP: ['037833100'], IN_IFSC: ['HDFC0123456'], DE_FUEHRERSCHEIN: ['B072RRE2I55'],
  CH_AHV: ['756.9217.0769.85'], MC_VAT: ['FR53000004605'], IT_FISCAL_CODE: ['RSSMRA85T10A562S'], IN_GSTIN: ['27AAPFU0939F1ZV'],
  GH_TIN: ['C0000803561'], UK_DRIVING_LICENCE: ['MORGA657054SM9IJ'], UY_RUT: ['211003420017'], BO_CI: ['1234567 LP', '1234567LP'],
} // prettier-ignore

function dayLike(next: (below: number) => number): readonly string[] {
  const two = (value: number): string => String(value).padStart(2, '0')
  const [year, month, day] = [two(40 + next(55)), two(1 + next(12)), two(1 + next(28))]
  return [
    `${year}${month}${day}`,
    `${day}${month}${year}`,
    `19${year}${month}${day}`,
    `3${year}${month}${day}`,
    `1${year}${month}${day}`,
    `${day}${month}9${year}`,
  ]
}

/** Fills a layout, with the digits of `head` first where they fit. */
function fill(layout: string, head: string, next: (below: number) => number): string | null {
  let at = 0
  let filled = ''
  for (const sign of layout) {
    const given = head[at]
    if (sign !== '9' && sign !== 'A') {
      if (given === sign) at++
      filled += sign
    } else if (given !== undefined) {
      if (/\d/u.test(given) !== (sign === '9')) return null
      filled += given
      at++
    } else filled += sign === '9' ? DIGITS[next(10)] : LETTERS[next(26)]
  }
  return filled
}

const layoutOf = (value: string): string => value.replaceAll(/[A-Z]/gu, 'A').replaceAll(/\d/gu, '9')
const compactOf = (value: string): string => value.replaceAll(/[^A-Z0-9]/gu, '')

/** Up to a value a form. @throws if `seed` finds none for any form. */
export function valuesOf(identifier: Identifier, seed: number): readonly Sample[] {
  const next = random(seed)
  const samples: Sample[] = []
  const country = identifier.entity.slice(0, 2)
  for (const value of PUBLISHED[identifier.entity] ?? []) {
    const { code, forms } = identifier
    const written = code ? code.least <= value.length && value.length <= code.most : forms.some(({ layout }) => layout === layoutOf(value))
    if (written && identifier.valid(compactOf(value)) && (!code || code.pattern.test(compactOf(value))))
      samples.push({ value, wrong: wrongOf(identifier, value) })
  }
  for (const layout of layoutsOf(identifier, next)) {
    for (let i = 0; i < TRIES; i++) {
      const own = HEADS[identifier.entity]
      const heads =
        own && i % 2 === 0 ? own : i % 3 === 0 ? dayLike(next) : i % 3 === 1 ? [country, country === 'GR' ? 'EL' : country] : ['']
      const value = fill(layout, heads[next(heads.length)]!, next)
      const compact = value === null ? '' : compactOf(value)
      if (value === null || (identifier.code && !identifier.code.pattern.test(compact)) || !identifier.valid(compact)) continue
      samples.push({ value, wrong: wrongOf(identifier, value) })
      break
    }
  }
  return samples
}

/** Of forms that differ by their letters alone, a few. */
function layoutsOf({ forms, code }: Identifier, next: (below: number) => number): readonly string[] {
  if (code)
    return Array.from({ length: 400 }, () => Array.from({ length: code.least }, () => (next(3) === 0 ? 'A' : '9')).join('')).slice(0, 3)
  const seen = new Map<string, string>()
  for (const { layout } of forms) seen.set(layout.replaceAll('A', '9'), layout)
  return [...seen.values()]
}

function wrongOf({ valid, code }: Identifier, value: string): string | null {
  for (let i = value.length - 1; i >= 0; i--) {
    const alphabet = /\d/u.test(value[i]!) ? DIGITS : /[A-Z]/u.test(value[i]!) ? LETTERS : ''
    for (const sign of alphabet) {
      const wrong = value.slice(0, i) + sign + value.slice(i + 1)
      if ((!code || code.pattern.test(compactOf(wrong))) && !valid(compactOf(wrong))) return wrong
    }
  }
  return null
}
