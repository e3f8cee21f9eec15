import { languageOf, TEMPLATES, type Split } from './templates.ts'
import { PLAIN, type Random, random, VALUES } from './values.ts'

export interface PlantedSpan {
  readonly start: number
  readonly end: number
  readonly entity: string
}

export interface PlantedDocument {
  /** ISO 639-1. */
  readonly language: string
  readonly text: string
  readonly spans: readonly PlantedSpan[]
}

/** @param each documents of each template. */
export function plantedDocuments(split: Split, seed: number, each: number): readonly PlantedDocument[] {
  const next = random(seed)
  return TEMPLATES[split].flatMap((template) => Array.from({ length: each }, () => plant(template, next)))
}

function plant(template: string, next: Random): PlantedDocument {
  const spans: PlantedSpan[] = []
  let text = ''
  let at = 0
  for (const { 0: place, 1: name, index } of template.matchAll(/\{(\w+)\}/gu)) {
    text += template.slice(at, index)
    const entity = name!
    at = index + place.length
    const value = (VALUES[entity] ?? PLAIN[entity])!(next)
    if (entity in VALUES) spans.push({ start: text.length, end: text.length + value.length, entity })
    text += value
  }
  return { language: languageOf(template), text: text + template.slice(at), spans }
}
