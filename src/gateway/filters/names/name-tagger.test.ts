import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createNameTagger, findNames, NAMES_HOLD_BACK_CAP, type NameSpan } from './name-tagger.ts'

interface Streamed {
  readonly spans: readonly NameSpan[]
  readonly mostHeld: number
}

/** Checks on the way that no span begins before what was called settled. */
function stream(chunks: readonly string[]): Streamed {
  const tagger = createNameTagger()
  const spans: NameSpan[] = []
  let pushed = 0
  let settled = 0
  let mostHeld = 0
  const take = (found: readonly NameSpan[]): void => {
    for (const span of found) if (span.start < settled) throw new Error(`a span at ${span.start} came after ${settled} was settled`)
    spans.push(...found)
  }
  for (const chunk of chunks) {
    take(tagger.push(chunk))
    pushed += chunk.length
    if (tagger.settled < settled) throw new Error('what was settled is no more')
    settled = tagger.settled
    mostHeld = Math.max(mostHeld, pushed - settled)
  }
  take(tagger.flush())
  return { spans, mostHeld }
}

const CASES: readonly string[] = [
  'Please forward this to Jonathan Meyers at Rosemont Analytics in Chicago. Thanks, Priya',
  'hi, my name is anna kowalski and i live in berlin',
  'Der Patient Karl-Heinz Müller aus München wurde von Dr. Anja Schröder untersucht.\nName: José García\n\nMadrid',
  "L'hôpital d'Amélie Dubois à Lyon, c'est loin. O'Brien's car",
  'An\u200bna Smi\u00adth 😀 Bob\ud83d Smith\ude00 works here. Mr. J. R. R. Tolkien wrote it',
  `${'A'.repeat(130)} John${' '.repeat(9)}Smith, ${'Anna Maria '.repeat(20)}`,
  'From: Peter Schmidt\r\nTo: Laura Bianchi\r\nSubject: Offer of Sparkasse Köln for 12.5 %',
  '王小明 lives in 北京. Владимир Иванов из Москвы. ',
  '',
]

const textsOf = (text: string, spans: readonly NameSpan[]): readonly string[] =>
  spans.map(({ entity, start, end }) => `${entity}:${text.slice(start, end)}`)

