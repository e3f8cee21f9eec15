import { type LabelledText, readLabelledLines } from '../../src/gateway/filters/names/labelled-text.ts'
import { type Random, seededRandom } from '../../src/gateway/filters/text/random.ts'
import { Fillers, type Split, SPLITS } from './fillers.ts'
import { type Genre, GENRES, type Language, TEMPLATES } from './templates.ts'

export interface MadeText {
  readonly text: string
  readonly spans: readonly { readonly start: number; readonly end: number; readonly type: string }[]
}

/** Of seven templates in a row five are learned, one is for the cuts, one is measured with. */
const TEMPLATE_SPLITS: readonly Split[] = ['train', 'train', 'dev', 'train', 'test', 'train', 'train']

export const templatesOf = (language: Language, genre: Genre, split: Split): readonly string[] =>
  TEMPLATES[language][genre].filter((_, index) => TEMPLATE_SPLITS[index % TEMPLATE_SPLITS.length] === split)

function fillIn(template: string, fillers: Fillers): MadeText {
  let text = ''
  const spans: { start: number; end: number; type: string }[] = []
  for (const part of template.split(/(\{[A-Z]+\})/u)) {
    if (!part.startsWith('{')) {
      text += part
      continue
    }
    const filled = fillers.fill(part.slice(1, -1))
    // A surname that follows a first name, or a title, belongs to the same person.
    const last = spans.at(-1)
    if (filled.type !== null && last?.type === filled.type && text.slice(last.end) === ' ' && filled.type === 'PERSON')
      last.end = text.length + filled.text.length
    else if (filled.type !== null) spans.push({ start: text.length, end: text.length + filled.text.length, type: filled.type })
    text += filled.text
  }
  return { text, spans }
}

/** Texts of one language, genre and split, two of five of one to three sentences. Same seed, same texts. */
export function* made(language: Language, genre: Genre, split: Split, count: number, seed: number): Generator<MadeText> {
  const random: Random = seededRandom(
    seed * 1000 + Object.keys(TEMPLATES).indexOf(language) * 100 + GENRES.indexOf(genre) * 10 + SPLITS.indexOf(split),
  )
  const fillers = new Fillers(language, split, random)
  const templates = templatesOf(language, genre, split)
  for (let i = 0; i < count; i++) {
    const parts = Array.from({ length: random.next() < 0.6 ? 1 : 2 + random.below(2) }, () => fillIn(random.pick(templates), fillers))
    let text = ''
    const spans: { start: number; end: number; type: string }[] = []
    for (const part of parts) {
      if (text !== '') text += /[.!?]$/u.test(text) ? ' ' : '\n'
      for (const span of part.spans) spans.push({ ...span, start: span.start + text.length, end: span.end + text.length })
      text += part.text
    }
    yield { text, spans }
  }
}

/** As the trainer reads it. */
export const toLabelled = (text: MadeText): LabelledText => readLabelledLines(JSON.stringify(text), 'made text')[0]!
