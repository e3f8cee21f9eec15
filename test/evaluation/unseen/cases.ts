import { pick, type Random, random } from '../planted/values.ts'
import { digits, letters } from './checks.ts'
import { FURTHER_KINDS } from './further-kinds.ts'
import { FRAMES, type Part, HARMLESS } from './frames.ts'
import { GENERAL_KINDS } from './general-kinds.ts'
import type { Kind } from './kinds.ts'
import { NATIONAL_KINDS } from './national-kinds.ts'

/** One short text. `value` null: nothing is to be found in it. */
export interface Case {
  readonly entity: string
  readonly sort: 'bare' | 'named' | 'wrong' | 'harmless'
  readonly text: string
  readonly value: { readonly start: number; readonly end: number } | null
}

const SEED_OF: Readonly<Record<Part, number>> = { validation: 0, test: 1, later: 2 }

/** Texts of a frame and kind. */
const EACH = 3
const KINDS: readonly Kind[] = [...GENERAL_KINDS, ...NATIONAL_KINDS, ...FURTHER_KINDS]

function framed(frame: string, word: string, value: string): Pick<Case, 'text' | 'value'> {
  const named = frame.replace('{l}', word)
  const start = named.indexOf('{v}')
  return { text: named.replace('{v}', () => value), value: { start, end: start + value.length } }
}

function casesOf(kind: Kind, part: Part, next: Random): readonly Case[] {
  const { entity } = kind
  const word = part === 'later' ? pick(next, kind.words) : kind.words[part === 'validation' ? 0 : 1]!
  const cases: Case[] = []
  const { bare, named } = FRAMES[part]
  for (let i = 0; i < EACH; i++) {
    if (kind.bare) for (const frame of bare) cases.push({ entity, sort: 'bare', ...framed(frame, word, kind.right(next)) })
    for (const frame of named) cases.push({ entity, sort: 'named', ...framed(frame, word, kind.right(next)) })
    for (const wrong of kind.wrong)
      for (const frame of [pick(next, bare), pick(next, named), named[0]!])
        cases.push({ entity, sort: 'wrong', ...framed(frame, word, wrong(next)), value: null })
  }
  return cases
}

const filled = (shape: string, next: Random): string =>
  shape.replaceAll(/\{([9Af .,-]+)\}/gu, (_all, inside: string) =>
    inside.replaceAll(/[9Af]/gu, (sign) =>
      sign === '9' ? digits(next, 1) : sign === 'A' ? letters(next, 1) : letters(next, 1, '0123456789abcdef'),
    ),
  )

/** Values of every kind alone, in sentences and in tables, values like them that are none, and texts without any. */
export function unseenCases(part: Part, seed: number): readonly Case[] {
  const next = random(seed + SEED_OF[part])
  return [
    ...KINDS.flatMap((kind) => casesOf(kind, part, next)),
    ...HARMLESS[part].flatMap((shape) =>
      Array.from({ length: EACH * 4 }, (): Case => ({ entity: 'none', sort: 'harmless', text: filled(shape, next), value: null })),
    ),
  ]
}
