import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RedoubtError } from '#foundation/core'
import { SERVER_FILE } from '../place.ts'

/** What was erased is readable for as long as a key backup from before lives. */
const DEFAULT_KEEP_DAYS = 7
/** A backup that ends sooner is none. */
const MIN_KEEP_DAYS = 1

/** For how long key backups are kept, and what bounds it. */
export interface KeyRetention {
  /** 1 to 90 days. */
  readonly keepKeysDays: number
  /** `keys.rotation.graceDays` of the server that served here last; null where none told. */
  readonly graceDays: number | null
  /** Whether a key version may be destroyed while a backup that needs it is kept still. */
  readonly outlivesGrace: boolean
}

/**
 * A version that is destroyed is gone for a key backup where a key service held it, and comes back with it where a sealed file did: so key
 * backups are kept for no longer than the grace. @param asked null for what is usual.
 * @throws {RedoubtError} `ERR_USAGE` when longer is asked for.
 */
export function keyRetention(dataDir: string, asked: number | null): KeyRetention {
  const graceDays = graceDaysOf(dataDir)
  if (asked !== null && graceDays !== null && asked > Math.max(MIN_KEEP_DAYS, graceDays))
    throw new RedoubtError(
      'ERR_USAGE',
      `key backups of ${asked} days outlive \`keys.rotation.graceDays\` (${graceDays}): a key version that is destroyed meanwhile opens nothing any more where a key service holds it, and comes back with the backup where a sealed file does; keep them for ${Math.max(MIN_KEEP_DAYS, graceDays)} days at most, or raise the grace and restart`,
    )
  const keepKeysDays = asked ?? Math.max(MIN_KEEP_DAYS, Math.min(DEFAULT_KEEP_DAYS, graceDays ?? DEFAULT_KEEP_DAYS))
  return { keepKeysDays, graceDays, outlivesGrace: graceDays !== null && keepKeysDays > graceDays }
}

function graceDaysOf(dataDir: string): number | null {
  const path = join(dataDir, SERVER_FILE)
  if (!existsSync(path)) return null
  try {
    const { graceDays } = JSON.parse(readFileSync(path, 'utf8')) as { readonly graceDays?: unknown }
    return typeof graceDays === 'number' && Number.isInteger(graceDays) && graceDays >= 0 ? graceDays : null
  } catch {
    return null
  }
}
