import { createHash } from 'node:crypto'
import { deflateSync, inflateSync } from 'node:zlib'
import { RedoubtError } from '#foundation/core'

/**
 * A text model at rest: `RDBTTEXT`, the length of a JSON head (32 bits, little-endian), the head, and the weights as zlib data (RFC 1950).
 * The head holds the model's kind, what is needed to read the weights, where they come from, and their SHA-256.
 */
const MAGIC = 'RDBTTEXT'
const LARGEST_HEAD = 1 << 20

export interface WeightsHead {
  readonly kind: string
  /** Version of the features: weights are of no use to code that counts other things. */
  readonly features: number
  /** Bytes of weights when unpacked. */
  readonly bytes: number
  readonly sha256: string
}

export function packWeights(head: Omit<WeightsHead, 'bytes' | 'sha256'>, weights: Uint8Array): Buffer {
  const full = { ...head, bytes: weights.byteLength, sha256: createHash('sha256').update(weights).digest('hex') }
  const json = Buffer.from(JSON.stringify(full))
  const start = Buffer.alloc(MAGIC.length + 4)
  start.write(MAGIC, 'latin1')
  start.writeUInt32LE(json.byteLength, MAGIC.length)
  return Buffer.concat([start, json, deflateSync(weights, { level: 9 })])
}

/**
 * @param largest most bytes of weights that are unpacked.
 * @throws {RedoubtError} `ERR_USAGE` if it is no such file, of another kind, too large, or not what was written; with `features` in its evidence
 * if it is whole so far and of another version.
 */
export function unpackWeights(
  file: Uint8Array,
  kind: string,
  features: number,
  largest: number,
): { readonly head: WeightsHead & Readonly<Record<string, unknown>>; readonly weights: Uint8Array } {
  const refuse = (why: string, evidence: Readonly<Record<string, number>> = {}): never => {
    throw new RedoubtError('ERR_USAGE', `the model of \`${kind}\` cannot be read: ${why}; train it again with \`redoubt filter train\``, {
      evidence,
    })
  }
  const buffer = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const from = MAGIC.length + 4
  if (buffer.byteLength < from || buffer.toString('latin1', 0, MAGIC.length) !== MAGIC) return refuse('it is no file of weights')
  const size = buffer.readUInt32LE(MAGIC.length)
  if (size > LARGEST_HEAD || from + size > buffer.byteLength) return refuse('its head is cut off')
  let head: WeightsHead & Readonly<Record<string, unknown>>
  try {
    head = JSON.parse(buffer.toString('utf8', from, from + size)) as WeightsHead & Readonly<Record<string, unknown>>
  } catch {
    return refuse('its head is not JSON')
  }
  if (typeof head !== 'object' || head === null) return refuse('its head is no object')
  if (head.kind !== kind) return refuse(`it is one of \`${head.kind}\``)
  if (head.features !== features) {
    const other = Number.isSafeInteger(head.features) ? { features: head.features } : undefined
    return refuse('it counts other features than this version does', other)
  }
  if (!Number.isSafeInteger(head.bytes) || head.bytes < 1 || head.bytes > largest) return refuse('its size is out of bounds')
  let weights: Buffer
  try {
    weights = inflateSync(buffer.subarray(from + size), { maxOutputLength: head.bytes })
  } catch {
    return refuse('its weights cannot be unpacked')
  }
  if (weights.byteLength !== head.bytes || createHash('sha256').update(weights).digest('hex') !== head.sha256)
    return refuse('its weights are not the ones that were written')
  return { head, weights }
}
