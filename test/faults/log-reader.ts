import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A reader of C2SP tlog-tiles that shares no code with the log: a checkpoint that our own code mistakes for consistent is not
 * mistaken here too. Quadratic nowhere, and no faster than it has to be.
 */
export interface StoredLog {
  readonly size: number
  readonly entries: readonly Buffer[]
}

const TILE = 256

export function parseNote(note: string): { readonly size: number; readonly root: string } {
  const [, size, root] = note.split('\n')
  return { size: Number(size), root: root ?? '' }
}

function tilePath(kind: string, index: number, width: number): string {
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0')
  const groups = digits.match(/\d{3}/g) ?? []
  const name = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/')
  return `tile/${kind}/${name}${width === TILE ? '' : `.p/${width}`}`
}

/** All entries under the checkpoint that lies in the folder. */
export function readStoredLog(folder: string): StoredLog {
  const { size } = parseNote(readFileSync(join(folder, 'checkpoint'), 'utf8'))
  const entries: Buffer[] = []
  for (let number = 0; number * TILE < size; number++) {
    const width = Math.min(TILE, size - number * TILE)
    const path = join(folder, tilePath('entries', number, width))
    if (!existsSync(path)) throw new Error(`the bundle ${path} is missing`)
    const bundle = readFileSync(path)
    let at = 0
    for (let i = 0; i < width; i++) {
      const length = bundle.readUInt16BE(at)
      entries.push(bundle.subarray(at + 2, at + 2 + length))
      at += 2 + length
    }
    if (at !== bundle.byteLength) throw new Error(`the bundle ${path} has bytes that belong to no entry`)
  }
  return { size, entries }
}

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** RFC 6962 §2.1 roots of the trees over the first `size` entries, for each size asked. */
export function rootsAt(entries: readonly Buffer[], sizes: ReadonlySet<number>): ReadonlyMap<number, string> {
  const roots = new Map<number, string>()
  const stack: { readonly height: number; readonly hash: Buffer }[] = []
  const note = (size: number): void => {
    if (!sizes.has(size)) return
    const root = stack.reduceRight<Buffer | null>((right, { hash }) => (right ? sha256(Buffer.of(1), hash, right) : hash), null)
    roots.set(size, (root ?? sha256()).toString('base64'))
  }
  note(0)
  entries.forEach((entry, i) => {
    let node = { height: 0, hash: sha256(Buffer.of(0), entry) }
    while (stack.at(-1)?.height === node.height)
      node = { height: node.height + 1, hash: sha256(Buffer.of(1), stack.pop()!.hash, node.hash) }
    stack.push(node)
    note(i + 1)
  })
  return roots
}
