import { type Random, seededRandom } from '../text/random.ts'
import type { Example } from './examples.ts'

const LISTS = {
  who: ['the supervisory board', 'our counsel', 'the steering group', 'the bidder', 'the finance director', 'the seller'],
  did: ['approved', 'rejected', 'postponed', 'renegotiated', 'signed off', 'questioned'],
  deal: ['the acquisition', 'the carve-out', 'the earn-out clause', 'the exclusivity period', 'the price cap', 'the vendor loan'],
  firm: ['Halvorsen Marine', 'Borealis Freight', 'Quentin Foods', 'Ardal Mining', 'Lumen Optics', 'Tarn Textiles'],
  when: ['before the second quarter', 'in the closed session', 'until the audit is over', 'this spring', 'after the holidays', 'by Friday'],
  thing: ['the museum', 'the new bicycle lane', 'the summer concert', 'the library', 'the weather station', 'the harbour walk'],
  does: ['opens', 'welcomes visitors', 'was repaired', 'is closed', 'shows old maps', 'has longer hours'],
  people: ['children', 'volunteers', 'neighbours', 'tourists', 'gardeners', 'students'],
} as const
const SECRET = [
  '{who} {did} {deal} of {firm} {when}, and nobody outside may learn of it.',
  'For {firm} {who} would pay {n} million if {deal} holds {when}.',
  'Due diligence at {firm} found {n} leases that {who} {did} {when}.',
  'Should {deal} fail, {who} walks away from {firm} and the {n} million are lost.',
]
const OPEN = [
  '{thing} {does} {when}, and {people} may come for free with their families.',
  'More than {n} {people} were there when {thing} was shown to the town.',
  'If it rains {when}, {thing} {does} all the same, the mayor told {people}.',
  'Ask the {people} at the door for one of {n} maps that lead around {thing}.',
]
/** What both kinds say. */
const COMMON = [
  'Please tell me {when} whether the {n} pages reached you in good order.',
  'The meeting was moved to room {n}, since the lift is being repaired {when}.',
]

function sentence(templates: readonly string[], random: Random): string {
  const filled = random
    .pick(templates)
    .replaceAll(/\{(?<list>\w+)\}/gu, (_, list: string) =>
      list === 'n' ? String(10 + random.below(900)) : random.pick(LISTS[list as keyof typeof LISTS]),
    )
  return filled[0]!.toUpperCase() + filled.slice(1)
}

/** An invented document of eight to fourteen sentences, a tenth of which the other kind has too. */
export function madeDocument(label: 0 | 1, random: Random): string {
  return Array.from({ length: 8 + random.below(7) }, () =>
    sentence(random.next() < 0.1 ? COMMON : label === 1 ? SECRET : OPEN, random),
  ).join(' ')
}

/** As many documents of either kind. */
export function madeExamples(documents: number, seed: number): readonly Example[] {
  const random = seededRandom(seed)
  return Array.from({ length: 2 * documents }, (_, i) => ({ text: madeDocument(i % 2 === 0 ? 1 : 0, random), label: i % 2 === 0 ? 1 : 0 }))
}
