/**
 * Runs one transform after the other, for the test that kills it: `transform-runner.child.fixtures.ts FOLDER cancel|whole`. Every second
 * run, the first one with `cancel`, is cancelled once it has written. Prints `ack VERSION DIGEST` for each version that was made, and for each run that
 * was cancelled `cancelled FILES`, with how many files that belong to no version it left.
 */
import { readdirSync, writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { RedoubtError } from '#foundation/core'
import { DEFINITION, OBJECTS, openRooms } from './rooms.fixtures.ts'

const [, , root = '', first] = process.argv
const cancelFirst = first === 'cancel'
const rooms = await openRooms(root)
const strays = (): number => {
  const ids = rooms.datasets.list().map(({ id }) => id)
  const files = readdirSync(join(root, OBJECTS), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.filter(({ name }) => !ids.some((id) => name.includes(id))).length
}
async function whole(): Promise<void> {
  const { version, digest } = await rooms.run(DEFINITION)
  writeSync(1, `ack ${version} ${digest}\n`)
}
async function cancelled(afterMs: number): Promise<void> {
  const abort = new AbortController()
  const wrote = setInterval(() => {
    if (strays() === 0) return
    clearInterval(wrote)
    setTimeout(() => abort.abort(new RedoubtError('ERR_TRANSFORM_CANCELLED')), afterMs)
  }, 1)
  try {
    const { version, digest } = await rooms.run(DEFINITION, abort.signal)
    writeSync(1, `ack ${version} ${digest}\n`)
  } catch (thrown) {
    if ((thrown as RedoubtError).code !== 'ERR_TRANSFORM_CANCELLED') throw thrown
    writeSync(1, `cancelled ${strays()}\n`)
  } finally {
    clearInterval(wrote)
  }
}

// It never ends by itself, so it leaves to the next one what it was compiled to.
flushCompileCache()
writeSync(1, 'open\n')
for (let run = 0; ; run++) await (cancelFirst === (run % 2 === 0) ? cancelled(run) : whole())
