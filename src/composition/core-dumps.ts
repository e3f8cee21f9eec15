import { readFileSync, writeFileSync } from 'node:fs'
import { RedoubtError } from '#foundation/core'

/** What the kernel would write of this process if it crashed. */
export interface CoreDumps {
  /** Bytes of a core file that the soft limit allows; null is no limit, and so is what cannot be read. 0 is none. */
  readonly limit: number | null
  /** Whether a dump would hold memory: a handler that the system pipes dumps to is not bound by the limit. */
  readonly memory: boolean
}

/**
 * Takes all memory out of any dump of this process and of those that it starts (core(5), `coredump_filter`). What cannot be set is told by `coreDumps`.
 */
export function emptyCoreDumps(write: (path: string, text: string) => void = writeFileSync): void {
  try {
    write('/proc/self/coredump_filter', '0')
  } catch {
    return
  }
}

/** As the kernel says it; where it says nothing, as if everything were written. */
export function coreDumps(read: (path: string) => string = (path) => readFileSync(path, 'latin1')): CoreDumps {
  const told = (path: string): string => {
    try {
      return read(path)
    } catch {
      return ''
    }
  }
  const limit = /^Max core file size +(\d+) /m.exec(told('/proc/self/limits'))?.[1]
  const filter = /^[0-9a-f]+$/m.exec(told('/proc/self/coredump_filter'))?.[0]
  return { limit: limit === undefined ? null : Number(limit), memory: filter === undefined || Number.parseInt(filter, 16) !== 0 }
}

/**
 * Node cannot lower its own limit; the shell that starts it does.
 * @throws {RedoubtError} `ERR_CONFIG_INSECURE` in production when a crash would leave a file.
 */
export function refuseCoreDumps(profile: 'development' | 'production', { limit }: CoreDumps): void {
  if (profile === 'production' && limit !== 0)
    throw new RedoubtError(
      'ERR_CONFIG_INSECURE',
      'under `profile: production` no crash may leave a core file, for it would hold keys: start through `bin/redoubt` or `npm start`, or after `ulimit -c 0`',
    )
}
