import { createHash } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson, parseStrictJson, RedoubtError } from '#foundation/core'
import { type DurableFolder, replaceFile } from '#foundation/storage'
import { SIGNING_KEYS, type SigningKeyName } from '../key-provider.ts'
import { parseKeyRecords } from '../outside/key-records-file.ts'
import { KEY_RECORDS_PATH } from '../outside/key-records.ts'
import { KEYRING_PATH } from '../sealed-file/sealed-file-provider.ts'

export const PLACES_PATH = 'key-providers.json'
const FORMAT = 'redoubt-key-providers-1'
const MAX_FILE_BYTES = 262_144
const MAX_DEPTH = 6
const MAX_KINDS = 16
const MAX_SIGNED_BEFORE = 256
const MAX_LEFT = 64

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const kind = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
const left = z.array(z.strictObject({ what: z.string().min(1).max(128), keys: count })).max(MAX_LEFT)

const contentSchema = z.strictObject({
  format: z.literal(FORMAT),
  current: kind,
  former: z
    .strictObject({
      kind,
      /** Whether its beginning is in the log. */
      recorded: z.boolean(),
      /** Whether a walk over everything found nothing that names a key of it. */
      proved: z.boolean(),
      /** What the last walk found; null before the first. */
      left: left.nullable(),
    })
    .nullable(),
  places: z.array(z.strictObject({ kind, place: kind.or(z.literal('')) })).max(MAX_KINDS),
  signedBefore: z
    .array(
      z.strictObject({
        name: z.enum(Object.keys(SIGNING_KEYS) as [SigningKeyName, ...SigningKeyName[]]),
        keyId: z.string().min(1).max(128),
        version: z.number().int().min(1).max(0x7fff_ffff),
        /** SubjectPublicKeyInfo, base64url. */
        publicKey: z
          .string()
          .min(1)
          .max(1_024)
          .regex(/^[A-Za-z0-9_-]+$/),
      }),
    )
    .max(MAX_SIGNED_BEFORE),
})
const fileSchema = contentSchema.extend({ checksum: z.string().regex(/^[0-9a-f]{64}$/) })

type Content = z.infer<typeof contentSchema>
/** What names keys of the provider that they move away from, and how many. */
export type LeftBehind = NonNullable<NonNullable<Content['former']>['left']>
/** Which provider holds the keys, which one they move away from, where the records of each lie, and public keys that signed before. */
export type ProviderPlaces = Omit<Content, 'format'>
export type FormerPlace = NonNullable<Content['former']>
export type SignedBefore = Content['signedBefore'][number]

/**
 * @returns null where no keys were made yet. Without a file, which only a move writes, the records by themselves say who holds the keys.
 * @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT`.
 */
export function readPlaces(folder: DurableFolder): ProviderPlaces | null {
  const bytes = folder.read(PLACES_PATH)
  if (bytes !== null) return parse(bytes)
  const records = folder.read(KEY_RECORDS_PATH)
  const current = records !== null ? parseKeyRecords(records).provider : folder.exists(KEYRING_PATH) ? 'sealed-file' : null
  return current === null ? null : { current, former: null, places: [{ kind: current, place: '' }], signedBefore: [] }
}

/** Durable when it returns: before it is, nothing of a move has happened. */
export function writePlaces(folder: DurableFolder, { current, former, places, signedBefore }: ProviderPlaces): void {
  const content: Content = { format: FORMAT, current, former, places, signedBefore }
  replaceFile(folder, PLACES_PATH, new TextEncoder().encode(`${canonicalJson({ ...content, checksum: checksumOf(content) })}\n`))
}

/** The subfolder of a kind's records: that in which they lie, or for new ones one where no other kind's are. */
export function placeOf({ places }: Pick<ProviderPlaces, 'places'>, of: string): string {
  const known = places.find((one) => one.kind === of)
  if (known !== undefined) return known.place
  // The sealed file shares no name with the records of key services.
  const taken = places.some((one) => one.place === '' && one.kind !== 'sealed-file')
  return of === 'sealed-file' || !taken ? '' : of
}

function parse(bytes: Uint8Array): ProviderPlaces {
  let file: z.infer<typeof fileSchema>
  try {
    file = fileSchema.parse(parseStrictJson(bytes, { maxBytes: MAX_FILE_BYTES, maxDepth: MAX_DEPTH }))
  } catch (cause) {
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', `the file \`${PLACES_PATH}\` is not in its format`, { cause })
  }
  const { checksum, ...content } = file
  if (checksum !== checksumOf(content))
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', `the file \`${PLACES_PATH}\` does not match its checksum`)
  const { format: _format, ...places } = content
  return places
}

function checksumOf(content: Content): string {
  return createHash('sha256').update(canonicalJson(content)).digest('hex')
}
