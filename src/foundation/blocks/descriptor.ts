import { closeSync, constants, openSync, read, write, writeSync, writevSync } from 'node:fs'
import { isOnPages } from './page-memory.ts'

/** What a file system says that has no direct input and output, or asks more for it than whole pages. */
const UNFIT: ReadonlySet<unknown> = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'])

/**
 * An open file, written and read in place or beside the caller. What is on pages (`isOnPages`) goes around the kernel's page cache when it goes beside, if
 * the file system can; the bytes of the file are the same either way, and durable after the same fdatasync.
 * Its methods throw the system's own errors.
 */
export class Descriptor {
  readonly #fd: number
  readonly #openDirect: () => number
  #direct: number | null = null
  #fits = true

  /**
   * @param fd stays the caller's, who closes it after this.
   * @param access how `fd` was opened: `O_RDONLY` or `O_RDWR`.
   * @param openDirect opens the same file once more with `O_DIRECT`.
   */
  constructor(fd: number, access: number, openDirect = (): number => openAgain(fd, access)) {
    this.#fd = fd
    this.#openDirect = openDirect
  }

  /** @param bytes several are written one after the other, as one write. */
  writeAt(bytes: Uint8Array | readonly Uint8Array[], position: number): void {
    if (bytes instanceof Uint8Array) writeOne(this.#fd, bytes, position)
    else writeAll(this.#fd, bytes, position)
  }

  /** `bytes` MUST NOT be touched until it resolves. */
  async writeBeside(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.byteLength;) {
      const rest = bytes.subarray(done)
      done += await this.#beside(rest, position + done, (fd) => call(write, fd, rest, position + done))
    }
  }

  /** `into` MUST NOT be touched until it resolves. @returns how many bytes were read; fewer than asked only at the end of the file. */
  async readBeside(into: Uint8Array, position: number): Promise<number> {
    let done = 0
    while (done < into.byteLength) {
      const rest = into.subarray(done)
      const count = await this.#beside(rest, position + done, (fd) => call(read, fd, rest, position + done))
      if (count === 0) break
      done += count
    }
    return done
  }

  /** MUST NOT be called while something goes beside. */
  close(): void {
    if (this.#direct !== null) closeSync(this.#direct)
    this.#direct = null
    this.#fits = false
  }

  async #beside(bytes: Uint8Array, position: number, move: (fd: number) => Promise<number>): Promise<number> {
    const direct = isOnPages(bytes, position) ? this.#directly() : null
    if (direct === null) return move(this.#fd)
    try {
      return await move(direct)
    } catch (error) {
      if (!UNFIT.has((error as NodeJS.ErrnoException).code)) throw error
      this.#fits = false
      return move(this.#fd)
    }
  }

  #directly(): number | null {
    if (!this.#fits) return null
    try {
      this.#direct ??= this.#openDirect()
    } catch {
      // Whatever is wrong with the file itself, the descriptor that is open says.
      this.#fits = false
    }
    return this.#direct
  }
}

/** By its descriptor: the same file, whatever its name is by now. */
function openAgain(fd: number, access: number): number {
  return openSync(`/proc/self/fd/${fd}`, access | constants.O_DIRECT)
}

type Call = (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
  done: (error: NodeJS.ErrnoException | null, count: number) => void,
) => void

function call(system: Call, fd: number, bytes: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    system(fd, bytes, 0, bytes.byteLength, position, (error, count) => (error === null ? resolve(count) : reject(error)))
  })
}

function writeOne(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.byteLength;) done += writeSync(fd, bytes, done, bytes.byteLength - done, position + done)
}

/** One call of the system for all; what it leaves over, at a signal or a full disk, is written one by one. */
function writeAll(fd: number, parts: readonly Uint8Array[], position: number): void {
  let done = writevSync(fd, parts, position)
  let at = position
  for (const part of parts) {
    const written = Math.min(done, part.byteLength)
    done -= written
    if (written < part.byteLength) writeOne(fd, part.subarray(written), at + written)
    at += part.byteLength
  }
}
