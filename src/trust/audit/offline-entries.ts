import { type JsonObject, RedoubtError, type SubjectSealer } from '#foundation/core'
import { parseCheckpoint } from './checkpoint.ts'
import type { PersonalOfEntry } from './contract.ts'
import { parseBodyBundle, parseEntryBundle } from './entry-bundle.ts'
import { parseEntry } from './event-entry.ts'
import { openPersonal } from './personal-fields.ts'
import { CHECKPOINT_PATH, TILE_WIDTH, tilePath, widthAt } from './tile-paths.ts'

interface OfflineLog {
  /** Gives a resource by its tlog-tiles path, or null when it is not there. */
  readonly read: (path: string) => Uint8Array | null
  readonly sealer: Pick<SubjectSealer, 'open'>
}

/** An entry that says something of persons. */
export interface OfflineEntry {
  readonly index: number
  readonly entry: JsonObject
  /** Fields are null where they are not to be opened: the key is destroyed, there is none for whoever asks, or the body is gone. */
  readonly personal: readonly PersonalOfEntry[]
}

/** What keeps the fields of one person closed, and nobody else's. */
const CLOSED: ReadonlySet<RedoubtError['code']> = new Set(['ERR_KEYS_DESTROYED', 'ERR_CRYPTO_NO_KEY'] as const)

/**
 * The entries of a log that say something of persons, opened offline, oldest first. The log is taken as it is: `verifyLog` says whether it is sound.
 * @throws {RedoubtError} `ERR_AUDIT_CORRUPT` for a log that is not well-formed, or a body that is not the one its entry commits to; what `sealer` throws.
 */
export async function* offlineEntries({ read, sealer }: OfflineLog): AsyncGenerator<OfflineEntry> {
  const stored = read(CHECKPOINT_PATH)
  const checkpoint = stored && parseCheckpoint(Buffer.from(stored).toString())
  if (checkpoint === null) throw new RedoubtError('ERR_AUDIT_CORRUPT', 'the log has no checkpoint')
  for (let number = 0; number * TILE_WIDTH < checkpoint.size; number++) {
    const width = widthAt('entries', number, checkpoint.size)
    const bytes = read(tilePath({ kind: 'entries', index: number, width }))
    const entries = bytes && parseEntryBundle(bytes, width)
    if (entries === null) throw new RedoubtError('ERR_AUDIT_CORRUPT', `the entry bundle ${number} is missing or not well-formed`)
    const sealed = read(tilePath({ kind: 'bodies', index: number, width }))
    const bodies = sealed && parseBodyBundle(sealed, width)
    for (const [row, of] of entries.entries()) {
      const entry = parseEntry(of)
      const body = bodies?.[row]
      const bodyOf = (): Uint8Array | null => (body === undefined || body.byteLength === 0 ? null : body)
      const index = number * TILE_WIDTH + row
      const personal = await openPersonal(index, entry, bodyOf, sealer, CLOSED)
      if (entry !== null && personal.length > 0) yield { index, entry, personal }
    }
  }
}
