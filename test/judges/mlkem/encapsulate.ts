import { createHash } from 'node:crypto'

/**
 * ML-KEM-768 encapsulation with given randomness, written from FIPS 203 (algorithms 4 to 14 and 17), for judging only: slow and not
 * constant in time. The platform draws its own `m`, so published outputs cannot be compared with it directly; they are compared
 * with this, and this with the platform's decapsulation.
 */
const K = 3
const Q = 3329
const N = 256
const [DU, DV] = [10, 4]
/** Enough for the vectors whose matrix is rejected most often. */
const XOF_BYTES = 8192

type Polynomial = number[]

const mod = (x: number): number => ((x % Q) + Q) % Q
const power = (base: number, exponent: number): number => {
  let result = 1
  for (let i = 0; i < exponent; i++) result = (result * base) % Q
  return result
}
const reverse7 = (i: number): number => Number.parseInt(i.toString(2).padStart(7, '0').split('').reverse().join(''), 2)
const ZETAS = Array.from({ length: 128 }, (_, i) => power(17, reverse7(i)))
const GAMMAS = Array.from({ length: 128 }, (_, i) => power(17, 2 * reverse7(i) + 1))

const shake = (name: 'shake128' | 'shake256', outputLength: number, ...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash(name, { outputLength })
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** Algorithm 7. */
function sampleNtt(rho: Uint8Array, j: number, i: number): Polynomial {
  const stream = shake('shake128', XOF_BYTES, rho, Uint8Array.of(j, i))
  const out: Polynomial = []
  for (let at = 0; out.length < N; at += 3) {
    if (at + 3 > stream.length) throw new Error('the sampler ran dry')
    const [a, b, c] = [stream[at]!, stream[at + 1]!, stream[at + 2]!]
    const [d1, d2] = [a + 256 * (b % 16), (b >> 4) + 16 * c]
    if (d1 < Q) out.push(d1)
    if (d2 < Q && out.length < N) out.push(d2)
  }
  return out
}

/** Algorithm 8 with η = 2, over PRF (4.3). */
function sampleNoise(seed: Uint8Array, n: number): Polynomial {
  const bytes = shake('shake256', 128, seed, Uint8Array.of(n))
  const bit = (i: number): number => (bytes[i >> 3]! >> (i & 7)) & 1
  return Array.from({ length: N }, (_, i) => mod(bit(4 * i) + bit(4 * i + 1) - bit(4 * i + 2) - bit(4 * i + 3)))
}

/** Algorithm 9. */
function ntt(f: Polynomial): Polynomial {
  const a = [...f]
  for (let i = 1, length = 128; length >= 2; length /= 2)
    for (let start = 0; start < N; start += 2 * length) {
      const zeta = ZETAS[i++]!
      for (let j = start; j < start + length; j++) {
        const t = (zeta * a[j + length]!) % Q
        a[j + length] = mod(a[j]! - t)
        a[j] = mod(a[j]! + t)
      }
    }
  return a
}

/** Algorithm 10. */
function inverseNtt(f: Polynomial): Polynomial {
  const a = [...f]
  for (let i = 127, length = 2; length <= 128; length *= 2)
    for (let start = 0; start < N; start += 2 * length) {
      const zeta = ZETAS[i--]!
      for (let j = start; j < start + length; j++) {
        const t = a[j]!
        a[j] = mod(t + a[j + length]!)
        a[j + length] = mod(zeta * (a[j + length]! - t))
      }
    }
  return a.map((x) => (x * 3303) % Q)
}

/** Algorithms 11 and 12. */
function multiply(f: Polynomial, g: Polynomial): Polynomial {
  return GAMMAS.flatMap((gamma, i) => {
    const [a0, a1, b0, b1] = [f[2 * i]!, f[2 * i + 1]!, g[2 * i]!, g[2 * i + 1]!]
    return [mod(a0 * b0 + ((a1 * b1) % Q) * gamma), mod(a0 * b1 + a1 * b0)]
  })
}

const add = (...terms: readonly Polynomial[]): Polynomial =>
  Array.from({ length: N }, (_, i) => mod(terms.reduce((sum, term) => sum + term[i]!, 0)))

/** Algorithm 6. */
function decode(bytes: Uint8Array, d: number): Polynomial {
  return Array.from({ length: N }, (_, i) => {
    let value = 0
    for (let b = 0; b < d; b++) value += ((bytes[(i * d + b) >> 3]! >> ((i * d + b) & 7)) & 1) << b
    return value
  })
}

/** Algorithm 5 after Compress (4.7). */
function compressed(f: Polynomial, d: number): Uint8Array {
  const out = new Uint8Array(32 * d)
  f.forEach((x, i) => {
    const value = Math.round((2 ** d / Q) * x) % 2 ** d
    for (let b = 0; b < d; b++) out[(i * d + b) >> 3]! |= ((value >> b) & 1) << ((i * d + b) & 7)
  })
  return out
}

/** Algorithm 17. @param ek 1184 bytes. @param m 32 bytes. */
export function encapsulateWith(ek: Uint8Array, m: Uint8Array): { readonly sharedKey: Buffer; readonly ciphertext: Buffer } {
  const h = createHash('sha3-256').update(ek).digest()
  const g = createHash('sha3-512').update(m).update(h).digest()
  const r = g.subarray(32)
  const t = Array.from({ length: K }, (_, i) => decode(ek.subarray(384 * i, 384 * (i + 1)), 12))
  const rho = ek.subarray(384 * K)
  const y = Array.from({ length: K }, (_, i) => ntt(sampleNoise(r, i)))
  const parts: Uint8Array[] = []
  for (let i = 0; i < K; i++) {
    // Row i of the transposed matrix.
    const product = add(...y.map((yj, j) => multiply(sampleNtt(rho, i, j), yj)))
    parts.push(compressed(add(inverseNtt(product), sampleNoise(r, K + i)), DU))
  }
  const mu = decode(m, 1).map((bit) => bit * 1665)
  const v = add(inverseNtt(add(...y.map((yj, j) => multiply(t[j]!, yj)))), sampleNoise(r, 2 * K), mu)
  parts.push(compressed(v, DV))
  return { sharedKey: g.subarray(0, 32), ciphertext: Buffer.concat(parts) }
}
