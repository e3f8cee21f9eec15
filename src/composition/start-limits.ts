import type { Clock } from '#foundation/core'
import { openDatabase } from '#foundation/storage'
import { type Limits, openLimits } from '#gateway/limits'
import type { Closers } from './closers.ts'

/** A database of its own: its writes are synchronous and must never meet an open transaction of another room. */
export function startLimits(path: string, clock: Clock, closers: Closers): Limits {
  const database = openDatabase(path)
  closers.push(() => database.close())
  const limits = openLimits({ database, clock })
  closers.push(() => limits.close())
  return limits
}
