import { timingSafeEqual } from 'node:crypto'

/** Compares in time that depends on the lengths only; lengths are taken to be public. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b)
}
