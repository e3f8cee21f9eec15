import { openDatabase } from '#foundation/storage'
import { type Exceptions, openExceptions, wrappedRoomKey } from '#governance/approvals'
import type { WrappedKeys } from '#trust/keys'
import type { Closers } from './closers.ts'

/** Approvals, break-glass and access reviews, on a database of their own. */
export async function startExceptions(
  path: string,
  closers: Closers,
  options: Omit<Parameters<typeof openExceptions>[0], 'database'>,
): Promise<{ readonly exceptions: Exceptions; readonly wrapped: WrappedKeys }> {
  const database = openDatabase(path)
  closers.push(() => database.close())
  const exceptions = await openExceptions({ ...options, database })
  closers.push(() => exceptions.close())
  return { exceptions, wrapped: wrappedRoomKey(database, 'approvals') }
}
