import { open } from 'node:fs/promises'
import { Reader } from 'mmdb-lib'
import { RedoubtError } from '#foundation/core'

/** City files of the usual makers have some 130 MB. */
const MAX_BYTES = 256 * 1024 * 1024
const COUNTRY = /^[A-Z]{2}$/

/** The country of an address by the operator's own file. */
export interface Countries {
  /** ISO 3166-1 alpha-2; empty when the file does not tell. Never throws. */
  of(address: string): string
  /** What the file says of itself; null without a file. */
  readonly file: { readonly type: string; readonly builtAt: number } | null
}

export const NO_COUNTRIES: Countries = { of: () => '', file: null }

/**
 * Reads a MaxMind DB file (format 2.0, any maker's) into memory.
 * @throws {RedoubtError} `ERR_CONFIG_INVALID` when it is named and cannot be read as one: a policy that asks for the country would
 *   see an unknown one for everybody.
 */
export async function openCountries(path: string | undefined): Promise<Countries> {
  if (path === undefined) return NO_COUNTRIES
  const bytes = await read(path)
  let reader: Reader<never>
  let file: NonNullable<Countries['file']>
  try {
    reader = new Reader<never>(bytes)
    const { databaseType, buildEpoch, searchTreeSize } = reader.metadata
    file = { type: databaseType.slice(0, 64), builtAt: buildEpoch.getTime() }
    // Not a number when it is missing: then it is not within the file either.
    if (!(searchTreeSize <= bytes.byteLength)) throw new RangeError('the tree is not in the file')
    // A file that is cut off shows it at the first look-up.
    void reader.get('192.0.2.1')
  } catch (cause) {
    throw unreadable(path, 'is not a whole MaxMind DB file', cause)
  }
  return {
    of(address) {
      try {
        return countryIn(reader.get(address))
      } catch {
        return ''
      }
    },
    file,
  }
}

/** Where the address is used, else where it is registered. */
function countryIn(record: unknown): string {
  const { country, registered_country: registered } = (record ?? {}) as Readonly<Record<string, unknown>>
  for (const one of [country, registered]) {
    const code = typeof one === 'string' ? one : (one as { readonly iso_code?: unknown } | undefined)?.iso_code
    if (typeof code === 'string' && COUNTRY.test(code)) return code
  }
  return ''
}

async function read(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r')
    try {
      const { size } = await file.stat()
      if (size > MAX_BYTES) throw unreadable(path, `exceeds ${MAX_BYTES} bytes`)
      return await file.readFile()
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw cause instanceof RedoubtError ? cause : unreadable(path, 'cannot be read', cause)
  }
}

const unreadable = (path: string, why: string, cause?: unknown): RedoubtError =>
  new RedoubtError('ERR_CONFIG_INVALID', `\`conditions.countryFile\`: \`${path}\` ${why}`, { cause })
