import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'

/** A longer line is refused: it would have to be held as a whole. */
export const MAX_LINE_BYTES = 10 * 1024 * 1024

export interface Line {
  readonly text: string
  /** 1 for the first. */
  readonly number: number
  /** It was longer than `MAX_LINE_BYTES`; `text` is empty. */
  readonly tooLong: boolean
}

/** Standard input for `-`. */
export function openInput(file: string, stdin: Readable = process.stdin): Readable {
  return file === '-' ? stdin : createReadStream(file)
}

/** Chunks of text; what is no UTF-8 becomes U+FFFD, a byte-order mark at the start is left out. Never ends inside a surrogate pair. */
export async function* decoded(input: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  for await (const chunk of input) {
    const text = decoder.decode(typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer), { stream: true })
    if (text !== '') yield text
  }
  const rest = decoder.decode()
  if (rest !== '') yield rest
}

/** Lines without their ends (LF or CR LF); memory is bounded by the longest line that is allowed. */
export async function* lines(input: Readable): AsyncGenerator<Line> {
  let parts: string[] = []
  let units = 0
  let number = 0
  let pending = false
  const line = (): Line => {
    number++
    const tooLong = units > MAX_LINE_BYTES
    const text = tooLong ? '' : parts.join('').replace(/\r$/u, '')
    parts = []
    units = 0
    pending = false
    return { text, number, tooLong }
  }
  for await (const text of decoded(input)) {
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      add(text.slice(from, end))
      yield line()
      from = end + 1
    }
    if (from < text.length) add(text.slice(from))
  }
  if (pending) yield line()

  function add(part: string): void {
    pending = true
    units += part.length
    if (units > MAX_LINE_BYTES) parts = []
    else parts.push(part)
  }
}
