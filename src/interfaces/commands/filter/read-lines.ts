import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { RedoubtError } from '#foundation/core'

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

/**
 * Chunks of text: UTF-8, or UTF-16 where a byte-order mark says so; the mark is left out. What is neither becomes U+FFFD. Never ends inside a surrogate pair.
 * @throws {RedoubtError} `ERR_USAGE` for zero bytes: nothing is found in text whose signs lie between them, and that must not look like nothing to find.
 */
export async function* decoded(input: Readable): AsyncGenerator<string> {
  let decoder: Decoder | null = null
  let begun = Buffer.alloc(0)
  for await (const chunk of input) {
    let bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer)
    if (decoder === null) {
      bytes = begun = Buffer.concat([begun, bytes])
      if (bytes.length < LONGEST_MARK) continue
      decoder = decoderOf(bytes)
    }
    const text = checked(decoder.decode(bytes, { stream: true }))
    if (text !== '') yield text
  }
  const rest = checked(decoder === null ? decoderOf(begun).decode(begun) : decoder.decode())
  if (rest !== '') yield rest
}

const LONGEST_MARK = 2
type Decoder = InstanceType<typeof TextDecoder>

function decoderOf([first, second]: Uint8Array): Decoder {
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le')
  return new TextDecoder(first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8')
}

function checked(text: string): string {
  if (text.includes('\0')) throw new RedoubtError('ERR_USAGE', 'what was read is no text in UTF-8: it holds zero bytes; convert it first')
  return text
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
