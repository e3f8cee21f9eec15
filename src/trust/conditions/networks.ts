import { type AddressBytes, type AddressRange, inRange, parseRange } from './address.ts'

/** Ranges of addresses by name; the longest prefix that holds an address names it. */
export class Networks {
  readonly #ranges: readonly { readonly range: AddressRange; readonly name: string }[]

  /** @param ranges CIDR texts by name, checked by the configuration. */
  constructor(ranges: Readonly<Record<string, readonly string[]>>) {
    this.#ranges = Object.entries(ranges)
      .flatMap(([name, texts]) => texts.map((text) => ({ range: parsed(text), name })))
      .sort((left, right) => right.range.bits - left.range.bits)
  }

  /** Empty when no network holds the address. */
  nameOf(bytes: AddressBytes): string {
    for (const { range, name } of this.#ranges) if (inRange(bytes, range)) return name
    return ''
  }
}

function parsed(text: string): AddressRange {
  const range = parseRange(text)
  if (range === null) throw new RangeError(`\`${text}\` is no range of addresses`)
  return range
}
