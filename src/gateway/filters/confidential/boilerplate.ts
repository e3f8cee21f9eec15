import { type Fingerprints, FingerprintTable } from './fingerprint-table.ts'

/** Documents of so many labels share what is nobody's own: standing formulas, terms of business, headers. */
export const BOILERPLATE_DOCUMENTS = 3
/** A document of which less than this would be left is a copy or a version of others, and stays whole. */
const LEAST_LEFT = 0.5

/**
 * Takes out what so many documents or more have in common, for texts that have it tell nothing about any of them (as stop-grams in Schleimer et al. 2003, §5).
 * @param documents 0 for never.
 * @returns the fingerprints of each, in the same order.
 */
export function withoutBoilerplate(all: readonly Fingerprints[], documents: number): readonly Fingerprints[] {
  if (documents === 0 || all.length < documents) return all
  const table = new FingerprintTable(all)
  return all.map((own) => {
    const kept = [...own.high.keys()].filter((i) => !isShared(table, own.high[i]!, own.low[i]!, documents))
    if (kept.length === own.high.length || kept.length < LEAST_LEFT * own.high.length) return own
    return { high: Uint32Array.from(kept, (i) => own.high[i]!), low: Uint32Array.from(kept, (i) => own.low[i]!) }
  })
}

/** A source has each fingerprint once. */
function isShared(table: FingerprintTable, high: number, low: number, documents: number): boolean {
  let place = table.find(high, low)
  for (let found = 1; place >= 0 && found < documents; found++) place = table.next(place)
  return place >= 0
}
