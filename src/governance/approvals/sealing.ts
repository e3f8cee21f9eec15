import type { KeyObject } from 'node:crypto'
import { canonicalJson, parseStrictJson } from '#foundation/core'
import { openBytes, sealBytes } from '#foundation/crypto'
import type { Keys } from '#trust/keys'
import { roomKey } from './own-room.ts'
import type { Statements } from './statements.ts'

/** Payloads and what people write may name anyone: they lie on the disk sealed. */
export interface Sealing {
  seal(value: unknown, context: string): Uint8Array
  /** @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION` for anything that was not sealed here under this context. */
  open(sealed: Uint8Array, context: string): unknown
}

/** Larger than any payload that is taken, by far. */
const BOUNDS = { maxBytes: 2 * 1024 * 1024, maxDepth: 40 }

/** The room's key is kept while the room is open: it seals a few thousand values a year, far below the bound of `sealBytes`. */
export async function openSealing(keys: Pick<Keys, 'generateDataKey' | 'unwrap'>, statements: Statements): Promise<Sealing> {
  return sealingWith(await roomKey(keys, statements, 'approvals'))
}

export function sealingWith(key: KeyObject): Sealing {
  const aad = (context: string): Uint8Array => Buffer.from(`redoubt approvals 1 ${context}`)
  return {
    seal: (value, context) => sealBytes(key, aad(context), Buffer.from(canonicalJson(value))),
    open: (sealed, context) => parseStrictJson(openBytes(key, aad(context), sealed), BOUNDS),
  }
}
