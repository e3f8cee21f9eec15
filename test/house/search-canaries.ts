/** Finds planted values in files, however they are encoded there. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** One way in which bytes may stand in a file. Where the surroundings change the border characters, these are left out. */
export interface Encoding {
  readonly name: string
  encode(value: Buffer): Buffer
}

const base64At = (alignment: 0 | 1 | 2, variant: 'base64' | 'base64url'): Encoding => ({
  name: `${variant}, alignment ${alignment}`,
  encode(value) {
    // Characters that hold bits of neighbours say nothing about the value.
    const text = Buffer.concat([Buffer.alloc(alignment), value])
      .toString(variant)
      .replaceAll('=', '')
    const from = alignment === 0 ? 0 : alignment + 1
    const whole = Math.floor(((alignment + value.byteLength) * 8) / 6)
    return Buffer.from(text.slice(from, whole), 'latin1')
  },
})

/** UTF-16 is meant for text; raw bytes are searched in the other forms. */
export const ENCODINGS: readonly Encoding[] = [
  { name: 'as it is', encode: (value) => value },
  { name: 'UTF-16LE', encode: (value) => Buffer.from(value.toString('utf8'), 'utf16le') },
  { name: 'UTF-16BE', encode: (value) => Buffer.from(value.toString('utf8'), 'utf16le').swap16() },
  { name: 'hex', encode: (value) => Buffer.from(value.toString('hex')) },
  { name: 'HEX', encode: (value) => Buffer.from(value.toString('hex').toUpperCase()) },
  ...([0, 1, 2] as const).flatMap((alignment) => [base64At(alignment, 'base64'), base64At(alignment, 'base64url')]),
]

export interface Canary {
  readonly name: string
  readonly value: Buffer
}

export interface Sighting {
  readonly canary: string
  readonly encoding: string
  readonly file: string
}

export function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
}

/** Null for a file that a running server removed meanwhile, as it does with tiles that have grown. */
function contentOf(file: string): Buffer | null {
  try {
    return readFileSync(file)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw thrown
  }
}

/** Every place of every canary in the files, in each encoding. */
export function searchFiles(files: readonly string[], canaries: readonly Canary[]): readonly Sighting[] {
  const needles = canaries.flatMap((canary) =>
    ENCODINGS.map((encoding) => ({ canary: canary.name, encoding: encoding.name, bytes: encoding.encode(canary.value) })),
  )
  for (const { canary, encoding, bytes } of needles)
    if (bytes.byteLength < 8) throw new Error(`the canary \`${canary}\` is too short to search for (${encoding})`)
  return files.flatMap((file) => {
    const content = contentOf(file)
    if (content === null) return []
    return needles.filter(({ bytes }) => content.includes(bytes)).map(({ canary, encoding }) => ({ canary, encoding, file }))
  })
}
