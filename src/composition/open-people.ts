import type { Clock } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { Exceptions } from '#governance/approvals'
import type { Oversight } from '#governance/oversight'
import { approversOf, independenceOf, reviewedAccounts } from '#interfaces/api'
import { type Identity, openIdentity } from '#trust/identity'
import type { WrappedKeys } from '#trust/keys'
import type { Closers } from './closers.ts'
import type { Configuration } from './configuration.ts'
import type { Ground } from './open-ground.ts'
import type { Recorded } from './open-record.ts'
import { openReviews } from './open-reviews.ts'
import { startExceptions } from './start-exceptions.ts'

interface PeopleParts
  extends Pick<Ground, 'directory' | 'database' | 'keyring' | 'policies'>, Pick<Recorded, 'audit' | 'alerts' | 'keys' | 'log'> {
  readonly configuration: Configuration
  readonly clock: Clock
  readonly logger: Logger
  readonly issuer: string
}

interface People {
  readonly identity: Identity
  readonly exceptions: Exceptions
  readonly reviews: Oversight
  /** Keys of the rooms' databases, for whoever moves keys. */
  readonly exceptionsKey: WrappedKeys
  readonly reviewsKey: WrappedKeys
}

/** Who acts, who lets them act otherwise than policies say, and who looks at what models answered. */
export async function openPeople(parts: PeopleParts, closers: Closers): Promise<People> {
  const { configuration, clock, logger, issuer, directory, database, keyring, policies, audit, alerts, keys, log } = parts
  const { profile } = configuration
  const { sealer } = keyring
  const identity = await openIdentity({
    database,
    keys,
    audit,
    clock,
    issuer,
    secretsDir: configuration.secretsDir,
    profile,
    logger,
    sealer,
    alerts,
    config: configuration.identity,
  })
  closers.push(() => identity.close())
  const independence = independenceOf(identity, log, profile)
  const common = { keys, audit, alerts, clock, logger }
  const excepting = {
    ...common,
    config: configuration.approvals,
    approvers: approversOf({ identity, policies, profile }, independence),
    accounts: reviewedAccounts(identity),
  }
  const { exceptions, wrapped: exceptionsKey } = await startExceptions(directory.at('approvals.db'), closers, excepting)
  const reviewing = { ...common, sealer, config: configuration.review, independence }
  const { reviews, wrapped: reviewsKey } = await openReviews(directory.at('oversight.db'), closers, reviewing)
  return { identity, exceptions, reviews, exceptionsKey, reviewsKey }
}
