import { RedoubtError } from '#foundation/core'
import type { AppendLog } from './append-log.ts'
import { isSignedBy, logVerifierKey, parseCheckpoint } from './checkpoint.ts'
import { CompactRange } from './compact-range.ts'
import type { AuditLogOptions } from './contract.ts'
import { emptyRoot } from './merkle-hash.ts'
import { verifierKeyOf } from './signed-note.ts'
import { publishedNodes } from './tile-reader.ts'

/**
 * A log that is shorter than, or different from, what it once told the outside has been rolled back.
 * @throws {RedoubtError} `ERR_AUDIT_CORRUPT`.
 */
export async function refuseRollback(
  log: AppendLog,
  { outside = [], origin, signer, signedBefore = [] }: Pick<AuditLogOptions, 'outside' | 'origin' | 'signer' | 'signedBefore'>,
): Promise<void> {
  const keys = [logVerifierKey(origin, signer), ...signedBefore.map((publicKey) => verifierKeyOf('Ed25519', origin, publicKey))]
  for (const sink of outside) {
    // A place that cannot be asked is no reason to stop; the next push will tell.
    const text = await sink.latest?.().catch(() => null)
    const seen = text === undefined || text === null ? null : parseCheckpoint(text)
    if (seen === null || !keys.some((key) => isSignedBy(seen, key))) continue
    const behind = seen.size > log.published
    if (behind || !rootAt(log, seen.size).equals(seen.root))
      throw new RedoubtError(
        'ERR_AUDIT_CORRUPT',
        `the log is not the one of which \`${sink.name}\` holds a checkpoint of size ${seen.size}`,
      )
  }
}

function rootAt(log: AppendLog, size: number): Buffer {
  if (size === 0) return Buffer.from(emptyRoot())
  // Peaks of the smaller tree are nodes of the larger one.
  const nodes = publishedNodes(log)
  const range = CompactRange.restore(size, (height) => nodes(height, Math.floor(size / 2 ** height) - 1))
  return Buffer.from(range.root())
}
