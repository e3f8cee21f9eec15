import { RedoubtError } from '#foundation/core'

/** Entries of one kind that a message may repeat, and of all fields inside its tensors but for values: a model has no more. */
const MAX_ENTRIES = 10_000
/** `parameters`, `inputs`, `outputs` and `raw_input_contents` of `ModelInferRequest`. */
const REPEATED: ReadonlySet<number> = new Set([4, 5, 6, 7])
const INPUTS = 5
const VARINT = 0
const FIXED_64 = 1
const LENGTH = 2
const FIXED_32 = 5

/**
 * Counts what a message repeats before anything is made of it: two bytes on the wire become an object with all its members.
 * @throws {RedoubtError} `ERR_INPUT_MALFORMED` for bytes that are no message, `ERR_INPUT_INVALID` for ones that repeat too much.
 */
export function demandFewEntries(bytes: Uint8Array): void {
  const counts = new Map<number, number>()
  let inside = 0
  const count = (field: number): void => {
    const sum = (counts.get(field) ?? 0) + 1
    counts.set(field, sum)
    if (sum > MAX_ENTRIES) throw tooMany()
  }
  fields(bytes, 0, bytes.length, (field, start, end) => {
    if (REPEATED.has(field)) count(field)
    if (field === INPUTS)
      fields(bytes, start, end, () => {
        if (++inside > MAX_ENTRIES) throw tooMany()
      })
  })
}

function fields(bytes: Uint8Array, from: number, to: number, each: (field: number, start: number, end: number) => void): void {
  let at = from
  const varint = (): number => {
    let value = 0
    for (let factor = 1; at < to && factor < 2 ** 63; factor *= 128) {
      const byte = bytes[at++]!
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    throw malformed()
  }
  while (at < to) {
    const tag = varint()
    const type = tag % 8
    let start = at
    if (type === VARINT) varint()
    else if (type === FIXED_64) at += 8
    else if (type === FIXED_32) at += 4
    else if (type === LENGTH) {
      const length = varint()
      start = at
      at += length
    } else throw malformed()
    if (at > to) throw malformed()
    each(Math.floor(tag / 8), start, at)
  }
}

const tooMany = (): RedoubtError => new RedoubtError('ERR_INPUT_INVALID', `the message repeats something more than ${MAX_ENTRIES} times`)
const malformed = (): RedoubtError => new RedoubtError('ERR_INPUT_MALFORMED', 'the message is not a ModelInferRequest')
