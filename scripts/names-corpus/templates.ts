import { de } from './templates-de.ts'
import { en } from './templates-en.ts'
import { es } from './templates-es.ts'
import { fr } from './templates-fr.ts'
import { it } from './templates-it.ts'
import { nl } from './templates-nl.ts'

export const GENRES = ['chat', 'clinical', 'banking', 'prose', 'plain'] as const
/** `plain` has no names: capitals, forms and German nouns that are none. */
export type Genre = (typeof GENRES)[number]
/** `{PER}`, `{CITY}` and so on are filled by `fillers.ts`. */
export type Templates = Readonly<Record<Genre, readonly string[]>>

export const TEMPLATES = { en, de, fr, es, it, nl } as const satisfies Readonly<Record<string, Templates>>
export type Language = keyof typeof TEMPLATES
