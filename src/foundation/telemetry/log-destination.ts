import { write, writeSync } from 'node:fs'

/** What may wait to be written, in UTF-16 units: a log that nobody takes must not fill the memory. */
const MAX_WAITING = 1024 * 1024
/** Between two attempts at a pipe whose reader is slow. */
const RETRY_MS = 100

const open = new Set<LogDestination>()
process.once('exit', () => {
  for (const destination of open) destination.end()
})

/**
 * Where lines of the server's own log go: a file descriptor, written beside the event loop. It never throws and holds up nobody: a log on a
 * full disk, or a pipe that nobody reads, must not end the server or stop it. What cannot be written is dropped and counted, and the next
 * line that can be written comes after one that says how many are missing.
 */
export class LogDestination {
  readonly #fd: number
  #waiting: string[] = []
  #units = 0
  #dropped = 0
  #writing = false
  /** The last line that was written lacks its end. */
  #torn = false

  constructor(fd: number) {
    this.#fd = fd
    open.add(this)
  }

  write(line: string): void {
    if (this.#units + line.length > MAX_WAITING) {
      this.#dropped++
      return
    }
    this.#waiting.push(line)
    this.#units += line.length
    if (this.#writing) return
    this.#writing = true
    // Lines of one turn are written together, and none of them is on its way when the turn ends the process.
    queueMicrotask(() => this.#next())
  }

  /** At the end of the process: one attempt at what still waits. */
  end(): void {
    open.delete(this)
    try {
      if (this.#waiting.length > 0) writeSync(this.#fd, this.#waiting.join(''))
    } catch {
      // Whoever reads the log is not there either.
    }
  }

  #next(): void {
    this.#writing = this.#waiting.length > 0
    if (!this.#writing) return
    const lines = this.#waiting
    const dropped = this.#dropped
    const missing =
      dropped === 0 ? '' : `${JSON.stringify({ level: 40, time: Date.now(), dropped, msg: 'lines of this log are missing' })}\n`
    const bytes = Buffer.from(`${this.#torn ? '\n' : ''}${missing}${lines.join('')}`)
    this.#waiting = []
    this.#units = 0
    this.#dropped = 0
    this.#put(bytes, 0, () => (this.#dropped += dropped + lines.length))
  }

  #put(bytes: Buffer, from: number, lose: () => void): void {
    write(this.#fd, bytes, from, bytes.byteLength - from, null, (error, written) => {
      const code = error?.code
      if (code === 'EAGAIN') return void setTimeout(() => this.#put(bytes, from, lose), RETRY_MS).unref()
      if (code === undefined && from + written < bytes.byteLength) return this.#put(bytes, from + written, lose)
      if (code === undefined) this.#torn = false
      else {
        this.#torn ||= from > 0
        // Not tried again: the next lines are the next attempt.
        lose()
      }
      this.#next()
    })
  }
}
