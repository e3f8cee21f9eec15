import type { AuditSink, Clock } from '#foundation/core'
import { type DurableFolder, nodeFolder } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import type { ControlPlane } from '#interfaces/api'
import type { AuditedKeys, WrappedKeys } from '#trust/keys'
import type { Closers } from './closers.ts'
import type { Configuration } from './configuration.ts'
import { type Assets, openAssets } from './open-assets.ts'
import { openErasing } from './open-erasures.ts'
import type { Ground } from './open-ground.ts'

interface DataParts extends Pick<Ground, 'directory' | 'database' | 'keyring' | 'filters'> {
  readonly configuration: Configuration
  readonly clock: Clock
  readonly logger: Logger
  readonly keys: AuditedKeys
  readonly audit: AuditSink
}

interface Data extends Assets, Pick<ControlPlane, 'holds' | 'erasures' | 'pseudonym'> {
  /** Where the rooms' sealed objects lie. */
  readonly objectsFolder: DurableFolder
  /** Key of the database of erasures and holds, for whoever moves keys. */
  readonly erasuresKey: WrappedKeys
}

/** Legal holds, then data and models, then erasures: what was interrupted, or what restored data do not know of, is over before anyone reads a row. */
export async function openData(parts: DataParts, closers: Closers): Promise<Data> {
  const { configuration, clock, logger, directory, database, keyring, filters, keys, audit } = parts
  const erasing = await openErasing(directory.at('keys', 'erasures.db'), closers, { keys, audit, clock })
  const objectsPath = directory.at('objects')
  const objectsFolder = nodeFolder(objectsPath)
  const assets = await openAssets(
    {
      database,
      keys,
      holds: erasing.holds,
      audit,
      clock,
      keyring,
      plan: filters.plan,
      profile: configuration.profile,
      objects: objectsFolder,
      objectsPath,
      sought: configuration.confidential,
      logger,
    },
    closers,
  )
  const { datasets, collections, confidential } = assets
  const erasures = await erasing.open({ datasets, collections, confidential, sealer: keyring.sealer, database })
  return { ...assets, ...erasures, objectsFolder, erasuresKey: erasing.wrapped }
}
