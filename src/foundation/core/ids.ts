import { randomFillSync } from 'node:crypto'

const POOL_BYTES = 4096
const pool = Buffer.alloc(POOL_BYTES)
let used = POOL_BYTES

/** @returns `prefix_` and 128 random bits in base64url (22 characters); unguessable and safe in a path. */
export function newId(prefix: string): string {
  if (used + 16 > POOL_BYTES) {
    randomFillSync(pool)
    used = 0
  }
  const id = pool.toString('base64url', used, used + 16)
  pool.fill(0, used, used + 16)
  used += 16
  return `${prefix}_${id}`
}
