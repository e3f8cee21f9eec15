import { hash } from 'node:crypto'

/**
 * SHA-256 (FIPS 180-4) in one shot. By way of a text of 32 units, which costs a third of the buffer of its own that node would allocate outside
 * of the heap for each digest.
 */
export function sha256(bytes: Uint8Array): Buffer {
  return Buffer.from(hash('sha256', bytes, 'binary'), 'latin1')
}

/** As `sha256`, into bytes that are there already. @param at where the 32 bytes begin. */
export function sha256Into(target: Buffer, at: number, bytes: Uint8Array): void {
  target.write(hash('sha256', bytes, 'binary'), at, 'latin1')
}
