import { addressBytes } from './address.ts'

type MmdbValue = string | number | { readonly [name: string]: MmdbValue }

/**
 * Writes a MaxMind DB of format 2.0 with an IPv6 tree and records of 24 bits, for addresses that are single or whole networks.
 * @see https://maxmind.github.io/MaxMind-DB/
 */
export function mmdb(networks: readonly (readonly [address: string, bits: number, record: MmdbValue])[]): Buffer {
  const nodes: [number | null, number | null][] = [[null, null]]
  const data: Buffer[] = []
  const placed: { readonly node: number; readonly side: 0 | 1; readonly offset: number }[] = []
  let size = 0
  for (const [address, bits, record] of networks) {
    const own = addressBytes(address)!
    // IPv4 lies in the last 32 bits under zeros.
    const bytes = own.length === 4 ? Uint8Array.from([...new Uint8Array(12), ...own]) : own
    const depth = own.length === 4 ? bits + 96 : bits
    let node = 0
    for (let at = 0; at < depth - 1; at++) {
      const side = bit(bytes, at)
      let next = nodes[node]![side]
      if (next === null) {
        next = nodes.push([null, null]) - 1
        nodes[node]![side] = next
      }
      node = next
    }
    placed.push({ node, side: bit(bytes, depth - 1), offset: size })
    const encoded = encode(record)
    data.push(encoded)
    size += encoded.length
  }
  const count = nodes.length
  const tree = Buffer.alloc(count * 6)
  nodes.forEach((sides, node) => sides.forEach((next, side) => tree.writeUIntBE(next ?? count, node * 6 + side * 3, 3)))
  for (const { node, side, offset } of placed) tree.writeUIntBE(count + 16 + offset, node * 6 + side * 3, 3)
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_767_225_600,
    database_type: 'Test-Country',
    ip_version: 6,
    node_count: count,
    record_size: 24,
  })
  return Buffer.concat([tree, Buffer.alloc(16), ...data, Buffer.from('abcdef4d61784d696e642e636f6d', 'hex'), metadata])
}

const bit = (bytes: Uint8Array, at: number): 0 | 1 => ((bytes[at >> 3]! >> (7 - (at & 7))) & 1) as 0 | 1

/** Strings and maps are short; numbers are unsigned and of 32 bits. */
function encode(value: MmdbValue): Buffer {
  if (typeof value === 'string') return Buffer.concat([Buffer.of((2 << 5) | value.length), Buffer.from(value)])
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    return Buffer.concat([Buffer.of((6 << 5) | 4), bytes])
  }
  const entries = Object.entries(value)
  return Buffer.concat([Buffer.of((7 << 5) | entries.length), ...entries.flatMap(([name, member]) => [encode(name), encode(member)])])
}
