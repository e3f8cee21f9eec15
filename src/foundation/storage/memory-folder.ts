import { setImmediate as turn } from 'node:timers/promises'
import { RedoubtError } from '#foundation/core'
import type { DurableFile, LinkingFolder } from './durable-folder.ts'

/** What may go wrong at one call, decided by the caller's seeded generator. */
export type Fault = 'none' | 'lost' | 'done-but-reported-lost' | 'disk-full'

export interface MemoryFolderOptions {
  /** Asked before each mutating call (`writeAt`, `writeBeside`, `truncate`, `datasync`, `rename`, `link`, `remove`, `syncFolder`, `makeFolder`, create). */
  readonly fault?: (call: string, path: string) => Fault
}

interface Node {
  /** Content seen by the running process. */
  live: Uint8Array
  /** Content that a power cut is sure to keep. */
  durable: Uint8Array
  /** Writes since the last datasync, in order. */
  pending: { readonly position: number; readonly bytes: Uint8Array | null; readonly size: number }[]
}

interface NameChange {
  readonly path: string
  readonly node: Node | null
}

/**
 * A folder in memory that behaves as the port promises and no better: what was not synced may be lost, torn or reordered.
 * `powerCut(random)` gives the folder a machine would find after it; the old one is dead.
 */
export class MemoryFolder implements LinkingFolder {
  #live = new Map<string, Node>()
  #durable = new Map<string, Node>()
  #changes: NameChange[] = []
  #dead = false
  readonly #fault: (call: string, path: string) => Fault

  constructor(options: MemoryFolderOptions = {}) {
    this.#fault = options.fault ?? (() => 'none')
  }

  open(path: string, options?: { readonly create?: boolean }): DurableFile | null {
    this.#alive()
    let node = this.#live.get(path)
    if (!node) {
      if (!options?.create) return null
      const created: Node = { live: new Uint8Array(), durable: new Uint8Array(), pending: [] }
      this.#mutate('create', path, () => this.#name(path, created))
      node = created
    }
    return this.#file(path, node)
  }

  read(path: string): Uint8Array | null {
    this.#alive()
    return this.#live.get(path)?.live.slice() ?? null
  }

