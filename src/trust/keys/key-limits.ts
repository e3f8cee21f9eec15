/** When a key-encryption key version must be replaced. Counts are of wraps, each with a random 96-bit IV. */
export interface KeyLimits {
  /** Rotation is due from here. */
  readonly rotateAt: number
  /** An alert is raised from here: rotation was due long ago and did not happen. */
  readonly warnAt: number
  /** No further wrap from here (NIST SP 800-38D §8.3: at most 2^32 with random IVs). */
  readonly refuseAt: number
  /** Uses are written down ahead in blocks of this many, so a crash never counts too few. */
  readonly block: number
  /** Rotation is due at this age. */
  readonly rotateAfterMs: number
}

const DAY_MS = 86_400_000

export const KEY_LIMITS: KeyLimits = { rotateAt: 2 ** 30, warnAt: 2 ** 31, refuseAt: 2 ** 32, block: 65_536, rotateAfterMs: 90 * DAY_MS }
