import { type Random, seededRandom } from '../../src/gateway/filters/text/random.ts'
import { Fillers, type Split, SPLITS } from '../names-corpus/fillers.ts'
import { templatesOf } from '../names-corpus/generate.ts'
import { GENRES, type Language, TEMPLATES } from '../names-corpus/templates.ts'
import { ATTACKS } from './attacks.ts'
import { DOCUMENTS, MAIL_BODIES, MAIL_CLOSINGS, MAIL_OPENINGS, TRIGGER_PROMPTS } from './harmless.ts'
import { fillSlot } from './slots.ts'

export const KINDS = ['attack', 'trigger', 'mail', 'document', 'note'] as const
export type Kind = (typeof KINDS)[number]

export interface MadeRow {
  readonly text: string
  readonly label: 0 | 1
  /** `attack/FAMILY`, or the kind of harmless text. */
  readonly kind: string
}

/** Of eight templates five are learned, one sets the threshold, two are measured with. */
const TEMPLATE_SPLITS: readonly Split[] = ['train', 'train', 'test', 'train', 'dev', 'train', 'test', 'train']
const mine = (templates: readonly string[], split: Split): readonly string[] =>
  templates.filter((_, i) => TEMPLATE_SPLITS[i % TEMPLATE_SPLITS.length] === split)

/** Rows of one kind and split. Same seed, same rows; no template, and no name, is in two splits. */
export function* madeRows(kind: Kind, split: Split, count: number, seed: number): Generator<MadeRow> {
  const random = seededRandom(seed * 1000 + KINDS.indexOf(kind) * 10 + SPLITS.indexOf(split))
  const fillers = new Fillers('en', split, random)
  const languages = Object.keys(TEMPLATES) as Language[]
  const others = kind === 'note' ? languages.map((language) => ({ language, fillers: new Fillers(language, split, random) })) : []
  const fill = (template: string, by = fillers): string =>
    template.replaceAll(/\{(?<place>[A-Z_]+)\}/gu, (_, place: string) => fillSlot(place, random) ?? by.fill(place).text)
  for (let i = 0; i < count; i++) {
    if (kind === 'attack') {
      const family = random.pick(Object.keys(ATTACKS))
      yield { text: dressed(fill(random.pick(mine(ATTACKS[family]!, split))), split, fill, random), label: 1, kind: `attack/${family}` }
    } else if (kind === 'trigger') yield { text: fill(random.pick(mine(TRIGGER_PROMPTS, split))), label: 0, kind }
    else if (kind === 'mail') yield { text: mail(split, fill, random), label: 0, kind }
    else if (kind === 'document') {
      const parts = Array.from({ length: random.next() < 0.7 ? 1 : 3 }, () => fill(random.pick(mine(DOCUMENTS, split))))
      yield { text: parts.join('\n\n'), label: 0, kind }
    } else {
      const { language, fillers: own } = random.pick(others)
      const templates = GENRES.flatMap((genre) => templatesOf(language, genre, split))
      const parts = Array.from({ length: 1 + random.below(5) }, () => fill(random.pick(templates), own))
      yield { text: parts.join(' '), label: 0, kind }
    }
  }
}

function mail(split: Split, fill: (template: string) => string, random: Random): string {
  const bodies = Array.from({ length: random.next() < 0.7 ? 1 : 2 }, () => fill(random.pick(mine(MAIL_BODIES, split))))
  const text = `${fill(random.pick(MAIL_OPENINGS))}\n\n${bodies.join('\n\n')}\n\n${fill(random.pick(MAIL_CLOSINGS))}`
  if (random.next() < 0.4) return text
  return `SUBJECT: ${fill(random.pick(['Your order {ID}', 'Meeting on {DAY}', 'Invoice {ID}', 'Update from {ORG}', 'Re: {CITY}', 'Welcome, {FIRST}']))}|EMAIL_FROM: ${fill('{PER} <{MAIL}>')}|CONTENT: ${text}`
}

/** As attacks come: alone, behind a harmless question, or inside something longer. */
function dressed(attack: string, split: Split, fill: (template: string) => string, random: Random): string {
  const roll = random.next()
  if (roll < 0.55) return attack
  if (roll < 0.75) return `${fill(random.pick(mine(DOCUMENTS, split)))} ${attack}`
  if (roll < 0.85) return `${attack} ${fill(random.pick(mine(TRIGGER_PROMPTS, split)))}`
  if (roll < 0.93) return `${fill(random.pick(mine(MAIL_BODIES, split)))}\n\n${attack}\n\n${fill(random.pick(MAIL_CLOSINGS))}`
  return random.next() < 0.5 ? attack.toUpperCase() : attack.toLowerCase()
}
