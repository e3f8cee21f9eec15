import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

interface Collection {
  readonly type: 'major'
  /** Returns the pages that are free after it, too; an ordinary one keeps them for what may come. */
  readonly flavor: 'last-resort'
}

/**
 * Loading modules and validating policies leaves a heap three times as large as what is in use, and V8 keeps its pages as long as there is little to collect. One full
 * collection gives them back to the system. It stops everything for about a tenth of a second, so it has its place before the first request.
 */
export function collectStartUpGarbage(): void {
  setFlagsFromString('--expose-gc')
  try {
    // A global of a context made now, and of no other: nothing in the server can collect by itself.
    const collect = runInNewContext('gc') as (how: Collection) => void
    collect({ type: 'major', flavor: 'last-resort' })
  } finally {
    setFlagsFromString('--no-expose-gc')
  }
}
