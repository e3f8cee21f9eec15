import { type Clock, systemClock } from '#foundation/core'
import type { Argon2Parameters } from '#foundation/crypto'
import type { Logger } from '#foundation/telemetry'
import type { CoreDumps } from './core-dumps.ts'
import { collectStartUpGarbage } from './start-up-garbage.ts'

/** What a server takes from the process around it; whoever runs one inside another process brings their own. */
export interface Surroundings {
  readonly clock: Clock
  /** The server's own log; made from the configuration unless given. */
  readonly logger?: Logger
  /** Cost of the passphrase for a new keyring; the keyring's own default unless given. */
  readonly kdf?: Argon2Parameters
  readonly environment: NodeJS.ProcessEnv
  /** Ends the start of a server that waits to be unsealed. */
  readonly stop?: AbortSignal
  /** False where policies come and go by the dozen: nothing holds them to their invariants then. */
  readonly holdInvariants?: boolean
  /** What a crash of this process would leave behind; as the kernel says unless given. */
  readonly coreDumps?: CoreDumps
  /** Rows of the starter data set of a first start. */
  readonly starterRows?: number
  /** Called when everything is loaded, before the server says that it is ready. */
  readonly beforeReady?: () => void
}

/** Of a server in a process of its own. */
export const PROCESS: Surroundings = { clock: systemClock, environment: process.env, beforeReady: collectStartUpGarbage }
