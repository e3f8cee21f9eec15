import type { KeyObject } from 'node:crypto'
import type { WrappedKey } from '#foundation/crypto'
import type { Database } from '#foundation/storage'
import { type Keys, wrappedKeyOfRoom, type WrappedKeys } from '#trust/keys'
import type { Statements } from './statements.ts'

/** What a room of this floor keeps of itself in its database: its data key, wrapped, and the latest time that it has seen (`ForwardClock`). */
export const ROOM_TABLES = `CREATE TABLE room_key (one INTEGER PRIMARY KEY CHECK (one = 1), wrapped TEXT NOT NULL);
   CREATE TABLE room_time (one INTEGER PRIMARY KEY CHECK (one = 1), seen_at INTEGER NOT NULL);`

/** The room's data key where it is stored, for whoever moves keys. */
export const wrappedRoomKey = ({ raw }: Pick<Database, 'raw'>, name: string): WrappedKeys => wrappedKeyOfRoom(raw, 'room_key', name)

/** The room's data key, made at the first start and unwrapped at each later one; either is recorded. */
export async function roomKey(
  keys: Pick<Keys, 'generateDataKey' | 'unwrap'>,
  statements: Statements,
  room: 'approvals' | 'oversight' | 'erasure',
): Promise<KeyObject> {
  const self = { type: 'System', id: room }
  const use = { principal: self, purpose: room, resource: self }
  const [row] = statements.all<{ readonly wrapped: string }>('SELECT wrapped FROM room_key')
  if (row) return keys.unwrap(JSON.parse(row.wrapped) as WrappedKey, use)
  const { key, wrapped } = await keys.generateDataKey('configuration', room, use)
  statements.run('INSERT INTO room_key (one, wrapped) VALUES (1, ?)', JSON.stringify(wrapped))
  return key
}