describe('name tagger (C6, C9)', () => {
  it.each([
    ['Please forward this to Jonathan Meyers, he lives in Chicago.', ['PERSON:Jonathan Meyers', 'LOCATION:Chicago']],
    ['hey, my name is anna kowalski, can you help me?', ['PERSON:anna kowalski']],
    ['Frau Schröder wohnt in München.', ['PERSON:Schröder', 'LOCATION:München']],
    ['Le patient Julien Moreau habite à Lyon.', ['PERSON:Julien Moreau', 'LOCATION:Lyon']],
    ['La señora Carmen Ortega vive en Sevilla.', ['PERSON:Carmen Ortega', 'LOCATION:Sevilla']],
    ['Il signor Marco Ferrari vive a Torino.', ['PERSON:Marco Ferrari', 'LOCATION:Torino']],
    ['De heer Jan de Vries woont in Utrecht.', ['PERSON:Jan de Vries', 'LOCATION:Utrecht']],
    ['The loan was granted by Rosemont Analytics Ltd on Monday.', ['ORGANISATION:Rosemont Analytics Ltd']],
  ])('finds names in `%s`', (text, wanted) => {
    const found = textsOf(text, findNames(text))
    for (const name of wanted)
      expect(found.some((one) => one.startsWith(name.split(':')[0]!) && one.includes(name.split(':')[1]!))).toBe(true)
  })

  it.each([
    'The contract, the invoice and the report are in the folder.',
    'How do I write a Python function that sorts a list of numbers?',
    'Crea un nuevo cliente y guarda el contrato en la carpeta.',
    'Der Vertrag, die Rechnung und der Bericht liegen im Ordner.',
  ])('leaves `%s`', (text) => expect(textsOf(text, findNames(text))).toEqual([]))

  it('finds the same spans for every two-way split and for single units, with bounded hold-back', () => {
    for (const text of CASES) {
      const whole = findNames(text)
      for (const chunks of [
        text.split(''),
        ...Array.from({ length: text.length + 1 }, (_, cut) => [text.slice(0, cut), text.slice(cut)]),
      ]) {
        const { spans, mostHeld } = stream(chunks)
        expect(spans).toEqual(whole)
        expect(mostHeld).toBeLessThanOrEqual(NAMES_HOLD_BACK_CAP)
      }
    }
  })

  it('finds the same spans for random chunks of random text', () => {
    const words = [
      'Anna',
      'smith',
      'Dr',
      '.',
      ',',
      ' ',
      '  ',
      '    ',
      '\n',
      '-',
      "'",
      'é',
      'ß',
      '\u200b',
      '\ud83d',
      '\ude00',
      '😀',
      'München',
      'of',
      'Bank',
      '7',
      '@',
      'x'.repeat(60),
      '北',
    ]
    const text = fc
      .array(fc.oneof(fc.constantFrom(...words), fc.constantFrom('Maria Lopez ', 'in Paris ', 'said ')), { maxLength: 80 })
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(text, fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 12 }), (text, cuts) => {
        const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length]
        const { spans, mostHeld } = stream(places.slice(1).map((end, i) => text.slice(places[i], end)))
        expect(spans).toEqual(findNames(text))
        expect(mostHeld).toBeLessThanOrEqual(NAMES_HOLD_BACK_CAP)
      }),
      { seed: 20_261_127, numRuns: 400 },
    )
  })

  it('gives spans in order, without overlap, inside the text, with scores from the cut on', () => {
    for (const text of CASES) {
      let reached = 0
      for (const { start, end, score } of findNames(text)) {
        expect(start).toBeGreaterThanOrEqual(reached)
        expect(end).toBeGreaterThan(start)
        expect(score).toBeGreaterThanOrEqual(0.5)
        expect(score).toBeLessThanOrEqual(1)
        reached = end
      }
      expect(reached).toBeLessThanOrEqual(text.length)
    }
  })

  it('ends no name with a sign, and keeps those within', () => {
    for (const text of CASES)
      for (const { start, end } of findNames(text))
        expect(text.slice(start, end)).toMatch(/^[\p{L}\p{N}].*[\p{L}\p{M}\p{N}]$|^[\p{L}\p{N}]$/su)
    const text = "Yesterday Mary O'Brien, Peter Smith-Jones; and Anna Kowalski (aged 40) came."
    expect(textsOf(text, findNames(text))).toEqual(["PERSON:Mary O'Brien", 'PERSON:Peter Smith-Jones', 'PERSON:Anna Kowalski'])
  })

  it('counts a new text from zero after a flush', () => {
    const tagger = createNameTagger()
    const text = 'Write to Maria Lopez.'
    const first = [...tagger.push(text), ...tagger.flush()]
    expect(first.length).toBeGreaterThan(0)
    expect([...tagger.push(text), ...tagger.flush()]).toEqual(first)
  })

  it.each(['a', 'A', '1', ' ', '.', '\n', '-', 'Anna ', '\u200b', '\ud800', '😀', '北'])(
    'holds back no more than its cap when a name is followed by a flood of `%j`',
    (unit) => {
      const flood = `Anna Smith${unit.repeat(Math.ceil(20_000 / unit.length))}`
      const tagger = createNameTagger()
      let mostHeld = 0
      for (let at = 0; at < flood.length; at += 4096) {
        const piece = flood.slice(at, at + 4096)
        tagger.push(piece)
        mostHeld = Math.max(mostHeld, at + piece.length - tagger.settled)
      }
      tagger.flush()
      expect(mostHeld).toBeLessThanOrEqual(NAMES_HOLD_BACK_CAP)
    },
  )
})
