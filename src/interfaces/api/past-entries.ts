import { setImmediate as nextTurn } from 'node:timers/promises'
import type { JsonObject } from '#foundation/core'
import type { AuditLog } from '#trust/audit'

/** Read at a time, so that requests are answered in between; and at most of each type, so that a reading ends. */
const PAGE = 200
const MAX_ENTRIES = 200_000

export interface Reading {
  /** False when the period holds more than was read, or the index lags behind. */
  readonly complete: boolean
  /** Everything since then was read, epoch milliseconds. */
  readonly readBackTo: number
  readonly entries: number
}

export interface Period {
  readonly log: Pick<AuditLog, 'search' | 'size'>
  /** Epoch milliseconds, inclusive. */
  readonly from: number
  readonly to: number
}

/** Shows the entries of a period, newest first within each type; at most 200,000 of a type. */
export async function readBack({ log, from, to }: Period, types: readonly string[], note: (event: JsonObject) => void): Promise<Reading> {
  let [complete, readBackTo, entries] = [true, from, 0]
  for (const type of types) {
    let before: number | null = null
    for (let read = 0; ;) {
      await nextTurn()
      const page = log.search({ type, from, to, limit: PAGE, ...(before === null ? {} : { before }) })
      for (const { event } of page.entries) note(event)
      read += page.entries.length
      entries += page.entries.length
      // The index may lag behind a log that grows fast: what is not in it was not read.
      if (before === null && page.upTo < log.size() - PAGE) complete = false
      before = page.next
      if (before === null) break
      if (read >= MAX_ENTRIES) {
        complete = false
        readBackTo = Math.max(readBackTo, Number(page.entries.at(-1)?.event['time'] ?? from))
        break
      }
    }
  }
  return { complete, readBackTo, entries }
}
