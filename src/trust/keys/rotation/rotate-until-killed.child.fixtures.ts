import { flushCompileCache } from 'node:module'
import { argv } from 'node:process'
import { openHouseOnDisk } from './house-on-disk.fixture.ts'

// One process of a house on disk, which rotates until it is done or killed.
const house = await openHouseOnDisk(argv[2]!, { objectsPerSecond: 400 })
// Most of them are killed, so each leaves to the next what it was compiled to.
flushCompileCache()
// Also keeps the process alive, which the rotation by itself does not.
const watch = setInterval(() => {
  const { moved, resealed } = house.rotation.progress().objects
  if (moved + resealed === 0) return
  process.stdout.write('moving\n')
  clearInterval(watch)
  setInterval(() => undefined, 1_000)
}, 5)
await house.rotation.run()
const { objects, error } = house.rotation.progress()
process.stdout.write(`${JSON.stringify({ ...objects, error })}\n`)
process.exit(0)
