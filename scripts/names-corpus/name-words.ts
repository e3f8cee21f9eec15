import { createHash } from 'node:crypto'
import { allFakers } from '@faker-js/faker'
import { wordHash } from '../../src/gateway/filters/names/tokens.ts'
import { LISTED, listedAs } from '../../src/gateway/filters/names/word-lists.ts'
import { strings } from './fillers.ts'
import { LEXICOGRAPHER, licence, meanings, type Synset, synsets, timesMet } from './wordnet.ts'

/** Where the words are from, and what is to be said with them. */
export const sources = (): readonly string[] => [licence(), 'Names of people and cities: @faker-js/faker, MIT']

/** Words of letters alone: the tagger cuts `Jean-Luc` and `O'Brien` in two. */
const WORD = /^\p{L}{2,40}$/u
const BETWEEN_WORDS = /[_ \-'.]+/u
const capital = (word: string): boolean => /^\p{Lu}/u.test(word)
const capitalsOf = (name: string): readonly string[] => name.split(BETWEEN_WORDS).filter(capital)

/** Marks that stand for parts of speech beside the lexicographer files of nouns, which are 3 to 28 and lie at 1 to 26 here. */
const FIRST_NOUN = 2
const VERB = 27
const ADJECTIVE = 28
const ADVERB = 29

/** The lists by hash: names of WordNet, half of faker's, and ordinary English words. */
export function nameWords(): ReadonlyMap<number, number> {
  const names = new Map<string, number>()
  const mark = (word: string, bit: number): void => {
    const lower = word.toLowerCase()
    if (WORD.test(word)) names.set(lower, (names.get(lower) ?? 0) | bit)
  }
  const nouns = synsets('noun')
  for (const synset of nouns) for (const word of synset.words) if (capital(word)) markName(synset, word, mark)
  for (const { words } of synsets('adj')) for (const word of words) for (const part of capitalsOf(word)) mark(part, LISTED.people)
  markFaker(mark)
  // Places are called after people: `San Jose` makes no place of every Jose.
  const people = LISTED.given | LISTED.family
  for (const [word, bits] of names) if ((bits & people) !== 0) names.set(word, bits & ~LISTED.placePart)
  const ordinary = ordinaryWords(nouns)
  return new Map(
    [...new Set([...names.keys(), ...ordinary.keys()])].map((word) => [
      wordHash(word),
      listedAs(names.get(word) ?? 0, ordinary.get(word) ?? 0),
    ]),
  )
}

type Mark = (word: string, bit: number) => void

function markName({ lexicographer, instance }: Synset, name: string, mark: Mark): void {
  const parts = capitalsOf(name)
  const all = (bit: number): void => parts.forEach((part) => mark(part, bit))
  switch (lexicographer) {
    case LEXICOGRAPHER.person:
      if (!instance) return all(LISTED.people)
      return parts.forEach((part, i) => mark(part, i === parts.length - 1 ? LISTED.family : LISTED.given))
    case LEXICOGRAPHER.location:
    case LEXICOGRAPHER.object:
      return all(name.includes('_') || parts.length > 1 ? LISTED.placePart : LISTED.place)
    case LEXICOGRAPHER.group:
      return all(LISTED.group)
    case LEXICOGRAPHER.time:
      return all(LISTED.time)
    default:
      return all(LISTED.other)
  }
}

/**
 * Half of faker's names are listed, by the name itself, whatever split of the made texts it is in: so names in a text to learn from are on the lists as
 * often as those in a text to measure with, and the tagger learns that many a name is on none.
 */
const isListed = (name: string): boolean => createHash('sha256').update(name.toLowerCase()).digest()[1]! % 2 === 0

function markFaker(mark: Mark): void {
  for (const { rawDefinitions } of Object.values(allFakers)) {
    const { person, location } = rawDefinitions
    const half = (value: unknown): readonly string[] => strings(value).filter(isListed)
    for (const city of half(location?.city_name)) {
      const parts = capitalsOf(city)
      for (const part of parts) mark(part, parts.length === 1 ? LISTED.place : LISTED.placePart)
    }
    for (const name of half(person?.first_name)) mark(name, LISTED.given)
    for (const name of half(person?.last_name)) mark(name, LISTED.family)
  }
}

/** What an English word is as it is used most: the lexicographer file of a noun, or its part of speech. Inflected forms are made by rule. */
function ordinaryWords(nouns: readonly Synset[]): ReadonlyMap<string, number> {
  const synsetAt = new Map(nouns.map((synset) => [synset.offset, synset]))
  const met = timesMet()
  const best = new Map<string, { readonly kind: number; readonly weight: number }>()
  const offer = (word: string, kind: number, weight: number): void => {
    if (WORD.test(word) && weight >= 1 && weight > (best.get(word)?.weight ?? 0)) best.set(word, { kind, weight })
  }
  for (const [lemma, offsets] of meanings('noun')) {
    // Not as a name: `john` is seldom the place that it is as well.
    const ordinary = offsets.filter((offset) => synsetAt.get(offset)!.words.includes(lemma))
    if (ordinary.length === 0) continue
    const usual = synsetAt.get(ordinary[0]!)!
    const times = sum(ordinary.map((offset) => met(lemma, 'noun', offset)))
    offer(lemma, usual.lexicographer - FIRST_NOUN, times + 0.5)
    if (times > 0) offer(pluralOf(lemma), usual.lexicographer - FIRST_NOUN, times / 4 + 0.25)
  }
  for (const [speech, kind] of [
    ['verb', VERB],
    ['adj', ADJECTIVE],
    ['adv', ADVERB],
  ] as const)
    for (const [lemma, offsets] of meanings(speech)) {
      const times = sum(offsets.map((offset) => met(lemma, speech, offset)))
      offer(lemma, kind, times + 0.4)
      if (kind !== VERB || times === 0) continue
      const stem = lemma.replace(/e$/u, '')
      offer(`${stem}ed`, kind, times / 4)
      offer(`${stem}ing`, kind, times / 4)
      offer(`${lemma}s`, kind, times / 8)
    }
  return new Map([...best].map(([word, { kind }]) => [word, kind]))
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

function pluralOf(noun: string): string {
  if (/(?:s|x|ch|sh)$/u.test(noun)) return `${noun}es`
  return /[^aeiou]y$/u.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`
}
