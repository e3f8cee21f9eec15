/**
 * One process of a house whose keys move, for the test that kills it: `move-until-killed.child.fixtures.ts FOLDER PROVIDERS RUN`. It makes
 * objects all the while, prints a line for each event of the log about the move, and `done` with how the last round ended.
 */
import { argv } from 'node:process'
import { setTimeout as wait } from 'node:timers/promises'
import { openHouseOnTheMove, type Providers } from './house-on-the-move.fixtures.ts'

const MOST_ROUNDS = 12
const ABOUT_THE_MOVE = /^key\.(?:move|rewrap|retire|destroy)$/

const [, , root, providers, run] = argv as [string, string, string, string, string]
const house = await openHouseOnTheMove(root, JSON.parse(providers) as Providers, ({ type }) => {
  if (ABOUT_THE_MOVE.test(type)) process.stdout.write(`${type}\n`)
})
const making = { stopped: false }
const made = (async () => {
  for (let i = 0; !making.stopped; i++) {
    await house.make(`${run}-${i}`)
    await wait(60)
  }
})()
for (let round = 0; round < MOST_ROUNDS; round++) {
  await house.rotation.run()
  const { error, move } = house.rotation.progress()
  if (error !== null || move === null) break
}
making.stopped = true
await made
const { error, move, objects, keys } = house.rotation.progress()
await house.close()
process.stdout.write(`done ${JSON.stringify({ error, move, failed: objects.failed + keys.failed })}\n`)