  list(path: string): string[] {
    this.#alive()
    const prefix = path === '' || path === '.' ? '' : `${path}/`
    const names = new Set<string>()
    for (const name of this.#live.keys()) if (name.startsWith(prefix)) names.add(name.slice(prefix.length).split('/')[0]!)
    return [...names].sort()
  }

  exists(path: string): boolean {
    this.#alive()
    return this.#live.has(path)
  }

  makeFolder(path: string): void {
    this.#alive()
    this.#mutate('makeFolder', path, () => undefined)
  }

  rename(from: string, to: string): void {
    this.#alive()
    const node = this.#live.get(from)
    if (!node) throw new RedoubtError('ERR_STORAGE_IO', 'the storage failed with ENOENT')
    this.#mutate('rename', to, () => {
      this.#name(to, node)
      this.#name(from, null)
    })
  }

  link(from: string, to: string): boolean {
    this.#alive()
    const node = this.#live.get(from)
    if (!node) throw new RedoubtError('ERR_STORAGE_IO', 'the storage failed with ENOENT')
    if (this.#live.has(to)) return false
    this.#mutate('link', to, () => this.#name(to, node))
    return true
  }

  remove(path: string): void {
    this.#alive()
    this.#mutate('remove', path, () => this.#name(path, null))
  }

  syncFolder(path: string): void {
    this.#alive()
    this.#mutate('syncFolder', path, () => {
      const folder = path === '.' ? '' : path
      const inside = (name: string): boolean => (name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : '') === folder
      for (const change of this.#changes) if (inside(change.path)) applyName(this.#durable, change)
      this.#changes = this.#changes.filter((change) => !inside(change.path))
    })
  }

  /** @param random uniform in [0, 1). @returns what is left: synced state plus a random subset, possibly torn, of the rest. */
  powerCut(random: () => number, options: MemoryFolderOptions = {}): MemoryFolder {
    this.#dead = true
    const survivor = new MemoryFolder(options)
    const names = new Map(this.#durable)
    // Journalled file systems keep name changes in order, so a prefix of them survives.
    const kept = Math.floor(random() * (this.#changes.length + 1))
    for (const change of this.#changes.slice(0, kept)) applyName(names, change)
    for (const [path, node] of names) {
      let content = node.durable
      for (const write of node.pending) {
        if (random() < 0.5) continue
        if (write.bytes === null) content = resized(content, write.size)
        else
          content = overwritten(
            content,
            random() < 0.3 ? write.bytes.subarray(0, Math.floor(random() * write.bytes.length)) : write.bytes,
            write.position,
          )
      }
      const node2: Node = { live: content.slice(), durable: content.slice(), pending: [] }
      survivor.#live.set(path, node2)
      survivor.#durable.set(path, node2)
    }
    return survivor
  }

  #file(path: string, node: Node): DurableFile {
    return {
      size: () => (this.#alive(), node.live.byteLength),
      readAt: (into, position) => {
        this.#alive()
        const part = node.live.subarray(position, position + into.byteLength)
        into.set(part)
        return part.byteLength
      },
      writeAt: (bytes, position) => this.#write('writeAt', path, node, bytes, position),
      // Looked at as late as the promise allows: a caller who uses the memory again too early finds that in its file.
      writeBeside: async (bytes, position) => {
        this.#alive()
        await turn()
        this.#write('writeBeside', path, node, bytes, position)
      },
      readBeside: async (into, position) => {
        await turn()
        this.#alive()
        const part = node.live.subarray(position, position + into.byteLength)
        into.set(part)
        return part.byteLength
      },
      truncate: (size) => {
        this.#alive()
        this.#mutate('truncate', path, () => {
          node.live = resized(node.live, size)
          node.pending.push({ position: 0, bytes: null, size })
        })
      },
      datasync: () => this.#datasync(path, node),
      datasyncBeside: async () => this.#datasync(path, node),
      close: () => undefined,
    }
  }

  #write(call: string, path: string, node: Node, bytes: Uint8Array | readonly Uint8Array[], position: number): void {
    this.#alive()
    // Not `slice`: on a Buffer that would share memory with the caller.
    const copy = new Uint8Array(bytes instanceof Uint8Array ? bytes : Buffer.concat(bytes))
    this.#mutate(call, path, () => {
      node.live = overwritten(node.live, copy, position)
      node.pending.push({ position, bytes: copy, size: 0 })
    })
  }

  #datasync(path: string, node: Node): void {
    this.#alive()
    this.#mutate('datasync', path, () => {
      node.durable = node.live.slice()
      node.pending = []
    })
  }

  #name(path: string, node: Node | null): void {
    const change = { path, node }
    this.#changes.push(change)
    applyName(this.#live, change)
  }

  #mutate(call: string, path: string, effect: () => void): void {
    switch (this.#fault(call, path)) {
      case 'none':
        effect()
        return
      case 'lost':
        throw new RedoubtError('ERR_STORAGE_IO', 'the storage failed with EIO')
      case 'done-but-reported-lost':
        effect()
        throw new RedoubtError('ERR_STORAGE_IO', 'the storage failed with EIO')
      case 'disk-full':
        throw new RedoubtError('ERR_STORAGE_FULL', 'the disk is full')
    }
  }

  #alive(): void {
    if (this.#dead) throw new RedoubtError('ERR_STORAGE_IO', 'the power is off')
  }
}

function applyName(names: Map<string, Node>, change: NameChange): void {
  if (change.node) names.set(change.path, change.node)
  else names.delete(change.path)
}

function overwritten(content: Uint8Array, bytes: Uint8Array, position: number): Uint8Array {
  const next = new Uint8Array(Math.max(content.byteLength, position + bytes.byteLength))
  next.set(content)
  next.set(bytes, position)
  return next
}

function resized(content: Uint8Array, size: number): Uint8Array {
  const next = new Uint8Array(size)
  next.set(content.subarray(0, size))
  return next
}
