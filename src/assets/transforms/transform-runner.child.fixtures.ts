/** Runs one transform after the other, for the test that kills it: `transform-runner.child.fixtures.ts FOLDER`. Prints `ack VERSION DIGEST` for each version that was made. */
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { openRooms } from './rooms.fixtures.ts'

const [, , root = ''] = process.argv
const rooms = await openRooms(root)
// It never ends by itself, so it leaves to the next one what it was compiled to.
flushCompileCache()
writeSync(1, 'open\n')
for (;;) {
  const { version, digest } = await rooms.run()
  writeSync(1, `ack ${version} ${digest}\n`)
}
