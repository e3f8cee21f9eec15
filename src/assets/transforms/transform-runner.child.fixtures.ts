/** Runs one transform after the other, for the test that kills it: `transform-runner.child.fixtures.ts FOLDER`. Prints `ack VERSION DIGEST` for each version that was made. */
import { writeSync } from 'node:fs'
import { openRooms } from './rooms.fixtures.ts'

const [, , root = ''] = process.argv
const rooms = await openRooms(root)
writeSync(1, 'open\n')
for (;;) {
  const { version, digest } = await rooms.run()
  writeSync(1, `ack ${version} ${digest}\n`)
}
