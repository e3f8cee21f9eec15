/** No layout goes on so. */
export const NO_NODE = 0
const ROOT = 1
const DIGIT = 1
const LETTER = 2
/** Digit, letter, and the signs between groups. */
const WIDTH = 16
const NOTHING: readonly never[] = []

/**
 * Layouts as a tree, walked unit by unit over the text: it ends where no layout goes on, and no string is made on the way.
 * A layout is written with `9` for a digit, `A` for a letter, and signs for themselves.
 */
export class LayoutTree<Row> {
  readonly root = ROOT
  /** By ASCII unit, its column; 0 for units of no layout. */
  readonly #columns = new Uint8Array(128)
  #signs = LETTER
  #next = new Uint16Array(WIDTH * 1024)
  readonly #rows: Row[][] = [[], []]
  /** By node, whether layouts end there. */
  #ends = new Uint8Array(1024)

  constructor() {
    for (let unit = 0; unit < 128; unit++) {
      const sign = String.fromCharCode(unit)
      this.#columns[unit] = /\d/u.test(sign) ? DIGIT : /[a-z]/iu.test(sign) ? LETTER : 0
    }
  }

  /** @throws {RangeError} for a sign that is one too many. */
  add(layout: string, row: Row): void {
    let node = ROOT
    for (let i = 0; i < layout.length; i++) {
      const at = node * WIDTH + this.#column(layout.charCodeAt(i))
      node = this.#next[at]!
      if (node !== NO_NODE) continue
      node = this.#grow()
      this.#next[at] = node
    }
    this.#rows[node]!.push(row)
    this.#ends[node] = 1
  }

  /** @returns the node behind `unit`, `NO_NODE` where no layout goes on with it. */
  step(node: number, unit: number): number {
    return unit < 128 ? this.#next[node * WIDTH + this.#columns[unit]!]! : NO_NODE
  }

  /** As `step` for the units from `from` to before `to`, as far as layouts go on. */
  walk(node: number, units: Uint16Array, from: number, to: number): number {
    const next = this.#next
    const columns = this.#columns
    let at = node
    for (let i = from; i < to && at !== NO_NODE; i++) {
      const unit = units[i]!
      at = unit < 128 ? next[at * WIDTH + columns[unit]!]! : NO_NODE
    }
    return at
  }

  /** Of the layouts that end at `node`, in the order in which they were added. */
  rowsAt(node: number): readonly Row[] {
    return node === NO_NODE ? NOTHING : this.#rows[node]!
  }

  hasRowsAt(node: number): boolean {
    return this.#ends[node] === 1
  }

  #column(unit: number): number {
    const known = this.#columns[unit]!
    if (known !== 0) return known
    if (++this.#signs === WIDTH) throw new RangeError(`more than ${WIDTH - 1 - LETTER} signs between the groups of layouts`)
    return (this.#columns[unit] = this.#signs)
  }

  #grow(): number {
    const node = this.#rows.length
    this.#rows.push([])
    if (this.#rows.length * WIDTH > this.#next.length) {
      const larger = new Uint16Array(this.#next.length * 2)
      larger.set(this.#next)
      this.#next = larger
      const ends = new Uint8Array(this.#ends.length * 2)
      ends.set(this.#ends)
      this.#ends = ends
    }
    return node
  }
}
