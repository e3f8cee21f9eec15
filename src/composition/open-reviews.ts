import { openDatabase } from '#foundation/storage'
import { wrappedRoomKey } from '#governance/approvals'
import { type Oversight, openOversight, type OversightOptions } from '#governance/oversight'
import type { WrappedKeys } from '#trust/keys'
import type { Closers } from './closers.ts'

/** The queue of human reviews, on a database of its own: its writes are synchronous and must never meet an open transaction of another room. */
export async function openReviews(
  path: string,
  closers: Closers,
  options: Omit<OversightOptions, 'database'>,
): Promise<{ readonly reviews: Oversight; readonly wrapped: WrappedKeys }> {
  const database = openDatabase(path)
  closers.push(() => database.close())
  const reviews = await openOversight({ ...options, database })
  closers.push(() => reviews.close())
  return { reviews, wrapped: wrappedRoomKey(database, 'human reviews') }
}
