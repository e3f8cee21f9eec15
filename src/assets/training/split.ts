import { type Random, shuffle } from './random.ts'

export interface Split {
  readonly fit: Uint32Array
  /** Tells when to stop; empty when there are too few rows. */
  readonly stopping: Uint32Array
  /** Measures the result; takes no part in anything else. */
  readonly heldOut: Uint32Array
}

/** Below this many rows of a class in a part, the part would say nothing. */
const MIN_ROWS_PER_CLASS = 2

/** Random parts with the same share of each label. */
export function splitRows(labels: Uint8Array, shares: { readonly stopping: number; readonly heldOut: number }, random: Random): Split {
  const parts: Record<keyof Split, number[]> = { fit: [], stopping: [], heldOut: [] }
  const classes = [0, 1].map((label) => {
    const rows = Uint32Array.from([...labels.keys()].filter((row) => labels[row] === label))
    shuffle(rows, random)
    return rows
  })
  const enough = (share: number): boolean => classes.every((rows) => Math.floor(rows.length * share) >= MIN_ROWS_PER_CLASS)
  for (const rows of classes) {
    const stopping = enough(shares.stopping) ? Math.floor(rows.length * shares.stopping) : 0
    const heldOut = enough(shares.heldOut) ? Math.floor(rows.length * shares.heldOut) : 0
    rows.forEach((row, i) => parts[i < stopping ? 'stopping' : i < stopping + heldOut ? 'heldOut' : 'fit'].push(row))
  }
  return {
    fit: Uint32Array.from(parts.fit),
    stopping: Uint32Array.from(parts.stopping).sort(),
    heldOut: Uint32Array.from(parts.heldOut).sort(),
  }
}
