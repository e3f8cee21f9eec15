import type { AlertSink, AuditSink } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import type { AuditLog } from '#trust/audit'
import type { AuditedKeys, KeyReconciliation, Keyring, KeyRotation, RotationConfig, SealedObjects, WrappedKeys } from '#trust/keys'
import type { Closers } from './closers.ts'

/** Uses of a key that the cache answered are on record within this time. */
const FLUSH_MS = 60_000
/** Between two rounds; a rotation that is asked for begins one at once. */
const ROUND_MS = 3_600_000
/** After a round that stopped, as when an HSM or a KMS was away. */
const RETRY_MS = 60_000

interface RotationParts {
  readonly keyring: Keyring
  readonly audit: AuditSink
  readonly alerts: AlertSink
  readonly reconciliation: KeyReconciliation
  readonly logger: Logger
  /** The folder of the rooms' objects. */
  readonly folder: DurableFolder
  readonly objects: readonly SealedObjects[]
  readonly wrapped: readonly WrappedKeys[]
  readonly pinned: () => Iterable<WrappedKey>
  readonly config: RotationConfig
}

/** The recorded keys of the house, and what holds the provider's count of their uses against the log. */
export function startKeys(
  keyring: Keyring,
  { audit, log, logger }: { readonly audit: AuditSink; readonly log: Pick<AuditLog, 'size' | 'search'>; readonly logger: Logger },
  closers: Closers,
): { keys: AuditedKeys; reconciliation: KeyReconciliation } {
  const reconciliation = keyring.reconciliation({ audit, log })
  const keys = keyring.keys(audit)
  closers.push(() => keys.close())
  const flush = setInterval(
    () => void keys.flush().catch((error: unknown) => logger.error({ err: error }, 'uses of keys could not be recorded')),
    FLUSH_MS,
  )
  flush.unref()
  closers.push(() => clearInterval(flush))
  return { keys, reconciliation }
}

/**
 * After each round but the one at the start, so once an hour and at the end of each rotation that is asked for, the provider's count is held against the log.
 * @returns the rotation, and `begin` for its first round: not before the house stands, so that its start does not wait for it.
 */
export function startRotation(
  { keyring, logger, reconciliation, ...options }: RotationParts,
  closers: Closers,
): { rotation: KeyRotation; begin: () => void } {
  const rounds = keyring.rotation(options)
  let retry: NodeJS.Timeout | undefined
  const round = async (): Promise<void> => {
    await rounds.run()
    try {
      const { agrees, uncounted } = await reconciliation.run()
      for (const { provider, code } of uncounted)
        logger.error({ code, provider }, 'a key provider could not be asked what it did; the next round asks it')
      if (agrees === false) logger.error({ code: 'ERR_KEYS_UNACCOUNTED' }, 'the key provider did more or less than is on record')
    } catch (error) {
      logger.error({ err: error }, 'uses of keys could not be held against the log; the next round does it')
    }
  }
  let running: Promise<void> = Promise.resolve()
  const rotation: KeyRotation = {
    progress: () => rounds.progress(),
    run: () => (running = round()),
    async close() {
      await rounds.close()
      await running
    },
  }
  const tell = (): void => {
    const { error, objects } = rotation.progress()
    if (error !== null) {
      logger.error({ code: error }, 'the rotation of keys stopped; the next round goes on')
      clearTimeout(retry)
      retry = setTimeout(() => void timed(), RETRY_MS).unref()
    } else if (objects.failed > 0) logger.warn({ objects: objects.failed }, 'sealed objects cannot be moved to a new key version')
  }
  const timed = (): Promise<void> => rotation.run().then(tell)
  // Right after the start there is little to hold against each other, and a restart ends the count in any case.
  const first = (): Promise<void> => (running = rounds.run().then(tell))
  const timer = setInterval(() => void timed(), ROUND_MS)
  timer.unref()
  closers.push(async () => {
    clearInterval(timer)
    clearTimeout(retry)
    await rotation.close()
  })
  return { rotation, begin: () => void first() }
}
