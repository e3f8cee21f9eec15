import type { KeyObject } from 'node:crypto'
import { canonicalJson, type EntityUid, parseStrictJson } from '#foundation/core'
import { openBytes, sealBytes, type WrappedKey } from '#foundation/crypto'
import type { Keys } from '#trust/keys'
import type { Statements } from './statements.ts'

/** Payloads and what people write may name anyone: they lie on the disk sealed. */
export interface Sealing {
  seal(value: unknown, context: string): Uint8Array
  /** @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION` for anything that was not sealed here under this context. */
  open(sealed: Uint8Array, context: string): unknown
}

const RESOURCE = 'approvals'
const SELF: EntityUid = { type: 'System', id: 'approvals' }
/** Larger than any payload that is taken, by far. */
const BOUNDS = { maxBytes: 2 * 1024 * 1024, maxDepth: 40 }

/**
 * The room's data key, made at the first start and unwrapped at each later one; either is recorded. Kept while the room is open: it
 * seals a few thousand values a year, far below the bound of `sealBytes`.
 */
export async function openSealing(keys: Pick<Keys, 'generateDataKey' | 'unwrap'>, statements: Statements): Promise<Sealing> {
  const use = { principal: SELF, purpose: 'approvals', resource: SELF }
  const [row] = statements.all<{ readonly wrapped: string }>('SELECT wrapped FROM room_key')
  if (row) return sealingWith(await keys.unwrap(JSON.parse(row.wrapped) as WrappedKey, use))
  const { key, wrapped } = await keys.generateDataKey('configuration', RESOURCE, use)
  statements.run('INSERT INTO room_key (one, wrapped) VALUES (1, ?)', JSON.stringify(wrapped))
  return sealingWith(key)
}

export function sealingWith(key: KeyObject): Sealing {
  const aad = (context: string): Uint8Array => Buffer.from(`redoubt approvals 1 ${context}`)
  return {
    seal: (value, context) => sealBytes(key, aad(context), Buffer.from(canonicalJson(value))),
    open: (sealed, context) => parseStrictJson(openBytes(key, aad(context), sealed), BOUNDS),
  }
}
